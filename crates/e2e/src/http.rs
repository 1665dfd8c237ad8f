//! Just enough HTTP/1.1 to ask questions and to look at raw answers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use fanfare_oracle::{ChunkDecoder, Head};

use crate::byte_stream::{ByteStream, Origin};
use crate::transport::Transport;

/// A whole response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Status and headers.
    pub head: Head,
    /// The body, decoded.
    pub body: Vec<u8>,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics if it is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }
}

/// Sends one request and reads the response to its end, at most five seconds.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    request_within(Duration::from_secs(5), address, method, path, headers, body)
}

/// Like [`request`] with a limit of the caller's choice.
pub fn request_within(
    within: Duration,
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    request_over(&Transport::Plain, within, address, method, path, headers, body)
}

/// Like [`request_within`] by this transport.
pub fn request_over(
    transport: &Transport,
    within: Duration,
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut raw = RawConnection::open_over(transport, address)?;
    raw.send(text.as_bytes())?;
    raw.send(b"\r\n")?;
    raw.send(body)?;
    let bytes = raw.read_to_end(within)?;
    let (head, start) = Head::parse(&bytes).ok_or(io::ErrorKind::InvalidData)?;
    let body = if head.header("transfer-encoding") == Some("chunked") {
        let mut body = Vec::new();
        ChunkDecoder::default().feed(&bytes[start..], &mut body).map_err(io::Error::other)?;
        body
    } else {
        bytes[start..].to_vec()
    };
    Ok(Response { head, body })
}

/// A connection for tests about bytes: sends anything, keeps everything it received.
#[derive(Debug)]
pub struct RawConnection {
    stream: ByteStream,
    /// All bytes received so far, as HTTP has them.
    pub received: Vec<u8>,
}

impl RawConnection {
    /// Connects by TCP.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_over(&Transport::Plain, address)
    }

    /// Connects by this transport. Over TLS the handshake goes on as bytes are read, and what is sent before it is done goes out then.
    pub fn open_over(transport: &Transport, address: SocketAddr) -> io::Result<Self> {
        Self::open_with(transport, Origin::default(), address)
    }

    /// Connects from this address, with a limit on the time of every later write.
    pub fn open_from(
        transport: &Transport,
        source: IpAddr,
        address: SocketAddr,
        writes_within: Duration,
    ) -> io::Result<Self> {
        let source = Some(SocketAddr::new(source, 0));
        let origin = Origin { source, writes_within: Some(writes_within), ..Origin::default() };
        Self::open_with(transport, origin, address)
    }

    fn open_with(transport: &Transport, origin: Origin, address: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: ByteStream::open(transport, origin, address)?, received: Vec::new() })
    }

    /// Goes on in TLS, after something else was said.
    pub fn begin_tls(self, transport: &Transport) -> io::Result<Self> {
        let Transport::Tls(config) = transport else { return Ok(self) };
        Ok(Self { stream: self.stream.begin_tls(config)?, received: self.received })
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.send(bytes)
    }

    /// Sends with another key from now on, and asks the server to do so, too: TLS 1.3, once the handshake is done.
    pub fn update_keys(&mut self) -> io::Result<()> {
        self.stream.update_keys()
    }

    /// Closes the sending half only, over TLS with a `close_notify`.
    pub fn half_close(&mut self) -> io::Result<()> {
        self.stream.half_close()
    }

    /// Hangs up with a TCP reset.
    pub fn abort(self) {
        self.stream.abort();
    }

    /// The certificate that the server has shown, in DER. `None` before it has.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.stream.certificate()
    }

    /// Whether the server closed a connection over TLS without a `close_notify`.
    pub fn ended_unannounced(&self) -> bool {
        self.stream.is_unannounced()
    }

    /// Reads until `enough` of what was received; false when the peer closed or `within` passed first.
    pub fn read_until(&mut self, within: Duration, mut enough: impl FnMut(&[u8]) -> bool) -> io::Result<bool> {
        let deadline = Instant::now() + within;
        while !enough(&self.received) {
            match self.read_some(deadline)? {
                Some(0) | None => return Ok(false),
                Some(_) => {}
            }
        }
        Ok(true)
    }

    /// Reads until the peer closes; an error of kind `TimedOut` if it has not within the time.
    pub fn read_to_end(&mut self, within: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + within;
        loop {
            match self.read_some(deadline)? {
                Some(0) => return Ok(self.received.clone()),
                Some(_) => {}
                None => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    /// Reads and forgets for `within`; true when the peer has ended the connection by then.
    pub fn discard(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            match self.read_some(deadline) {
                Ok(Some(0)) | Err(_) => return true,
                Ok(Some(_)) => self.received.clear(),
                Ok(None) => return false,
            }
        }
    }

    /// One read: the number of bytes (0 at the end), or `None` at the deadline.
    fn read_some(&mut self, deadline: Instant) -> io::Result<Option<usize>> {
        if Instant::now() >= deadline {
            return Ok(None);
        }
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer, deadline)?;
        self.received.extend_from_slice(&buffer[..count.unwrap_or(0)]);
        Ok(count)
    }
}
