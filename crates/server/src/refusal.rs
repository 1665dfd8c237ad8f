//! What the refused are told.
//!
//! A browser's EventSource gives up for ever on anything but a stream, so a transient refusal is a stream by default: 200,
//! `retry:`, end. Many clients act on whole blocks only, so it is one wherever that is safe: an empty line before the first
//! id erases the client's place (WHATWG HTML, "dispatch the event", step 1), unless the block tells it.

use std::sync::Arc;

use fanfare_protocol::{ChannelName, block};
use tracing::debug;

use crate::admission::{Reason, Refused};
use crate::answer::Answer;
use crate::close::Close;
use crate::cors::CorsVerdict;
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
    close: Close,
    place: Place,
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
    pub(crate) fn of(subscription: &Subscription, for_stream: bool) -> Self {
        let place = match &subscription.resume {
            None => Place::None,
            Some(Ok(position)) => Place::At(position.to_string()),
            Some(Err(_)) => Place::Unreadable,
        };
        Self { for_stream, close: subscription.close, place }
    }
}

/// The answer to a refusal, which ends the connection: its place is needed by another client.
pub(crate) fn answer(refused: &Refused, policy: RefusalPolicy, asked: &Asked) -> Answer {
    if policy == RefusalPolicy::Polite && asked.for_stream && asked.close == Close::Clean {
        Answer::ended_stream(retry(refused, &asked.place)).closing()
    } else {
        Answer::from(problem(refused)).closing()
    }
}

/// Makes the answer to a subscription that was admitted and then cannot begin after all.
#[derive(Debug)]
pub(crate) struct LateRefusal {
    pub(crate) node: Arc<NodeState>,
    pub(crate) verdict: CorsVerdict,
    pub(crate) asked: Asked,
}

impl LateRefusal {
    /// The answer to a client that may not have what it asks for.
    pub(crate) fn denied(&self, denied: Denied) -> Answer {
        if denied == Denied::Undecided {
            let admission = &self.node.admission;
            return answer(&admission.refuse(Reason::Unavailable), admission.policy(), &self.asked);
        }
        Problem::from(denied).into()
    }

    pub(crate) fn answer(&self, why: &session::Refusal) -> Answer {
        let (admission, cors) = (&self.node.admission, &self.node.options.cors);
        let reason = match why {
            // Who comes for the first time has a wrong name, most likely. Who comes back had a stream there, and will again once
            // the key is mended.
            session::Refusal::WrongType(channel) if matches!(self.asked.place, Place::None) => {
                debug!(%channel, "a client asked for a channel whose key is no stream");
                return Answer::from(not_a_stream(channel)).closing().with(cors.headers(self.verdict));
            }
            session::Refusal::WrongType(_) => Reason::Unavailable,
            session::Refusal::Draining => Reason::Draining,
            session::Refusal::Timeout => Reason::Unavailable,
            session::Refusal::Channel(detail) => {
                debug!(%detail, "a channel that a client asked for cannot be followed");
                Reason::Unavailable
            }
        };
        let refused = admission.refuse(reason);
        answer(&refused, admission.policy(), &self.asked).with(cors.headers(self.verdict))
    }
}

/// Told at once and for good.
fn not_a_stream(channel: &ChannelName) -> Problem {
    Problem::new(Kind::WrongType, format!("Channel `{channel}`: its key holds another type than a stream."))
}

fn retry(refused: &Refused, place: &Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    let ms = u64::try_from(refused.retry.as_millis()).unwrap_or(u64::MAX);
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
