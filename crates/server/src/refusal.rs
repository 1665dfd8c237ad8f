//! What the refused are told.
//!
//! A browser's EventSource gives up for ever on anything but a stream, so a transient refusal is a stream by default: 200,
//! `retry:`, end. It has neither an `id:` line nor an empty line: an empty id, and an empty line before the first id
//! (WHATWG HTML, "dispatch the event", step 1), would erase the client's place.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_protocol::{block, chunk};
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;
use tracing::debug;

use crate::admission::{AddressKey, Reason, Refused};
use crate::cors::CorsVerdict;
use crate::framing::Framing;
use crate::head;
use crate::node_state::NodeState;
use crate::options::RefusalPolicy;
use crate::problem::{Kind, Problem, Reply};
use crate::session;

/// The answer through hyper. `asked_for_stream`: the client named `text/event-stream` itself.
pub(crate) fn reply(refused: &Refused, policy: RefusalPolicy, asked_for_stream: bool) -> Reply {
    let mut reply = if policy == RefusalPolicy::Polite && asked_for_stream {
        let mut reply = Response::new(Full::new(Bytes::from(retry_line(refused))));
        *reply.status_mut() = StatusCode::OK;
        head::apply_stream_headers(reply.headers_mut());
        reply
    } else {
        problem(refused).into_reply()
    };
    // Its place is needed by somebody else.
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// Makes the answer to a subscription that was admitted and then cannot begin after all, when hyper is gone already.
#[derive(Debug)]
pub(crate) struct LateRefusal {
    pub(crate) node: Arc<NodeState>,
    pub(crate) key: AddressKey,
    pub(crate) framing: Framing,
    pub(crate) verdict: CorsVerdict,
    pub(crate) asked_for_stream: bool,
}

impl LateRefusal {
    /// Head and body, to be written before the socket is closed.
    pub(crate) fn answer(&self, why: &session::Refusal) -> Vec<u8> {
        let reason = match why {
            session::Refusal::Draining => Reason::Draining,
            session::Refusal::Timeout => Reason::Unavailable,
            session::Refusal::Channel(detail) => {
                debug!(%detail, "the store refuses a channel that a client asked for");
                Reason::Unavailable
            }
        };
        let (admission, cors) = (&self.node.admission, &self.node.options.cors);
        let refused = admission.refuse(self.key, reason, Instant::now());
        if admission.policy() == RefusalPolicy::Status || !self.asked_for_stream {
            let headers: Vec<_> = cors.headers(self.verdict).collect();
            return problem(&refused).into_bytes(&headers);
        }
        let mut out = head::stream(self.framing, cors, self.verdict);
        let line = retry_line(&refused);
        match self.framing {
            Framing::Plain => out.extend_from_slice(&line),
            Framing::Chunked => {
                chunk::wrap(&mut out, &line);
                out.extend_from_slice(chunk::LAST);
            }
        }
        out
    }
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
