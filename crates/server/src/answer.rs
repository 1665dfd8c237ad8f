//! What a client is told: status, headers and body, and the two ways in which that goes out.
//!
//! Most answers are written by hyper. The head of a stream, and whatever is said once hyper has given the socket back, is
//! written as bytes of HTTP/1 ([`Answer::to_http1`]). Both say the same: nothing else in the crate writes a head.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::close::Close;
use crate::framing::Framing;

/// An answer as hyper writes it.
pub(crate) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// An event stream is UTF-8 by definition (WHATWG HTML, section 9.2.5), but HTTP clients that know only `text/*` would take one
/// without a charset for Latin-1.
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// An answer that has not been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: StatusCode,
    /// In the order in which they are written, no name twice.
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
    /// Another node may have a better answer.
    is_for_elsewhere: bool,
}

/// What follows the head.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    /// These bytes; the head tells how many.
    Whole(Bytes),
    /// A stream that a session writes, and how it would end. The answer to `HEAD` has none.
    Open(Close),
}

impl Answer {
    const fn new(status: StatusCode, headers: Vec<(HeaderName, HeaderValue)>, body: Body) -> Self {
        Self { status, headers, body, is_for_elsewhere: false }
    }

    /// An answer without a body.
    pub(crate) const fn empty(status: StatusCode) -> Self {
        Self::new(status, Vec::new(), Body::Whole(Bytes::new()))
    }

    /// There is nothing more to come: an EventSource stops for good (WHATWG HTML, section 9.2.3).
    pub(crate) fn over() -> Self {
        Self::empty(StatusCode::NO_CONTENT).with([(header::CACHE_CONTROL, NO_STORE)])
    }

    /// A text for people.
    #[must_use]
    pub fn text(text: &'static str) -> Self {
        let body = Body::Whole(Bytes::from_static(text.as_bytes()));
        Self::new(StatusCode::OK, vec![(header::CONTENT_TYPE, TEXT)], body)
    }

    /// A value as JSON. The values of this crate have text keys only, so that serialising cannot fail.
    pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        Self::document(status, JSON, value)
    }

    /// A problem document (RFC 9457).
    pub(crate) fn problem(status: StatusCode, document: &impl Serialize) -> Self {
        Self::document(status, PROBLEM, document)
    }

    fn document(status: StatusCode, content_type: HeaderValue, value: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        let headers = vec![(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, NO_STORE)];
        Self::new(status, headers, Body::Whole(Bytes::from(body)))
    }

    /// The head of a stream that a session writes; all of the answer to `HEAD`.
    #[must_use]
    pub fn stream() -> Self {
        Self::event_stream(Body::Open(Close::Clean))
    }

    /// The same for a stream that ends in this way.
    pub(crate) fn ending(mut self, close: Close) -> Self {
        if let Body::Open(ending) = &mut self.body {
            *ending = close;
        }
        self
    }

    /// A stream that is over after these blocks. Its length is told, by which it differs from every stream that begins.
    pub(crate) fn ended_stream(blocks: Vec<u8>) -> Self {
        Self::event_stream(Body::Whole(Bytes::from(blocks)))
    }

    fn event_stream(body: Body) -> Self {
        // With `Date` and three of CORS.
        let mut headers = Vec::with_capacity(7);
        headers.extend([
            (header::CONTENT_TYPE, STREAM),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
            // nginx buffers responses unless told otherwise, by this header of its own.
            (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ]);
        Self::new(StatusCode::OK, headers, body)
    }

    /// Adds a header, in place of one of the same name.
    pub(crate) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        match self.headers.iter_mut().find(|(present, _)| *present == name) {
            Some((_, present)) => *present = value,
            None => self.headers.push((name, value)),
        }
    }

    /// Adds headers as [`Self::set`] does.
    pub(crate) fn with(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        headers.into_iter().for_each(|(name, value)| self.set(name, value));
        self
    }

    /// Adds `Date`. What writes an answer calls this.
    pub(crate) fn dated(self, date: HeaderValue) -> Self {
        self.with([(header::DATE, date)])
    }

    /// A connection of HTTP/1 ends with this answer. As bytes of HTTP/1 every answer does that.
    pub(crate) fn closing(self) -> Self {
        self.with([(header::CONNECTION, HeaderValue::from_static("close"))])
    }

    /// Another node may have a better answer, so the client is to come back by a new connection, which a balancer that only passes bytes on
    /// may lead there. A connection of HTTP/1 ends with this answer; one of HTTP/2 takes no further requests, and its streams go on.
    pub(crate) fn for_elsewhere(self) -> Self {
        Self { is_for_elsewhere: true, ..self.closing() }
    }

    /// Whether another node may have a better answer.
    pub(crate) const fn is_for_elsewhere(&self) -> bool {
        self.is_for_elsewhere
    }

    /// Keeps something until the body has been written, or is dropped.
    pub(crate) fn holding(mut self, held: impl Send + 'static) -> Self {
        if let Body::Whole(bytes) = &mut self.body {
            *bytes = Bytes::from_owner(Holding { bytes: std::mem::take(bytes), _held: held });
        }
        self
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// For hyper, which adds the length. It knows no open streams: their heads have no body here.
    pub(crate) fn into_reply(self) -> Reply {
        self.into_response().map(Full::new)
    }

    /// The same with a body that somebody else writes.
    pub(crate) fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(match self.body {
            Body::Whole(bytes) => bytes,
            Body::Open(_) => Bytes::new(),
        });
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        response
    }

    /// For a socket that hyper has given back. The connection is this answer's for good, so it says that it will be closed,
    /// unless it is a stream that breaks off. `framing` is what the client understands.
    #[must_use]
    pub fn to_http1(&self, framing: Framing) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let reason = self.status.canonical_reason().unwrap_or("Error");
        for part in ["HTTP/1.1 ", self.status.as_str(), " ", reason, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        for (name, value) in self.headers.iter().filter(|(name, _)| *name != header::CONNECTION) {
            write_name(&mut out, name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        match (&self.body, framing) {
            // It has none by definition (RFC 9110, section 8.6).
            (Body::Whole(_), _) if self.status == StatusCode::NO_CONTENT => {}
            (Body::Whole(bytes), _) => {
                out.extend_from_slice(format!("Content-Length: {}\r\n", bytes.len()).as_bytes());
            }
            (Body::Open(_), Framing::Chunked) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            (Body::Open(_), Framing::Plain) => {}
        }
        // Where that is said, the `fetch` of Node.js takes a response that breaks off for a whole one. One that can only break off
        // leaves no connection to be used again, so it need not be said.
        if !matches!((&self.body, framing), (Body::Open(Close::Abort), Framing::Chunked)) {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if let Body::Whole(bytes) = &self.body {
            out.extend_from_slice(bytes);
        }
        out
    }

    /// The body, as far as it is no session's.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn body(&self) -> &[u8] {
        match &self.body {
            Body::Whole(bytes) => bytes,
            Body::Open(_) => b"",
        }
    }
}

/// Bytes, and something that is dropped with them.
struct Holding<T> {
    bytes: Bytes,
    _held: T,
}

impl<T> AsRef<[u8]> for Holding<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes a header's name as people write it: `Content-Type`.
fn write_name(out: &mut Vec<u8>, name: &HeaderName) {
    let mut begins = true;
    out.extend(name.as_str().bytes().map(|byte| {
        let written = if begins { byte.to_ascii_uppercase() } else { byte };
        begins = byte == b'-';
        written
    }));
}

#[cfg(test)]
mod tests;
