//! `GET /status`: a page for people, JSON for programs, and a stream of the same JSON for the page.

use std::sync::Arc;

use fanfare_protocol::limits::{STATUS_PAUSE, STATUS_STREAMS_MAX};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use super::status_json;
use super::status_stream::StatusStream;
use super::subject::Subject;
use crate::http::{Answering, Ending, Reply, at_once, json as json_reply, reply, reply_with, text};

const PAGE: &str = include_str!("status.html");
/// The page asks nobody but the node.
const POLICY: &str =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'";

/// Answers about the status of one node.
pub(super) struct Status<S> {
    subject: Arc<S>,
    /// Places for streams.
    places: Arc<Semaphore>,
}

impl<S: Subject> Status<S> {
    pub(super) fn new(subject: Arc<S>) -> Self {
        Self { subject, places: Arc::new(Semaphore::new(STATUS_STREAMS_MAX)) }
    }

    pub(super) fn answer(&self, request: &Request<Incoming>) -> Answering {
        // An EventSource asks for a stream by name and a browser's address bar for HTML; curl and scripts ask for neither.
        if accepts(request, "text/event-stream") {
            return at_once(self.stream(request));
        }
        if accepts(request, "text/html") {
            return at_once(page());
        }
        let subject = Arc::clone(&self.subject);
        Box::pin(async move { json_reply(StatusCode::OK, &status_json::collect(subject.as_ref()).await) })
    }

    fn stream(&self, request: &Request<Incoming>) -> Reply {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let (Ok(place), Some(ending)) = (place, request.extensions().get::<Ending>()) else {
            let said =
                format!("{STATUS_STREAMS_MAX} streams of this status are open, and no more at a time; ask for JSON\n");
            let mut reply = text(StatusCode::SERVICE_UNAVAILABLE, said);
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(STATUS_PAUSE.as_secs()));
            return reply;
        };
        let stream = StatusStream::new(Arc::clone(&self.subject), ending.clone(), place);
        reply_with(StatusCode::OK, "text/event-stream", stream.boxed_unsync())
    }
}

fn page() -> Reply {
    let mut reply = reply(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    reply
}

fn accepts(request: &Request<Incoming>, media_type: &str) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains(media_type))
}
