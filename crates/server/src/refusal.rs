//! What the refused are told.
//!
//! A browser's EventSource gives up for ever on anything but a stream, so a transient refusal is a stream by default: 200,
//! `retry:`, end. Many clients act on whole blocks only, so it is one wherever that is safe: an empty line before the first
//! id erases the client's place (WHATWG HTML, "dispatch the event", step 1), unless the block tells it.

use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::{ChannelName, block};
use tracing::debug;

use crate::admission::{Reason, Refused};
use crate::answer::Answer;
use crate::close::Close;
use crate::common_headers::CommonHeaders;
use crate::denied::Denied;
use crate::node_state::NodeState;
use crate::options::RefusalPolicy;
use crate::problem::{Kind, Problem};
use crate::session;
use crate::subscription::Subscription;

/// What a refusal of a subscription depends on.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The client named `text/event-stream` itself.
    for_stream: bool,
    ticket: Brought,
    close: Close,
    place: Place,
}

/// Whether a client brings a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// It brings none.
    Nothing,
    /// When that is over, there is nothing to come back for.
    Ticket,
    /// When the grant that was made of it is over, the ticket may be good yet: the store took its time to say what it is worth.
    SlowTicket,
    /// Tickets are off on this node: what it may have without one it may, and another node may give it the rest.
    Unasked,
}

/// The place of a client that is refused.
#[derive(Debug, Clone)]
enum Place {
    /// It brings none.
    None,
    /// In our own spelling: nothing that a client sent is sent back.
    At(String),
    /// It brings something that this node cannot read, and another one may.
    Unreadable,
}

impl Asked {
    pub(crate) fn of(subscription: &Subscription, for_stream: bool, ticket: Brought) -> Self {
        let place = match &subscription.resume {
            None => Place::None,
            Some(Ok(position)) => Place::At(position.to_string()),
            Some(Err(_)) => Place::Unreadable,
        };
        Self { for_stream, ticket, close: subscription.close, place }
    }

    /// Whether a refusal is a stream that is over at once, and not a status.
    fn is_told_politely(&self, policy: RefusalPolicy) -> bool {
        policy == RefusalPolicy::Polite && self.for_stream && self.close == Close::Clean
    }

    /// A refusal that may pass: a stream that is over at once, or this problem.
    fn passing(
        &self,
        policy: RefusalPolicy,
        after: Duration,
        is_about_the_client: bool,
        problem: impl FnOnce() -> Problem,
    ) -> Answer {
        let answer = if self.is_told_politely(policy) {
            Answer::ended_stream(retry(after, &self.place))
        } else {
            problem().into()
        };
        if is_about_the_client { answer.closing() } else { answer.for_elsewhere() }
    }
}

/// The answer to a refusal. It ends a connection of HTTP/1, whose place is needed by another client; whether it sends the client of one of
/// HTTP/2 elsewhere depends on whose doing it is.
pub(crate) fn answer(refused: &Refused, policy: RefusalPolicy, asked: &Asked) -> Answer {
    let is_about_the_client = refused.reason.is_about_the_client();
    asked.passing(policy, refused.retry, is_about_the_client, || problem(refused))
}

/// Makes the answer to a subscription that was admitted and then cannot begin after all.
#[derive(Debug)]
pub(crate) struct LateRefusal {
    pub(crate) node: Arc<NodeState>,
    pub(crate) common: CommonHeaders,
    pub(crate) asked: Asked,
}

impl LateRefusal {
    /// The answer to a client for which the node has no room now.
    pub(crate) fn refused(&self, refused: &Refused) -> Answer {
        answer(refused, self.node.admission.policy(), &self.asked)
    }

    /// The answer to a client that may not have what it asks for. A status ends an EventSource for ever, so it is one only if
    /// coming back would not help.
    pub(crate) fn denied(&self, denied: Denied) -> Answer {
        let is_elsewhere = self.asked.ticket == Brought::Unasked && !denied.is_transient();
        let denied = if is_elsewhere { Denied::TicketsOff } else { denied };
        match denied {
            Denied::By(fanfare_auth::Refusal::Expired) => return self.expired(),
            Denied::TicketOver => return Answer::over(),
            // Who comes for the first time hears at once what it is.
            Denied::Young(_) if !matches!(self.asked.place, Place::None) => return self.young(),
            _ if !denied.is_transient() => return Problem::from(denied).into(),
            _ => {}
        }
        let admission = &self.node.admission;
        // What others do not answer is no fault of the node, and is counted as denied.
        let after = match denied {
            Denied::Undecided => admission.refuse(Reason::Unavailable).retry,
            _ => admission.retry(),
        };
        let is_about_the_client = denied.is_about_the_client();
        let problem = || Problem::from(denied).retry_after(after);
        self.asked.passing(admission.policy(), after, is_about_the_client, problem)
    }

    /// Told to a client whose token was good until lately: it may come with a fresh one, and keeps its place. A URL with a ticket stays
    /// what it is, however often it is asked for; but only a prompt answer of the store is reason enough to end that for good.
    fn expired(&self) -> Answer {
        match self.asked.ticket {
            Brought::Ticket => Answer::over(),
            Brought::SlowTicket => self.denied(Denied::Unstored),
            Brought::Nothing | Brought::Unasked => {
                self.come_again().unwrap_or_else(|| Problem::from(Denied::By(fanfare_auth::Refusal::Expired)).into())
            }
        }
    }

    /// The same, for a stream by a ticket that may be good for longer than its grant says.
    pub(crate) fn of_slow_ticket(mut self) -> Self {
        self.asked.ticket = Brought::SlowTicket;
        self
    }

    /// Told to a client that was denied for a reason that may pass: with a status, too, it is none that is final.
    fn young(&self) -> Answer {
        let undecided = || Problem::from(Denied::Unasked).retry_after(self.node.admission.retry());
        self.come_again().unwrap_or_else(|| Answer::from(undecided()).closing())
    }

    /// `$expired`, to a client that is told politely.
    fn come_again(&self) -> Option<Answer> {
        let admission = &self.node.admission;
        let is_polite = self.asked.is_told_politely(admission.policy());
        is_polite.then(|| Answer::ended_stream(expired(admission.retry(), &self.asked.place)).closing())
    }

    pub(crate) fn answer(&self, why: &session::Refusal) -> Answer {
        let admission = &self.node.admission;
        let reason = match why {
            // Who comes for the first time has a wrong name, most likely. Who comes back had a stream there, and will again once
            // the key is mended.
            session::Refusal::WrongType(channel) if matches!(self.asked.place, Place::None) => {
                debug!(%channel, "a client asked for a channel whose key is no stream");
                return Answer::from(not_a_stream(channel)).closing().with(self.node.headers(&self.common));
            }
            session::Refusal::WrongType(_) => Reason::Unavailable,
            session::Refusal::Expired => return self.expired().with(self.node.headers(&self.common)),
            session::Refusal::Revoked => {
                return Answer::from(Problem::from(Denied::Revoked)).closing().with(self.node.headers(&self.common));
            }
            session::Refusal::Draining => Reason::Draining,
            session::Refusal::Timeout => Reason::Unavailable,
            session::Refusal::Channel(detail) => {
                debug!(%detail, "a channel that a client asked for cannot be followed");
                Reason::Unavailable
            }
        };
        let refused = admission.refuse(reason);
        answer(&refused, admission.policy(), &self.asked).with(self.node.headers(&self.common))
    }
}

/// Told at once and for good.
fn not_a_stream(channel: &ChannelName) -> Problem {
    Problem::new(Kind::WrongType, format!("Channel `{channel}`: its key holds another type than a stream."))
}

fn expired(retry: Duration, place: &Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    let ms = milliseconds(retry);
    match place {
        Place::None => block::expired(&mut out, ms, None),
        Place::At(position) => block::expired(&mut out, ms, Some(position)),
        // An event ends with an empty line, which erases what the node cannot repeat.
        Place::Unreadable => block::retry(&mut out, ms),
    }
    out
}

fn milliseconds(retry: Duration) -> u64 {
    u64::try_from(retry.as_millis()).unwrap_or(u64::MAX)
}

fn retry(retry: Duration, place: &Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let ms = milliseconds(retry);
    match place {
        Place::None => block::retry_block(&mut out, ms),
        Place::At(position) => {
            block::retry(&mut out, ms);
            block::id(&mut out, position);
        }
        Place::Unreadable => block::retry(&mut out, ms),
    }
    out
}

fn problem(refused: &Refused) -> Problem {
    let kind = if refused.reason.is_about_the_client() { Kind::TooManyRequests } else { Kind::Unavailable };
    Problem::new(kind, refused.reason.detail()).retry_after(refused.retry)
}
