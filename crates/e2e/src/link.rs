//! One HTTP connection that carries one event stream.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fanfare_oracle::{ConnectionEnd, Head, Parsed, ResponseParser};

use crate::byte_stream::{ByteStream, Origin};
use crate::transport::Transport;

/// How long the end of a connection is waited for whose response has come whole.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);

/// What came next on a link.
#[derive(Debug)]
pub(crate) enum Next {
    Item(Parsed),
    Ended(ConnectionEnd),
    Deadline,
}

#[derive(Debug)]
pub(crate) struct Link {
    stream: ByteStream,
    response: ResponseParser,
    items: VecDeque<Parsed>,
    /// Upper bound of one read: small for a client that is meant to be slow.
    pub(crate) read_size: usize,
    /// Bytes read so far, as HTTP has them.
    pub(crate) bytes: u64,
}

impl Link {
    /// Connects and sends `request`, over TLS behind the handshake; reads nothing.
    pub(crate) fn open(transport: &Transport, origin: Origin, address: SocketAddr, request: &[u8]) -> io::Result<Self> {
        let mut stream = ByteStream::open(transport, origin, address)?;
        stream.send(request)?;
        Ok(Self { stream, response: ResponseParser::default(), items: VecDeque::new(), read_size: 64 * 1024, bytes: 0 })
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.response.head()
    }

    /// What waits in the kernel (see [`ByteStream::peek`]).
    pub(crate) fn peek(&self, within: Duration) -> io::Result<Vec<u8>> {
        self.stream.peek(within)
    }

    /// Hangs up in an orderly way.
    pub(crate) fn close(self) {
        self.stream.close();
    }

    /// Hangs up with a TCP reset.
    pub(crate) fn abort(self) {
        self.stream.abort();
    }

    /// Whether the server, whose response has come whole, closes the connection without a word of TLS. Waits until it closes, or for two
    /// seconds; what keeps its connection open says nothing yet, and has done nothing wrong.
    pub(crate) fn ends_unannounced(&mut self) -> bool {
        let deadline = Instant::now() + CLOSES_WITHIN;
        // Whatever comes behind a response is no part of it.
        while matches!(self.stream.read(&mut [0; 1024], deadline), Ok(Some(1..))) {}
        self.stream.is_unannounced()
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
        let mut buffer = [0; 64 * 1024];
        let size = self.read_size.min(buffer.len());
        let Some(count) = self.stream.read(&mut buffer[..size], deadline)? else { return Ok(None) };
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
        // Records that cannot be opened, an alert, a certificate that is not believed, frames that make no sense.
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Protocol(format!("TLS or HTTP/2: {error}")),
            kind => Self::Io(kind),
        }
    }
}
