//! What the refused are told.
//!
//! A browser's EventSource gives up for ever on anything but a stream, so a transient refusal is a stream by default: 200,
//! `retry:`, end. It has neither an `id:` line nor an empty line: an empty id, and an empty line before the first id
//! (WHATWG HTML, "dispatch the event", step 1), would erase the client's place.

use std::sync::Arc;

use fanfare_protocol::{ChannelName, block};
use tracing::debug;

use crate::admission::{Reason, Refused};
use crate::answer::Answer;
use crate::cors::CorsVerdict;
use crate::node_state::NodeState;
use crate::options::RefusalPolicy;
use crate::problem::{Kind, Problem};
use crate::session;

/// The answer to a refusal, which ends the connection: its place is needed by another client. `asked_for_stream`: the client
/// named `text/event-stream` itself.
pub(crate) fn answer(refused: &Refused, policy: RefusalPolicy, asked_for_stream: bool) -> Answer {
    if policy == RefusalPolicy::Polite && asked_for_stream {
        Answer::ended_stream(retry_line(refused)).closing()
    } else {
        Answer::from(problem(refused)).closing()
    }
}

/// Makes the answer to a subscription that was admitted and then cannot begin after all.
#[derive(Debug)]
pub(crate) struct LateRefusal {
    pub(crate) node: Arc<NodeState>,
    pub(crate) verdict: CorsVerdict,
    pub(crate) asked_for_stream: bool,
}

impl LateRefusal {
    pub(crate) fn answer(&self, why: &session::Refusal) -> Answer {
        let (admission, cors) = (&self.node.admission, &self.node.options.cors);
        let reason = match why {
            session::Refusal::WrongType(channel) => {
                debug!(%channel, "a client asked for a channel whose key is no stream");
                return Answer::from(not_a_stream(channel)).closing().with(cors.headers(self.verdict));
            }
            session::Refusal::Draining => Reason::Draining,
            session::Refusal::Undecided | session::Refusal::Timeout => Reason::Unavailable,
            session::Refusal::Channel(detail) => {
                debug!(%detail, "a channel that a client asked for cannot be followed");
                Reason::Unavailable
            }
        };
        let refused = admission.refuse(reason);
        answer(&refused, admission.policy(), self.asked_for_stream).with(cors.headers(self.verdict))
    }
}

/// Told at once and for good: to come back would change nothing, as long as nobody changes the key.
fn not_a_stream(channel: &ChannelName) -> Problem {
    Problem::new(Kind::WrongType, format!("Channel `{channel}`: its key holds another type than a stream."))
}

fn retry_line(refused: &Refused) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    block::retry(&mut out, u64::try_from(refused.retry.as_millis()).unwrap_or(u64::MAX));
    out
}

fn problem(refused: &Refused) -> Problem {
    let kind = if refused.reason.is_about_the_client() { Kind::TooManyRequests } else { Kind::Unavailable };
    Problem::new(kind, refused.reason.detail()).retry_after(refused.retry)
}
