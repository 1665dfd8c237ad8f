//! One HTTP connection that carries one event stream.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use fanfare_oracle::{ConnectionEnd, Head, Parsed, ResponseParser};
use socket2::{Domain, Protocol, Socket, Type};

/// What came next on a link.
#[derive(Debug)]
pub(crate) enum Next {
    Item(Parsed),
    Ended(ConnectionEnd),
    Deadline,
}

#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    response: ResponseParser,
    items: VecDeque<Parsed>,
    /// Upper bound of one read: small for a client that is meant to be slow.
    pub(crate) read_size: usize,
    /// Bytes read from the socket so far.
    pub(crate) bytes: u64,
}

impl Link {
    /// Connects and sends `request`; reads nothing. `receive_buffer` is the kernel's, in bytes.
    pub(crate) fn open(
        address: SocketAddr,
        source: Option<SocketAddr>,
        receive_buffer: Option<usize>,
        request: &[u8],
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = source {
            socket.bind(&source.into())?;
        }
        socket.connect_timeout(&address.into(), Duration::from_secs(5))?;
        let mut stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.write_all(request)?;
        Ok(Self { stream, response: ResponseParser::default(), items: VecDeque::new(), read_size: 64 * 1024, bytes: 0 })
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.response.head()
    }

    /// What waits in the kernel, at most 64 KiB, without taking it. Blocks until there is something.
    pub(crate) fn peek(&self, within: Duration) -> io::Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(within))?;
        let mut buffer = vec![0; 64 * 1024];
        let count = self.stream.peek(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }

    /// Closes so that the peer sees a reset, as when a device vanishes and its address answers for it.
    pub(crate) fn abort(self) {
        let socket = Socket::from(self.stream);
        // If the option cannot be set, the peer sees an orderly close: still an end.
        let _ = socket.set_linger(Some(Duration::ZERO));
    }

    /// The next item, reading as much as is needed until `deadline`.
    pub(crate) fn next(&mut self, deadline: Instant) -> Next {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Next::Item(item);
            }
            if let Some(ending) = self.judge_head() {
                return Next::Ended(ending);
            }
            if self.response.is_finished() {
                return Next::Ended(self.response.end());
            }
            match self.read(deadline) {
                Ok(Some(0)) => return Next::Ended(self.response.end()),
                Ok(Some(_)) => {}
                Ok(None) => return Next::Deadline,
                Err(Broken::Io(error)) => return Next::Ended(ConnectionEnd::Reset(error)),
                Err(Broken::Protocol(what)) => return Next::Ended(ConnectionEnd::Violation(what)),
            }
        }
    }

    fn judge_head(&self) -> Option<ConnectionEnd> {
        let head = self.response.head()?;
        let stream = head.header("content-type").is_some_and(|value| value.starts_with("text/event-stream"));
        (head.status != 200 || !stream).then_some(ConnectionEnd::Status(head.status))
    }

    fn read(&mut self, deadline: Instant) -> Result<Option<usize>, Broken> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left)).map_err(Broken::from)?;
        let mut buffer = [0; 64 * 1024];
        let size = self.read_size.min(buffer.len());
        let count = match self.stream.read(&mut buffer[..size]) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        self.bytes += count as u64;
        let mut items = Vec::new();
        self.response.feed(&buffer[..count], &mut items).map_err(Broken::Protocol)?;
        self.items.extend(items);
        Ok(Some(count))
    }
}

enum Broken {
    Io(io::ErrorKind),
    Protocol(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}
