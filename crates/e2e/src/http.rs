//! Just enough HTTP/1.1 to ask questions and to look at raw answers.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use fanfare_oracle::{ChunkDecoder, Head};
use socket2::{Domain, Protocol, Socket, Type};

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
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut raw = RawConnection::open(address)?;
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

/// A socket for tests about bytes: sends anything, keeps everything it received.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    /// All bytes received so far.
    pub received: Vec<u8>,
}

impl RawConnection {
    /// Connects.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Connects from this address, with a limit on the time of every later write.
    pub fn open_from(source: IpAddr, address: SocketAddr, writes_within: Duration) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&address.into(), Duration::from_secs(5))?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(writes_within))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Closes the sending half only.
    pub fn half_close(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
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
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(Some(count))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
