//! One HTTP/2 connection with one request, as the bytes that HTTP/1.1 has for it.
//!
//! Everything above reads HTTP/1.1. So the request is taken apart and the response put together again: what comes in one DATA frame becomes a
//! chunk, and the end of the stream the last chunk. A stream or a connection that is reset or goes away before is a reset of the connection.
//! The connection goes on only while somebody reads: who does not read gives the server no more room to write.

use std::io::{self, Cursor, ErrorKind};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use h2::RecvStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::{HeaderMap, Request, StatusCode, header};
use tokio::runtime::Runtime;

/// How long the connection goes on by itself after something was given to it, so that it leaves.
const SENDS_WITHIN: Duration = Duration::from_millis(1);
/// The longest wait for what a deadline in the past still allows.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Http2Stream {
    runtime: Runtime,
    requests: SendRequest<Cursor<Vec<u8>>>,
    stage: Stage,
    /// What was read and not yet handed out.
    response: Cursor<Vec<u8>>,
}

#[derive(Debug)]
enum Stage {
    /// So much of the request is there.
    Request(Vec<u8>),
    Head(ResponseFuture),
    Body {
        body: RecvStream,
        is_chunked: bool,
    },
    Ended,
}

impl Http2Stream {
    /// A connection of HTTP/2 without TLS, by prior knowledge (RFC 9113, section 3.3).
    pub(crate) fn new(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let requests = runtime.block_on(async {
            let socket = tokio::net::TcpStream::from_std(tcp)?;
            let (requests, connection) = Builder::new().enable_push(false).handshake(socket).await.map_err(failed)?;
            // It ends with the runtime, and how is seen by whoever waits for a response.
            drop(tokio::spawn(connection));
            io::Result::Ok(requests)
        })?;
        Ok(Self { runtime, requests, stage: Stage::Request(Vec::new()), response: Cursor::default() })
    }

    /// Takes bytes of a request of HTTP/1.1, which is sent when it is whole. `false`: it is, and these are none of it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let Stage::Request(text) = &mut self.stage else { return Ok(bytes.is_empty()) };
        text.extend_from_slice(bytes);
        let Some((request, body)) = parse(text)? else { return Ok(true) };
        let requests = &mut self.requests;
        let response = self.runtime.block_on(async {
            let (response, mut sender) = requests.send_request(request, body.is_empty()).map_err(failed)?;
            if !body.is_empty() {
                sender.send_data(Cursor::new(body), true).map_err(failed)?;
            }
            tokio::time::sleep(SENDS_WITHIN).await;
            io::Result::Ok(response)
        })?;
        self.stage = Stage::Head(response);
        Ok(true)
    }

    /// Reads once: 0 at the end of the response, `None` at the deadline, which loses nothing.
    pub(crate) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<Option<usize>> {
        loop {
            let count = io::Read::read(&mut self.response, buffer)?;
            if count > 0 || matches!(self.stage, Stage::Ended) {
                return Ok(Some(count));
            }
            let left = deadline.saturating_duration_since(Instant::now()).max(SHORTEST_WAIT);
            let stage = &mut self.stage;
            let step = self.runtime.block_on(async { tokio::time::timeout(left, stage.advance()).await });
            let Ok(step) = step else { return Ok(None) };
            self.response = Cursor::new(step?);
        }
    }

    /// Says that nothing more is wanted, if the socket takes that at once.
    pub(crate) fn close(self) {
        let Self { runtime, requests, stage, .. } = self;
        drop((requests, stage));
        runtime.block_on(async { tokio::time::sleep(SENDS_WITHIN).await });
    }
}

impl Stage {
    /// Waits for the next piece of the response.
    async fn advance(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Request(_) => std::future::pending().await,
            Self::Ended => Ok(Vec::new()),
            Self::Head(response) => {
                let (head, body) = response.await.map_err(failed)?.into_parts();
                let is_chunked = !head.headers.contains_key(header::CONTENT_LENGTH);
                *self = Self::Body { body, is_chunked };
                Ok(write_head(head.status, &head.headers, is_chunked))
            }
            Self::Body { body, is_chunked } => {
                let is_chunked = *is_chunked;
                let Some(data) = body.data().await else {
                    *self = Self::Ended;
                    return Ok(if is_chunked { b"0\r\n\r\n".to_vec() } else { Vec::new() });
                };
                let data = data.map_err(failed)?;
                body.flow_control().release_capacity(data.len()).map_err(failed)?;
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

/// What an error of HTTP/2 is to who speaks HTTP/1.1: broken connections and streams are resets, and the rest breaks the protocol.
fn failed(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| ErrorKind::ConnectionReset.into());
    }
    let kind = if error.is_remote() { ErrorKind::ConnectionReset } else { ErrorKind::InvalidData };
    io::Error::new(kind, error)
}
