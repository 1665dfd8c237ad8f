//! One client: a socket or a stream on a shared one, and what an `EventSource` remembers.

use std::io::{self, Read, Write};

use super::block::Block;
use super::received::Received;
use super::stream::Stream;
use crate::transport::socket::Socket;
use crate::wire::chunk::ChunkDecoder;
use crate::wire::stream::Parser;

/// Where a connection is.
#[derive(Debug)]
pub(crate) enum State {
    /// Nowhere: not opened yet, or cut.
    Away,
    /// Connecting, or writing the request. Holds what is left to write, where the client has a socket to itself.
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

/// What a client has of the network.
#[derive(Debug)]
pub(crate) enum Link {
    /// A socket to itself.
    Own(Socket),
    /// A stream of a connection that it shares.
    Shared(Box<Stream>),
}

/// One client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) state: State,
    /// None while it is away, or waits for a connection that it is to share.
    pub(crate) link: Option<Link>,
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
            link: None,
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

    /// A new attempt begins; the caller connects it.
    pub(crate) fn begin(&mut self, keep: usize) {
        self.attempt = self.attempt.wrapping_add(1);
        self.primed = false;
        // What was missed says nothing about how fast the server is.
        self.live_since = u64::MAX;
        self.parser = Parser::new(keep);
        self.block.begin();
    }

    /// Asks on a socket that may still be connecting.
    pub(crate) fn ask_on(&mut self, socket: Socket, request: Vec<u8>) {
        self.link = Some(Link::Own(socket));
        self.state = State::Asking(request);
    }

    /// Asks as soon as the connection that it shares allows it.
    pub(crate) fn ask_later(&mut self) {
        self.state = State::Asking(Vec::new());
    }

    /// Has asked, on a connection that it shares.
    pub(crate) fn has_asked(&mut self, stream: Box<Stream>) {
        self.link = Some(Link::Shared(stream));
        self.state = State::Head(Vec::new());
    }

    /// The connection that it shares, if it has a stream on one.
    pub(crate) fn session(&self) -> Option<usize> {
        match &self.link {
            Some(Link::Shared(stream)) => Some(stream.session),
            _ => None,
        }
    }

    /// Why its socket is broken, if it is.
    pub(crate) fn error(&mut self) -> Option<io::Error> {
        match &mut self.link {
            Some(Link::Own(socket)) => socket.error(),
            _ => None,
        }
    }

    /// Writes what is left of the request. Whether it is all written.
    pub(crate) fn write(&mut self) -> io::Result<bool> {
        let (State::Asking(left), Some(Link::Own(socket))) = (&mut self.state, &mut self.link) else { return Ok(true) };
        while !left.is_empty() {
            match socket.write(left) {
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

    /// Writes what TLS holds back because the socket was full.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.link {
            Some(Link::Own(socket)) if socket.wants_write() => match socket.flush() {
                Err(error) if !is_pending(&error) => Err(error),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Reads into `buffer`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let socket = match &mut self.link {
            None => return Ok(Received::Nothing),
            Some(Link::Shared(stream)) => return stream.read(buffer),
            Some(Link::Own(socket)) => socket,
        };
        loop {
            match socket.read(buffer) {
                Ok(0) => return Ok(Received::End),
                Ok(count) => return Ok(Received::Bytes(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Received::Nothing),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes the socket, with `abruptly` by a reset, as a client that vanishes; or resets the stream.
    pub(crate) fn close(&mut self, abruptly: bool) {
        if let Some(Link::Own(mut socket)) = self.link.take() {
            socket.end(abruptly);
        }
        self.attempt = self.attempt.wrapping_add(1);
        self.state = State::Away;
        self.primed = false;
    }
}

fn is_pending(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
