//! One client: a socket, and what an `EventSource` remembers.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::SockRef;

use super::block::Block;
use super::{request, socket};
use crate::fleet::Plan;
use crate::wire::chunk::ChunkDecoder;
use crate::wire::stream::Parser;

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
        self.stream = Some(socket::open(plan, index, to, self.slow)?);
        self.state = State::Asking(request::of(plan, index, &self.block.position));
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
