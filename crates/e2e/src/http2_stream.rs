//! One request over HTTP/2, as the bytes that HTTP/1.1 has for it.
//!
//! Everything above reads HTTP/1.1. So the request is taken apart and the response put together again: what comes in one DATA frame becomes a
//! chunk, and the end of the stream the last chunk. A stream or a connection that is reset or goes away before is a reset of the connection.
//! A client that does not read gives its stream no window.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use h2::RecvStream;
use http::{HeaderMap, Request, Response, StatusCode, header};

use crate::http2_connection::{Http2Connection, Place, failed};

/// How long the connection goes on by itself after something was given to it, so that it leaves.
const SENDS_WITHIN: Duration = Duration::from_millis(1);
/// The longest wait for what a deadline in the past still allows.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Http2Stream {
    stage: Stage,
    /// What was read and not yet handed out.
    response: Cursor<Vec<u8>>,
    place: Place,
}

enum Stage {
    /// So much of the request is there.
    Request(Vec<u8>),
    /// It is sent, or waits for the connection.
    Head(Pin<Box<dyn Future<Output = io::Result<Response<RecvStream>>> + Send>>),
    Body {
        body: RecvStream,
        is_chunked: bool,
        /// Bytes of the frame that is being handed out. Its window is given back when it is.
        unread: usize,
    },
    Ended,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Request(_) => "Request",
            Self::Head(_) => "Head",
            Self::Body { .. } => "Body",
            Self::Ended => "Ended",
        })
    }
}

impl Http2Stream {
    /// A stream in this place, which has no request yet.
    pub(crate) fn new(place: Place) -> Self {
        Self { stage: Stage::Request(Vec::new()), response: Cursor::default(), place }
    }

    /// Takes bytes of a request of HTTP/1.1, which is sent when it is whole and the connection is there. `false`: it is whole, and these
    /// are none of it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let Stage::Request(text) = &mut self.stage else { return Ok(bytes.is_empty()) };
        text.extend_from_slice(bytes);
        let Some((request, body)) = parse(text)? else { return Ok(true) };
        let connection = self.place.connection();
        let mut response = Box::pin(ask(Arc::clone(connection), request, body));
        self.stage = match connection.block_on(SENDS_WITHIN, response.as_mut()) {
            None => Stage::Head(response),
            Some(answered) => Stage::Head(Box::pin(std::future::ready(answered))),
        };
        Ok(true)
    }

    /// Sends bytes that are nothing of HTTP/2.
    pub(crate) fn send_raw(&self, bytes: &[u8]) -> io::Result<()> {
        self.place.connection().send_raw(bytes)
    }

    /// Reads once: 0 at the end of the response, `None` at the deadline, which loses nothing.
    pub(crate) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<Option<usize>> {
        loop {
            let count = io::Read::read(&mut self.response, buffer)?;
            if count > 0 || matches!(self.stage, Stage::Ended) {
                return Ok(Some(count));
            }
            let left = deadline.saturating_duration_since(Instant::now()).max(SHORTEST_WAIT);
            let Some(step) = self.place.connection().block_on(left, self.stage.advance()) else { return Ok(None) };
            self.response = Cursor::new(step?);
        }
    }

    /// Closes the sending half of its connection.
    pub(crate) fn half_close(&self) -> io::Result<()> {
        self.place.connection().half_close()
    }

    /// Says that nothing more is wanted on this stream, if the socket takes that at once. Streams beside it go on.
    pub(crate) fn close(self) {
        let Self { stage, place, .. } = self;
        drop(stage);
        place.connection().block_on(SENDS_WITHIN, std::future::pending::<()>());
    }

    /// Resets the connection, and so the streams beside it.
    pub(crate) fn abort(self) {
        self.place.connection().abort();
    }
}

/// Sends the request and waits for the head of the response.
async fn ask(
    connection: Arc<Http2Connection>,
    request: Request<()>,
    body: Vec<u8>,
) -> io::Result<Response<RecvStream>> {
    let asked = async {
        let mut requests = Arc::clone(&connection).ready().await?.ready().await.map_err(failed)?;
        let (response, mut sender) = requests.send_request(request, body.is_empty()).map_err(failed)?;
        if !body.is_empty() {
            sender.send_data(Cursor::new(body), true).map_err(failed)?;
        }
        drop((requests, sender));
        response.await.map_err(failed)
    };
    asked.await.inspect_err(|_| connection.retire())
}

impl Stage {
    /// Waits for the next piece of the response.
    async fn advance(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Request(_) => std::future::pending().await,
            Self::Ended => Ok(Vec::new()),
            Self::Head(response) => {
                let (head, body) = response.await?.into_parts();
                let is_chunked = !head.headers.contains_key(header::CONTENT_LENGTH);
                *self = Self::Body { body, is_chunked, unread: 0 };
                Ok(write_head(head.status, &head.headers, is_chunked))
            }
            Self::Body { body, is_chunked, unread } => {
                let is_chunked = *is_chunked;
                body.flow_control().release_capacity(std::mem::take(unread)).map_err(failed)?;
                let Some(data) = body.data().await else {
                    *self = Self::Ended;
                    return Ok(if is_chunked { b"0\r\n\r\n".to_vec() } else { Vec::new() });
                };
                let data = data.map_err(failed)?;
                *unread = data.len();
                Ok(match data.len() {
                    // An empty frame is no last chunk.
                    0 => Vec::new(),
                    length if is_chunked => [format!("{length:x}\r\n").as_bytes(), &data, b"\r\n"].concat(),
                    _ => data.to_vec(),
                })
            }
        }
    }
}

/// The request that a text of HTTP/1.1 is, and its body; `None` as long as it is not whole.
fn parse(text: &[u8]) -> io::Result<Option<(Request<()>, Vec<u8>)>> {
    let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = (String::from_utf8_lossy(&text[..end]), &text[end + 4..]);
    let mut lines = head.split("\r\n");
    let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, path, _] = line[..] else { return Err(io::Error::other("no request line")) };
    let (mut authority, mut length, mut request) = ("localhost", 0, Request::builder().method(method));
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        match name.to_ascii_lowercase().as_str() {
            "host" => authority = value,
            // HTTP/2 has no such thing (RFC 9113, section 8.2.2).
            "connection" => {}
            name => {
                if name == "content-length" {
                    length = value.parse().map_err(io::Error::other)?;
                }
                request = request.header(name, value);
            }
        }
    }
    if body.len() < length {
        return Ok(None);
    }
    let request = request.uri(format!("http://{authority}{path}")).body(()).map_err(io::Error::other)?;
    Ok(Some((request, body[..length].to_vec())))
}

fn write_head(status: StatusCode, headers: &HeaderMap, is_chunked: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend_from_slice(if is_chunked { b"transfer-encoding: chunked\r\n\r\n" } else { b"\r\n" });
    head
}
