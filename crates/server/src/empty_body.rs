//! The body of a request that has none to speak of. Some proxies add an empty one, in chunks: when the head is there, its end
//! may still be on the way.

use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};

use crate::problem::{Kind, Problem};

/// What is still to come of a body that must be empty: `None` if nothing is.
pub(crate) fn rest(body: Incoming) -> Result<Option<Incoming>, Problem> {
    if body.is_end_stream() {
        return Ok(None);
    }
    // A length that was announced is not 0 here.
    if body.size_hint().lower() > 0 { Err(not_allowed()) } else { Ok(Some(body)) }
}

/// Waits for the end of the body. Nothing of it stays behind on the connection.
pub(crate) async fn ended(mut body: Incoming) -> Result<(), Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Kind::InvalidRequest, "The body broke off."))?;
        // Trailers say nothing here.
        if frame.data_ref().is_some_and(|data| !data.is_empty()) {
            return Err(not_allowed());
        }
    }
    Ok(())
}

fn not_allowed() -> Problem {
    Problem::new(Kind::BodyNotAllowed, "Ask for a stream with GET and without a body.")
}
