//! One subscriber's socket and what it could not take yet.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::rc::Rc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::frame::Frame;
use super::request::{self, NotASubscription, Request};

/// Frames that wait for a socket to take them; beyond, the connection ends. They are shared, so that this bounds a list of
/// pointers. (1,000 events of a burst to a client that reads nothing at all, many times over.)
const WAITING_MAX: usize = 65_536;

/// Where a subscriber stands in one channel's list of listeners.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    pub(super) channel: u32,
    pub(super) place: u32,
}

/// A connection, from its first byte on.
pub(super) struct Subscriber {
    socket: TcpStream,
    token: Token,
    /// The channels it listens to; none until its request is complete.
    pub(super) memberships: Vec<Membership>,
    /// The beginning of a request that came in pieces.
    head: Vec<u8>,
    waiting: Option<Box<Waiting>>,
    /// Whether the poll tells when the socket can be written: asked for when it is first full, and never before.
    watches_writable: bool,
}

/// What a full socket could not take.
#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that are out.
    written: usize,
}

/// The connection is over: closed by the peer, failed, or hopelessly behind.
#[derive(Debug)]
pub(super) struct Gone;

/// What a read brought.
pub(super) enum Heard {
    Nothing,
    Subscription(Request),
    Nonsense,
}

impl Subscriber {
    /// Watches the socket for its request.
    pub(super) fn new(mut socket: TcpStream, token: Token, registry: &Registry) -> io::Result<Self> {
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Self { socket, token, memberships: Vec::new(), head: Vec::new(), waiting: None, watches_writable: false })
    }

    /// Reads until the socket is empty. What comes after the request is thrown away.
    pub(super) fn hear(&mut self, buffer: &mut [u8]) -> Result<Heard, Gone> {
        let mut heard = Heard::Nothing;
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(Gone),
                Ok(count) if self.memberships.is_empty() && matches!(heard, Heard::Nothing) => {
                    heard = self.take_head(&buffer[..count]);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(heard),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
    }

    fn take_head(&mut self, bytes: &[u8]) -> Heard {
        let parsed = if self.head.is_empty() {
            request::parse(bytes)
        } else {
            self.head.extend_from_slice(bytes);
            request::parse(&self.head)
        };
        match parsed {
            Some(result) => {
                self.head = Vec::new();
                result.map_or_else(|NotASubscription| Heard::Nonsense, Heard::Subscription)
            }
            None => {
                if self.head.is_empty() {
                    self.head.extend_from_slice(bytes);
                }
                Heard::Nothing
            }
        }
    }

    /// Writes one frame with one call; what does not fit is kept.
    #[inline]
    pub(super) fn send(&mut self, frame: &Frame, registry: &Registry) -> Result<(), Gone> {
        if self.waiting.is_some() {
            return self.keep(frame, 0, registry);
        }
        match self.socket.write(frame) {
            Ok(written) if written == frame.len() => Ok(()),
            Ok(written) => self.keep(frame, written, registry),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.keep(frame, 0, registry),
            Err(error) if error.kind() == ErrorKind::Interrupted => self.keep(frame, 0, registry),
            Err(_) => Err(Gone),
        }
    }

    /// Writes the prelude of a stream and what was missed, with one call.
    pub(super) fn open(&mut self, prelude: &[u8], missed: &Frame, registry: &Registry) -> Result<(), Gone> {
        let written = match self.socket.write_vectored(&[IoSlice::new(prelude), IoSlice::new(missed)]) {
            Ok(written) => written,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(_) => return Err(Gone),
        };
        if let Some(rest) = prelude.get(written..).filter(|rest| !rest.is_empty()) {
            self.keep(&Frame::from(rest), 0, registry)?;
        }
        let of_missed = written.saturating_sub(prelude.len());
        if of_missed < missed.len() { self.keep(missed, of_missed, registry) } else { Ok(()) }
    }

    /// Writes what waits, now that the socket can take more.
    pub(super) fn resume(&mut self) -> Result<(), Gone> {
        while let Some(waiting) = self.waiting.as_deref_mut() {
            let Some(frame) = waiting.frames.front() else {
                self.waiting = None;
                break;
            };
            match self.socket.write(&frame[waiting.written..]) {
                Ok(written) => {
                    waiting.written += written;
                    if waiting.written == frame.len() {
                        waiting.written = 0;
                        waiting.frames.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    fn keep(&mut self, frame: &Frame, written: usize, registry: &Registry) -> Result<(), Gone> {
        let waiting = self.waiting.get_or_insert_with(|| Box::new(Waiting { written, ..Waiting::default() }));
        if waiting.frames.len() >= WAITING_MAX {
            return Err(Gone);
        }
        waiting.frames.push_back(Rc::clone(frame));
        if !self.watches_writable {
            // Asking anew also tells at once if the socket became writable meanwhile.
            let both = Interest::READABLE | Interest::WRITABLE;
            registry.reregister(&mut self.socket, self.token, both).map_err(|_| Gone)?;
            self.watches_writable = true;
        }
        Ok(())
    }
}
