//! The socket of an HTTP/2 connection: hyper reads and writes it, and whoever drives the connection asks it, and has the last word.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use fanfare_protocol::limits::{HTTP2_READ_BYTES, HTTP2_SMALL_DATA_BYTES};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::frame_budget::FrameBudget;
use super::frames::{self, Frame, Frames};
use crate::core::Core;
use crate::end::End;
use crate::http2_stats::Flood;
use crate::routes::Handler;
use crate::socket::Socket;

/// Bytes of the client's preface, which precedes its frames.
const PREFACE: usize = 24;

/// The error code of a peer that is not at fault (RFC 9113 section 7).
pub(super) const NO_ERROR: u32 = 0;
/// That of one that causes too much work.
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

/// The socket, and what has been seen on it.
pub(super) struct Wire<S> {
    handler: Handler,
    socket: RefCell<S>,
    seen: RefCell<Seen>,
    /// The client sends too much of this. Nothing more is read.
    flood: Cell<Option<Flood>>,
    /// The head of a request has been read in this turn, or a part of it. Nothing more is, before somebody has looked at it.
    has_head: Cell<bool>,
    /// The client sends nothing more.
    ended: Cell<bool>,
    /// The kernel's own timeout is lifted.
    lifted: Cell<bool>,
    /// The error code of the latest `GOAWAY`. An end that leaves time has two of them.
    told: Cell<Option<u32>>,
}

/// What the frames were.
struct Seen {
    inward: Frames,
    outward: Frames,
    budget: FrameBudget,
    last_stream: u32,
}

impl<S: Socket> Wire<S> {
    pub(super) fn new(handler: Handler, socket: S) -> Self {
        let (inward, outward) = (Frames::after(PREFACE), Frames::after(0));
        let seen = Seen { inward, outward, budget: FrameBudget::new(Instant::now()), last_stream: 0 };
        Self {
            handler,
            socket: RefCell::new(socket),
            seen: RefCell::new(seen),
            flood: Cell::new(None),
            has_head: Cell::new(false),
            ended: Cell::new(false),
            lifted: Cell::new(false),
            told: Cell::new(None),
        }
    }

    /// hyper has its next turn, and all requests that it was given in the one before have been looked at: their tasks come first.
    pub(super) fn begin_turn(&self) {
        self.has_head.set(false);
    }

    /// What the client sends too much of.
    pub(super) fn flood(&self) -> Option<Flood> {
        self.flood.get()
    }

    /// Whether the client sends nothing more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether the peer has vanished, or takes nothing of all its streams: the kernel knows, as for a session over HTTP/1.
    pub(super) fn check_peer(&self, core: &Core) -> Option<End> {
        let socket = self.socket.borrow();
        let silence = socket.silence()?;
        if !self.lifted.replace(true) {
            socket.lift_user_timeout();
        }
        if silence.is_death(core.options.user_timeout) {
            Some(End::Client)
        } else {
            silence.is_stall(core.options.stalled).then_some(End::Stalled)
        }
    }

    /// What was written and not received is thrown away.
    pub(super) fn abandon(&self) {
        self.socket.borrow().abandon();
    }

    /// Says why the connection ends, once hyper is gone. Where hyper has left a frame half written nothing can be said.
    pub(super) fn say_goaway(&self, code: u32) {
        let seen = self.seen.borrow();
        let frame = frames::goaway(seen.last_stream, code);
        // A socket that takes no 17 bytes has no reader.
        if seen.outward.is_between() && self.socket.borrow().try_write(&frame).is_ok() {
            self.note_goaway(code);
        }
    }

    /// The socket. hyper has to be gone.
    pub(super) fn into_socket(self: Rc<Self>) -> Option<S> {
        Rc::into_inner(self).map(|wire| wire.socket.into_inner())
    }

    fn note_goaway(&self, code: u32) {
        if self.told.replace(Some(code)) != Some(code) {
            self.handler.stats().http2.goaway(code);
        }
    }

    /// The client has sent these bytes. `false`: more than it may.
    fn note_read(&self, bytes: &[u8]) -> bool {
        let Seen { inward, budget, last_stream, .. } = &mut *self.seen.borrow_mut();
        inward.take(bytes, |frame| {
            let flood = match frame {
                Frame::Headers(stream) => {
                    *last_stream = (*last_stream).max(stream);
                    self.has_head.set(true);
                    return;
                }
                // Those of a head without end are counted by hyper.
                Frame::Continuation => {
                    self.has_head.set(true);
                    return;
                }
                Frame::Data(HTTP2_SMALL_DATA_BYTES..) => return,
                Frame::Reset => Flood::Reset,
                Frame::Settings => Flood::Settings,
                Frame::Ping => Flood::Ping,
                // Hardly any of a body, or only padding.
                Frame::Data(_) | Frame::WindowUpdate | Frame::GoAway(_) | Frame::Other => Flood::Other,
            };
            if !budget.take() && self.flood.get().is_none() {
                self.flood.set(Some(flood));
            }
        });
        self.flood.get().is_none()
    }
}

/// The socket as hyper sees it.
pub(super) struct Transport<S> {
    wire: Rc<Wire<S>>,
    /// Bytes of the client that were read before hyper came.
    early: Vec<u8>,
    /// Bytes of hyper that wait for the payload of the frame that they end in: no more than h2 gathers, 16 KiB and a frame's head.
    held: Vec<u8>,
}

impl<S: Socket> Transport<S> {
    pub(super) const fn new(wire: Rc<Wire<S>>, early: Vec<u8>) -> Self {
        Self { wire, early, held: Vec::new() }
    }

    /// hyper counts these bytes as written: they have left, or are held.
    fn note_written(&self, bytes: &[u8]) {
        let Seen { outward, budget, .. } = &mut *self.wire.seen.borrow_mut();
        outward.take(bytes, |frame| match frame {
            Frame::Headers(_) | Frame::Data(_) => budget.give(),
            Frame::GoAway(code) => self.wire.note_goaway(code),
            _ => {}
        });
    }

    /// Writes what is held, and as much as the socket takes with it of what follows; how much of that.
    fn poll_write_held(&mut self, cx: &mut Context<'_>, next: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut socket = self.wire.socket.borrow_mut();
            let slices = [IoSlice::new(&self.held), IoSlice::new(next)];
            let written = ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &slices))?;
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            let of_held = written.min(self.held.len());
            self.held.drain(..of_held);
            if self.held.is_empty() {
                // An idle connection has no buffer.
                self.held = Vec::new();
                return Poll::Ready(Ok(written - of_held));
            }
        }
    }

    /// So many bytes may come at a time.
    fn most(&self) -> usize {
        self.wire.seen.borrow().inward.missing() + HTTP2_READ_BYTES
    }

    /// Reads from the socket no more than may come at a time.
    fn poll_read_little(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(self.most().min(buf.remaining())));
        ready!(Pin::new(&mut *self.wire.socket.borrow_mut()).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// h2 decodes all that it can read before hyper sees the first request of it, and hyper makes a task of each before the first one is
/// polled. A field of a head that is known from before is one byte on the wire: 130 KB would be 256 heads and 9 MB. So hyper gets
/// [`HTTP2_READ_BYTES`], and no more in this turn if there is a head among them.
impl<S: Socket> AsyncRead for Transport<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.wire.flood().is_some() {
            return Poll::Pending;
        }
        if self.wire.has_head.get() {
            // The next turn comes after the tasks of these requests: they stand in the queue by then.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.early.is_empty() {
            ready!(self.poll_read_little(cx, buf))?;
        } else {
            let count = self.early.len().min(buf.remaining()).min(self.most());
            buf.put_slice(&self.early[..count]);
            self.early.drain(..count);
            if self.early.is_empty() {
                self.early = Vec::new();
            }
        }
        let bytes = &buf.filled()[before..];
        if bytes.is_empty() {
            self.wire.ended.set(true);
        } else if !self.wire.note_read(bytes) {
            // The driver sees it before anything else happens.
            buf.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

/// h2 writes a frame of up to 1 KiB together with those before and behind it only where it believes that writes are of one piece; elsewhere
/// each frame of more than 256 bytes is a write of its own, and over TLS a record. So it is told that they are. The beginning of a
/// longer frame then waits here for its payload, which h2 writes next.
impl<S: Socket> AsyncWrite for Transport<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = if !self.held.is_empty() {
            match ready!(self.poll_write_held(cx, buf))? {
                // All that was held has left, and nothing else yet.
                0 => ready!(Pin::new(&mut *self.wire.socket.borrow_mut()).poll_write(cx, buf))?,
                written => written,
            }
        } else if self.wire.seen.borrow().outward.would_end_within(buf) {
            self.held = buf.to_vec();
            buf.len()
        } else {
            ready!(Pin::new(&mut *self.wire.socket.borrow_mut()).poll_write(cx, buf))?
        };
        self.note_written(&buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        false
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            ready!(self.poll_write_held(cx, &[]))?;
        }
        Pin::new(&mut *self.wire.socket.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut *self.wire.socket.borrow_mut()).poll_shutdown(cx)
    }
}
