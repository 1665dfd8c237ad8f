//! The answer to one client's request on a connection that it shares: a stream of HTTP/2.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes};
use h2::RecvStream;
use h2::client::ResponseFuture;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode, response};

use super::received::Received;
use crate::wire::head::Head;

/// A stream whose request is out. Dropping it resets the stream (CANCEL), as a page that closes its `EventSource`.
pub(crate) struct Stream {
    answer: Answer,
    /// What has come and was not read yet; the window is opened by what is read. At most one DATA frame, 16 KiB.
    rest: Bytes,
    /// Woken when there is something to read.
    waker: Waker,
    /// The connection that it is a part of.
    pub(super) session: usize,
}

enum Answer {
    Awaited(ResponseFuture),
    Body(RecvStream),
}

impl Stream {
    pub(super) fn new(answer: ResponseFuture, waker: Waker, session: usize) -> Self {
        Self { answer: Answer::Awaited(answer), rest: Bytes::new(), waker, session }
    }

    /// Reads into `buffer`, at most one DATA frame.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let context = &mut Context::from_waker(&self.waker);
        let body = match &mut self.answer {
            Answer::Body(body) => body,
            Answer::Awaited(answer) => {
                let Poll::Ready(answer) = Pin::new(answer).poll(context) else { return Ok(Received::Nothing) };
                let (parts, mut body) = answer.map_err(broken)?.into_parts();
                let words = match body.poll_data(context) {
                    Poll::Ready(Some(Ok(words))) if parts.status != StatusCode::OK => words,
                    Poll::Ready(Some(Ok(data))) => {
                        self.rest = data;
                        Bytes::new()
                    }
                    // An end or an error comes again with the next read.
                    _ => Bytes::new(),
                };
                self.answer = Answer::Body(body);
                return Ok(Received::Head(head(&parts), words));
            }
        };
        if self.rest.is_empty() {
            self.rest = match body.poll_data(context) {
                Poll::Pending => return Ok(Received::Nothing),
                Poll::Ready(None) => return Ok(Received::End),
                Poll::Ready(Some(data)) => data.map_err(broken)?,
            };
        }
        let count = self.rest.len().min(buffer.len());
        if count == 0 {
            // A DATA frame may be empty. There may be another one behind it.
            self.waker.wake_by_ref();
            return Ok(Received::Nothing);
        }
        self.rest.copy_to_slice(&mut buffer[..count]);
        body.flow_control().release_capacity(count).map_err(broken)?;
        Ok(Received::Bytes(count))
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream of connection {}", self.session)
    }
}

fn broken(error: h2::Error) -> io::Error {
    if error.is_io() {
        error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
    } else {
        io::Error::other(error)
    }
}

/// What matters of a head, as [`crate::wire::head`] reads it from HTTP/1.1.
fn head(parts: &response::Parts) -> Head {
    let text = |name| value(&parts.headers, name);
    Head {
        status: parts.status.as_u16(),
        content_type: text(CONTENT_TYPE).split(';').next().unwrap_or("").trim().to_ascii_lowercase(),
        chunked: false,
        length: text(CONTENT_LENGTH).parse().ok(),
        close: false,
        retry_after: text(RETRY_AFTER).parse().ok(),
    }
}

fn value(headers: &HeaderMap, name: http::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when the parameters of the type stay.
    #[test]
    fn a_head_says_what_one_of_http_1_would() {
        let answer = http::Response::builder().status(503).header("content-type", "Text/Event-Stream; charset=utf-8");
        let answer = answer.header("content-length", "12").header("retry-after", "7").body(()).unwrap();
        let text = "HTTP/1.1 503 X\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nContent-Length: 12\r\nRetry-After: 7\r\n\r\n";
        let (first, _) = crate::wire::head::read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(head(&answer.into_parts().0), first);
    }
}
