//! One subscriber: where it listens and how it is written to.

use mio::Registry;

use super::frame::Frame;
use super::gone::Gone;
use super::request::Request;
use super::socket_outlet::{Heard, SocketOutlet};
use super::stream_outlet::StreamOutlet;

/// Fanfare's own response head, byte for byte.
pub(super) const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store, no-transform\r\n\
    X-Accel-Buffering: no\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Where a subscriber stands in one channel's list of listeners.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    pub(super) channel: u32,
    pub(super) place: u32,
}

/// A subscriber, from the first byte of its connection or the request of its stream on.
pub(super) struct Subscriber {
    /// The channels it listens to; none until its request is complete.
    pub(super) memberships: Vec<Membership>,
    outlet: Outlet,
}

enum Outlet {
    Socket(SocketOutlet),
    /// Boxed, so that a subscriber with a socket is no larger for it.
    Stream(Box<StreamOutlet>),
}

impl Subscriber {
    pub(super) fn with_socket(socket: SocketOutlet) -> Self {
        Self { memberships: Vec::new(), outlet: Outlet::Socket(socket) }
    }

    pub(super) fn with_stream(stream: StreamOutlet) -> Self {
        Self { memberships: Vec::new(), outlet: Outlet::Stream(Box::new(stream)) }
    }

    /// Whether it is a stream of this connection.
    pub(super) fn is_of(&self, session: usize) -> bool {
        matches!(&self.outlet, Outlet::Stream(stream) if stream.session == session)
    }

    /// Reads its socket until that is empty; `None`: there is no subscription to answer, now or ever.
    pub(super) fn hear(&mut self, buffer: &mut [u8], registry: &Registry) -> Result<Option<Request>, Gone> {
        let Outlet::Socket(socket) = &mut self.outlet else { return Ok(None) };
        match socket.hear(buffer, registry)? {
            Heard::Nothing => Ok(None),
            Heard::Subscription(request) => Ok(Some(request)),
            Heard::Nonsense => {
                let _ = socket.open(NOT_FOUND, &Frame::new(), registry);
                Err(Gone)
            }
        }
    }

    /// Writes the first block and what was missed, behind the head where that is not out yet.
    pub(super) fn open(&mut self, first: &Frame, missed: &Frame, registry: &Registry) -> Result<(), Gone> {
        match &mut self.outlet {
            Outlet::Socket(socket) => socket.open(&[HEAD, first].concat(), missed, registry),
            Outlet::Stream(stream) if missed.is_empty() => stream.send(first),
            Outlet::Stream(stream) => stream.send(&[&first[..], missed].concat().into()),
        }
    }

    /// Writes one frame; what does not fit is kept.
    #[inline]
    pub(super) fn send(&mut self, frame: &Frame, registry: &Registry) -> Result<(), Gone> {
        match &mut self.outlet {
            Outlet::Socket(socket) => socket.send(frame, registry),
            Outlet::Stream(stream) => stream.send(frame),
        }
    }

    /// Writes what waits, now that there is room.
    pub(super) fn resume(&mut self) -> Result<(), Gone> {
        match &mut self.outlet {
            Outlet::Socket(socket) => socket.resume(),
            Outlet::Stream(stream) => stream.resume(),
        }
    }
}
