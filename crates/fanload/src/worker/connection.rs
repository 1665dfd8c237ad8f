//! One client: a socket, and what an `EventSource` remembers.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::block::Block;
use crate::fleet::Plan;
use crate::target::Resume;
use crate::wire::chunk::ChunkDecoder;
use crate::wire::stream::Parser;

/// Receive buffer of a slow client: small, so that the server feels that it is slow.
const SLOW_BUFFER: usize = 4 * 1024;
/// Loopback addresses of one worker. Each has about 28,000 ports, some of which wait for a minute after their use.
const SOURCES: usize = 8;

/// Where a connection is.
#[derive(Debug)]
pub(crate) enum State {
    /// Nowhere: not opened yet, or cut.
    Away,
    /// Connecting, or writing the request. Holds what is left to write.
    Asking(Vec<u8>),
    /// The request is written. Holds what has come of the head.
    Head(Vec<u8>),
    /// The head was right; events come.
    Body(Body),
}

/// How the end of the body is found.
#[derive(Debug)]
pub(crate) enum Body {
    Chunked(ChunkDecoder),
    Length(u64),
    UntilClosed,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) state: State,
    pub(crate) stream: Option<TcpStream>,
    pub(crate) parser: Parser,
    pub(crate) block: Block,
    /// Goes up with every connect and every cut: timers of an earlier attempt are then void.
    pub(crate) attempt: u32,
    /// Whether this attempt misses nothing from now on.
    pub(crate) primed: bool,
    /// Whether any attempt ever was primed.
    pub(crate) was_primed: bool,
    /// Whether it waits in the queue of connections that want to connect.
    pub(crate) queued: bool,
    /// When this attempt was primed, in microseconds since 1970.
    pub(crate) live_since: u64,
    /// Whether it reads a few bytes a second only.
    pub(crate) slow: bool,
}

impl Connection {
    pub(crate) fn new(keep: usize, slow: bool) -> Self {
        Self {
            state: State::Away,
            stream: None,
            parser: Parser::new(keep),
            block: Block::default(),
            attempt: 0,
            primed: false,
            was_primed: false,
            queued: false,
            live_since: 0,
            slow,
        }
    }

    pub(crate) fn is_away(&self) -> bool {
        matches!(self.state, State::Away)
    }

    /// Begins to connect; the caller registers the stream.
    pub(crate) fn connect(&mut self, plan: &Plan, index: usize, to: SocketAddr, keep: usize) -> io::Result<()> {
        self.attempt = self.attempt.wrapping_add(1);
        self.primed = false;
        // What was missed says nothing about how fast the server is.
        self.live_since = u64::MAX;
        self.parser = Parser::new(keep);
        self.block.begin();
        self.stream = Some(open(plan, index, to, self.slow)?);
        self.state = State::Asking(request(plan, index, &self.block.position));
        Ok(())
    }

    /// Writes what is left of the request. Whether it is all written.
    pub(crate) fn write(&mut self) -> io::Result<bool> {
        let (State::Asking(left), Some(stream)) = (&mut self.state, &mut self.stream) else { return Ok(true) };
        while !left.is_empty() {
            match stream.write(left) {
                Ok(count) => {
                    left.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_pending(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.state = State::Head(Vec::new());
        Ok(true)
    }

    /// Reads into `buffer`. `None`: nothing there now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        loop {
            match stream.read(buffer) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes the socket; with `abruptly`, by a reset, as a client that vanishes.
    pub(crate) fn close(&mut self, abruptly: bool) {
        if let Some(stream) = self.stream.take()
            && abruptly
        {
            // When it fails the socket closes in the ordinary way.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        self.attempt = self.attempt.wrapping_add(1);
        self.state = State::Away;
        self.primed = false;
    }
}

fn is_pending(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

fn open(plan: &Plan, index: usize, to: SocketAddr, slow: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if slow {
        socket.set_recv_buffer_size(SLOW_BUFFER)?;
    }
    if let IpAddr::V4(address) = to.ip()
        && address.is_loopback()
    {
        socket.bind(&SocketAddr::from((source(plan.worker, index), 0)).into())?;
    }
    match socket.connect(&to.into()) {
        Ok(()) => {}
        // EINPROGRESS has no kind of its own.
        Err(error) if error.raw_os_error() == Some(115) || error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// 127.0.(worker + 1).2 and the following ones: no worker takes another's ports.
fn source(worker: usize, index: usize) -> Ipv4Addr {
    let subnet = 1 + worker % 250;
    let host = 2 + index % SOURCES;
    Ipv4Addr::new(127, 0, subnet as u8, host as u8)
}

/// The request of one connection; `position` is empty before its first one.
fn request(plan: &Plan, index: usize, position: &[u8]) -> Vec<u8> {
    let subscribe = &plan.subscribe;
    let names = plan.channels_of(index).map(|channel| subscribe.channel.replace("{channel}", &plan.channel(channel)));
    let channels = names.collect::<Vec<_>>().join(&subscribe.separator);
    let position = String::from_utf8_lossy(position);
    let path = match &subscribe.resume {
        Resume::Path(path) if !position.is_empty() => path.replace("{position}", &position),
        _ => subscribe.path.clone(),
    };
    let path = path.replace("{channels}", &channels);
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n", subscribe.host);
    for (name, value) in &subscribe.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if subscribe.resume == Resume::Header && !position.is_empty() {
        text.push_str(&format!("Last-Event-ID: {position}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}
