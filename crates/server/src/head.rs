//! The response head of a stream, as bytes for the bare socket and as headers for hyper.

use http::header::{self, HeaderMap, HeaderValue};

use crate::cors::{Cors, CorsVerdict};
use crate::framing::Framing;

const CACHE_CONTROL: &str = "no-store, no-transform";

/// The head of a stream. The connection is the stream's for good, so it says that it will be closed.
pub(crate) fn stream(framing: Framing, cors: &Cors, verdict: CorsVerdict) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: ");
    out.extend_from_slice(CACHE_CONTROL.as_bytes());
    // nginx buffers responses unless told otherwise, by this header of its own.
    out.extend_from_slice(b"\r\nX-Accel-Buffering: no\r\n");
    for (name, value) in cors.headers(verdict) {
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    if framing == Framing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    out
}

/// The same headers for a response that hyper writes: a refusal, or the answer to HEAD.
pub(crate) fn apply_stream_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(framing: Framing, cors: &Cors, verdict: CorsVerdict) -> String {
        String::from_utf8(stream(framing, cors, verdict)).unwrap()
    }

    #[test]
    fn the_head_of_a_stream_is_exactly_this() {
        assert_eq!(
            text(Framing::Chunked, &Cors::Any, CorsVerdict::Any),
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\n\
             X-Accel-Buffering: no\r\nAccess-Control-Allow-Origin: *\r\nTransfer-Encoding: chunked\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn a_head_for_http_1_0_names_no_transfer_coding() {
        let head = text(Framing::Plain, &Cors::SameOrigin, CorsVerdict::Silent);
        assert!(!head.contains("Transfer-Encoding") && !head.contains("Access-Control"), "{head}");
    }
}
