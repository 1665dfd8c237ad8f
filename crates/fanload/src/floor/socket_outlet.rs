//! A subscriber that has a socket to itself, and what it could not take yet.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};

use mio::{Interest, Registry, Token};

use super::frame::Frame;
use super::gone::Gone;
use super::request::{self, NotASubscription, Request};
use crate::transport::socket::Socket;

/// Frames that wait for a socket to take them; beyond, the connection ends. They are shared, so that this bounds a list of
/// pointers. (1,000 events of a burst to a client that reads nothing at all, many times over.)
const WAITING_MAX: usize = 65_536;

/// A connection, from its first byte on.
pub(super) struct SocketOutlet {
    socket: Socket,
    token: Token,
    /// Whether its request is complete.
    is_answered: bool,
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

/// What a read brought.
pub(super) enum Heard {
    Nothing,
    Subscription(Request),
    Nonsense,
}

impl SocketOutlet {
    /// Watches the socket for its request.
    pub(super) fn new(mut socket: Socket, token: Token, registry: &Registry) -> io::Result<Self> {
        registry.register(socket.source(), token, Interest::READABLE)?;
        Ok(Self { socket, token, is_answered: false, head: Vec::new(), waiting: None, watches_writable: false })
    }

    /// Reads until the socket is empty. What comes after the request is thrown away.
    pub(super) fn hear(&mut self, buffer: &mut [u8], registry: &Registry) -> Result<Heard, Gone> {
        let mut heard = Heard::Nothing;
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(Gone),
                Ok(count) if !self.is_answered => {
                    heard = self.take_head(&buffer[..count]);
                    self.is_answered = !matches!(heard, Heard::Nothing);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // A handshake answers while it reads.
                    self.watch_what_is_held_back(registry)?;
                    return Ok(heard);
                }
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
            Ok(written) if written == frame.len() => self.watch_what_is_held_back(registry),
            Ok(written) => self.keep(frame, written, registry),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.keep(frame, 0, registry),
            Err(error) if error.kind() == ErrorKind::Interrupted => self.keep(frame, 0, registry),
            Err(_) => Err(Gone),
        }
    }

    /// Writes the beginning of an answer and what was missed, with one call.
    pub(super) fn open(&mut self, prelude: &[u8], missed: &Frame, registry: &Registry) -> Result<(), Gone> {
        let written = match self.socket.write_vectored(&[IoSlice::new(prelude), IoSlice::new(missed)]) {
            Ok(written) => written,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
            Err(_) => return Err(Gone),
        };
        if let Some(rest) = prelude.get(written..).filter(|rest| !rest.is_empty()) {
            self.keep(&Frame::copy_from_slice(rest), 0, registry)?;
        }
        let of_missed = written.saturating_sub(prelude.len());
        if of_missed < missed.len() {
            return self.keep(missed, of_missed, registry);
        }
        self.watch_what_is_held_back(registry)
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
        match self.socket.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(Gone),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, frame: &Frame, written: usize, registry: &Registry) -> Result<(), Gone> {
        let waiting = self.waiting.get_or_insert_with(|| Box::new(Waiting { written, ..Waiting::default() }));
        if waiting.frames.len() >= WAITING_MAX {
            return Err(Gone);
        }
        waiting.frames.push_back(frame.clone());
        self.watch_writable(registry)
    }

    /// TLS holds back what it has protected and the socket did not take.
    #[inline]
    fn watch_what_is_held_back(&mut self, registry: &Registry) -> Result<(), Gone> {
        if self.socket.wants_write() { self.watch_writable(registry) } else { Ok(()) }
    }

    fn watch_writable(&mut self, registry: &Registry) -> Result<(), Gone> {
        if !self.watches_writable {
            // Asking anew also tells at once if the socket became writable meanwhile.
            let both = Interest::READABLE | Interest::WRITABLE;
            registry.reregister(self.socket.source(), self.token, both).map_err(|_| Gone)?;
            self.watches_writable = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use mio::net::{TcpListener, TcpStream};
    use mio::{Events, Poll};

    use super::*;
    use crate::target::Trust;
    use crate::transport::identity::Identity;
    use crate::transport::tls::Connector;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A client's end, and an outlet that has heard its request.
    fn connected(registry: &Registry) -> (Socket, SocketOutlet) {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let connector = Connector::new(&Trust::Anybody, "127.0.0.1", false).unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut client = connector.secure(socket).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let socket = loop {
            assert!(Instant::now() < deadline, "nobody connects");
            if let Ok((socket, _)) = listener.accept() {
                break socket;
            }
        };
        let socket = Identity::new(None, false).unwrap().secure(socket).unwrap();
        let mut outlet = SocketOutlet::new(socket, Token(1), registry).unwrap();
        let (mut request, mut buffer) = (&b"GET /e?channel=1 HTTP/1.1\r\n\r\n"[..], [0; 1_024]);
        loop {
            assert!(Instant::now() < deadline, "no request comes");
            request = &request[client.write(request).unwrap_or(0)..];
            // Its part of the handshake.
            assert!(client.read(&mut buffer).is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
            if let Heard::Subscription(_) = outlet.hear(&mut buffer, registry).unwrap() {
                return (client, outlet);
            }
        }
    }

    // Seen to fail when nothing is watched unless a frame waits, and when `resume` leaves alone what TLS holds back.
    #[test]
    fn what_tls_holds_back_is_written_once_the_socket_takes_it() {
        let mut poll = Poll::new().unwrap();
        let (mut client, mut outlet) = connected(poll.registry());
        let (frame, mut sent, mut received) = (Frame::from(vec![b'x'; 1_000]), 0, 0);
        while !outlet.socket.wants_write() {
            outlet.send(&frame, poll.registry()).unwrap();
            sent += frame.len();
        }
        assert!(outlet.waiting.is_none(), "every frame is protected already");
        let (mut events, mut buffer) = (Events::with_capacity(8), vec![0; 64 * 1_024]);
        let deadline = Instant::now() + PATIENCE;
        while received < sent {
            assert!(Instant::now() < deadline, "{received} of {sent} bytes came");
            while let Ok(count) = client.read(&mut buffer) {
                received += count;
            }
            poll.poll(&mut events, Some(Duration::from_millis(20))).unwrap();
            if events.iter().any(mio::event::Event::is_writable) {
                outlet.resume().unwrap();
            }
        }
        assert_eq!(received, sent);
    }
}
