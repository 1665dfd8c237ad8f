//! The outlet of HTTP/1: a socket that hyper has given back, and what is half way through it.

use std::io::{self, ErrorKind, IoSlice};
use std::task::{Context, Poll, ready};

use fanfare_log::pages::PagePin;
use fanfare_protocol::limits::STREAM_INPUT_BYTES_MAX;
use fanfare_protocol::{EntryId, chunk};
use tokio::task::coop;
use tracing::debug;

use super::batch::Batch;
use super::framed::{FramedUnit, OwnBytes, Slices};
use super::outlet::{Offered, Outlet, Peer};
use crate::answer::Answer;
use crate::close::Close;
use crate::core::Core;
use crate::end::End;
use crate::framing::Framing;
use crate::socket::Socket;

/// What has begun to go out.
enum Begun {
    /// The beginning of the stream, of which nothing has gone out: it leaves with the first frames, if some are due.
    Prelude(Vec<u8>),
    /// Bytes that go out before anything else, however long the socket takes.
    Queued { bytes: Vec<u8>, written: usize },
    /// An entry's frame that went out in part. The rest is looked up in the log when the socket can take it; if it came from a page
    /// of the archive, that is kept for it.
    Partial { id: EntryId, written: usize, _pin: Option<PagePin> },
}

/// What is true of a socket at present; in one byte, since a node holds many.
#[derive(Clone, Copy)]
struct Marks(u8);

impl Marks {
    /// The socket took nothing when it was last written to.
    const FULL: Self = Self(1);
    /// The kernel's own timeout is lifted (see [`Outlet::check_peer`]).
    const LIFTED: Self = Self(2);
    /// The session's waker is registered for what arrives.
    const REGISTERED: Self = Self(4);
    /// The stream is to break off, and its framing knows no other way than a reset.
    const RESET: Self = Self(8);

    const fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    fn set(&mut self, mark: Self, on: bool) {
        if on { self.0 |= mark.0 } else { self.0 &= !mark.0 }
    }
}

/// The socket, and what is half way through it.
pub(super) struct Http1<S, P> {
    socket: S,
    /// Boxed, because almost every session is between frames almost always.
    begun: Option<Box<Begun>>,
    /// The sweep in which something was last written.
    active: u32,
    /// Bytes that the client has sent after its request.
    input: u16,
    framing: Framing,
    marks: Marks,
    /// Dropped with the socket.
    _permit: P,
}

impl<S: Socket, P> Http1<S, P> {
    pub(super) fn new(socket: S, permit: P, framing: Framing, tick: u32) -> Self {
        socket.begin_stream();
        Self { socket, begun: None, active: tick, input: 0, framing, marks: Marks(0), _permit: permit }
    }

    /// Appends blocks as the body demands.
    fn frame(&self, out: &mut Vec<u8>, blocks: &[u8]) {
        match self.framing {
            Framing::Plain => out.extend_from_slice(blocks),
            Framing::Chunked => chunk::wrap(out, blocks),
        }
    }

    /// Takes the beginning of the stream, to write it; empty if it has gone out.
    fn take_prelude(&mut self) -> Vec<u8> {
        if !matches!(self.begun.as_deref(), Some(Begun::Prelude(_))) {
            return Vec::new();
        }
        match self.begun.take().map(|begun| *begun) {
            Some(Begun::Prelude(bytes)) => bytes,
            _ => Vec::new(),
        }
    }

    /// Puts raw bytes before everything else but the beginning of the stream.
    fn queue_bytes(&mut self, bytes: Vec<u8>) {
        let mut all = self.take_prelude();
        debug_assert!(self.begun.is_none(), "what is queued goes out before anything else is made");
        if all.is_empty() {
            all = bytes;
        } else {
            all.extend_from_slice(&bytes);
        }
        self.queue_rest(all, 0);
    }

    /// Puts what is left of raw bytes before everything else.
    fn queue_rest(&mut self, bytes: Vec<u8>, written: usize) {
        self.begun = Some(Box::new(Begun::Queued { bytes, written }));
    }

    /// Whether a process of this machine has taken nothing for `delivery.stalled`, although something waits. There is room again only
    /// when most of what it was given is read.
    fn stalls_locally(&self, core: &Core) -> bool {
        // One more, since the first of them may have been almost over.
        let for_so_long = |limit| core.tick().wrapping_sub(self.active) > core.ticks_in(limit);
        let is_full = self.marks.has(Marks::FULL) || self.socket.holds();
        is_full && core.options.stalled.is_some_and(for_so_long)
    }

    /// So many of the queued bytes have gone out.
    fn note_queued(&mut self, count: usize) {
        if let Some(Begun::Queued { bytes, written }) = self.begun.as_deref_mut() {
            *written += count;
            if *written == bytes.len() {
                self.begun = None;
            }
        }
    }

    /// The bytes of the batch's first unit that are out already. `None`: the rest of a frame is gone, and the client must not
    /// take its beginning for the whole.
    fn already_out(&self, batch: &Batch<'_>) -> Option<usize> {
        let Some(Begun::Partial { id, written, .. }) = self.begun.as_deref() else { return Some(0) };
        let first = batch.units.first()?;
        let goes_on = first.entry == Some(*id) && FramedUnit::of(batch, first, self.framing).len() > *written;
        goes_on.then_some(*written)
    }

    /// Writes the beginning of the stream, if it has not gone out yet, and a batch without its first `skip` bytes.
    /// `Ok(None)`: the socket is full.
    fn write_together(
        &mut self,
        core: &Core,
        prelude: &[u8],
        batch: &Batch<'_>,
        skip: usize,
    ) -> Result<Option<usize>, End> {
        let own = OwnBytes::of(batch, self.framing);
        let mut slices = Slices::new();
        if !prelude.is_empty() {
            slices.push(IoSlice::new(prelude));
        }
        own.slices(batch, self.framing, skip, &mut slices);
        if slices.is_empty() { Ok(Some(0)) } else { self.write(core, &slices) }
    }

    /// One vectored write. `Ok(None)`: the socket is full.
    fn write(&mut self, core: &Core, slices: &[IoSlice<'_>]) -> Result<Option<usize>, End> {
        let written = self.socket.try_write_slices(slices);
        self.note_write(core, written)
    }

    /// What a write means for the socket, and for the node's counters. `Ok(None)`: the socket is full.
    fn note_write(&mut self, core: &Core, written: io::Result<usize>) -> Result<Option<usize>, End> {
        match written {
            Ok(written) => {
                self.active = core.tick();
                self.marks.set(Marks::FULL, false);
                core.stats.writes.add(1);
                core.stats.bytes.add(written as u64);
                Ok(Some(written))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.marks.set(Marks::FULL, true);
                core.stats.blocked.add(1);
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Some(0)),
            Err(_) => Err(End::Error),
        }
    }

    /// Counts the units that `written` bytes of the batch complete, and remembers how much of the next one is out.
    fn count(&mut self, batch: &Batch<'_>, written: usize) -> Offered {
        // A page that was kept before is kept until it is known whether it is still needed.
        let _before = self.begun.take();
        let mut left = written;
        for (whole, unit) in batch.units.iter().enumerate() {
            let length = FramedUnit::of(batch, unit, self.framing).len();
            if left >= length {
                left -= length;
                continue;
            }
            return match unit.entry {
                _ if left == 0 => Offered::Taken(whole),
                Some(id) => {
                    self.begun = Some(Box::new(Begun::Partial { id, written: left, _pin: batch.pin() }));
                    Offered::Taken(whole)
                }
                None => {
                    // It cannot be made again from the log: its rest is kept, and it counts as handed out.
                    let mut bytes = Vec::new();
                    FramedUnit::of(batch, unit, self.framing).write(&mut bytes);
                    self.queue_rest(bytes, left);
                    Offered::Queued(whole + 1)
                }
            };
        }
        Offered::Taken(batch.units.len())
    }
}

impl<S: Socket, P: 'static> Outlet for Http1<S, P> {
    fn begin(&mut self, head: &Answer, blocks: &[u8]) {
        debug_assert!(self.begun.is_none(), "nothing is before the beginning");
        let mut bytes = head.to_http1(self.framing);
        self.frame(&mut bytes, blocks);
        self.begun = Some(Box::new(Begun::Prelude(bytes)));
    }

    fn refuse(&mut self, answer: &Answer) {
        self.queue_bytes(answer.to_http1(self.framing));
    }

    fn offer(&mut self, core: &Core, batch: &Batch<'_>) -> Offered {
        let Some(skip) = self.already_out(batch) else { return Offered::Ended(End::Broken) };
        let prelude = self.take_prelude();
        let written = match self.write_together(core, &prelude, batch, skip) {
            Ok(Some(written)) => written,
            Ok(None) => {
                if !prelude.is_empty() {
                    self.begun = Some(Box::new(Begun::Prelude(prelude)));
                }
                return Offered::Full;
            }
            Err(end) => return Offered::Ended(end),
        };
        if written < prelude.len() {
            self.queue_rest(prelude, written);
            return Offered::Queued(0);
        }
        match self.count(batch, skip + written - prelude.len()) {
            // It goes first, and the session has to hear when there is room for it.
            Offered::Taken(count) if self.socket.holds() => Offered::Queued(count),
            offered => offered,
        }
    }

    fn say(&mut self, blocks: &[u8]) {
        let mut bytes = Vec::new();
        self.frame(&mut bytes, blocks);
        self.queue_bytes(bytes);
    }

    fn end(&mut self, blocks: &[u8], close: Close) {
        let mut bytes = Vec::new();
        self.frame(&mut bytes, blocks);
        match (self.framing, close) {
            (Framing::Chunked, Close::Clean) => bytes.extend_from_slice(chunk::LAST),
            // Without a last chunk it is no whole response.
            (Framing::Chunked, Close::Abort) | (Framing::Plain, Close::Clean) => {}
            (Framing::Plain, Close::Abort) => self.marks.set(Marks::RESET, true),
        }
        self.queue_bytes(bytes);
    }

    fn release(&mut self) -> bool {
        let prelude = self.take_prelude();
        let waited = !prelude.is_empty();
        if waited {
            self.queue_rest(prelude, 0);
        }
        waited
    }

    fn poll_flush(&mut self, core: &Core, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        ready!(self.socket.poll_drain(cx)).map_err(|_| End::Error)?;
        while let Some(Begun::Queued { bytes, written }) = self.begun.as_deref() {
            let result = self.socket.try_write(&bytes[*written..]);
            match self.note_write(core, result) {
                Ok(Some(count)) => self.note_queued(count),
                Ok(None) if ready!(self.socket.poll_write_ready(cx)).is_ok() => {}
                Ok(None) | Err(_) => return Poll::Ready(Err(End::Error)),
            }
        }
        self.socket.poll_drain(cx).map_err(|_| End::Error)
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.marks.has(Marks::FULL) {
            self.socket.poll_write_ready(cx).map_err(|_| End::Error)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn is_within_entry(&self) -> bool {
        matches!(self.begun.as_deref(), Some(Begun::Partial { .. }))
    }

    fn is_idle(&self) -> bool {
        self.begun.is_none() && !self.socket.holds()
    }

    fn is_full(&self) -> bool {
        self.marks.has(Marks::FULL) || self.socket.holds()
    }

    fn active_at(&self) -> u32 {
        self.active
    }

    /// Bytes after the request are discarded, as long as they are few: clients have nothing to say there, and reading for ever
    /// what one sends costs others their turns.
    fn peer(&mut self, cx: &mut Context<'_>) -> Peer {
        // Most often a session is woken to write. Its waker then still waits for what the client sends.
        if self.marks.has(Marks::REGISTERED) && !self.socket.may_be_readable() {
            return Peer::Here;
        }
        let mut scratch = [0; 256];
        while let Poll::Ready(ready) = self.socket.poll_read_ready(cx) {
            if ready.is_err() {
                return Peer::Gone;
            }
            match self.socket.try_read(&mut scratch) {
                Ok(0) => return Peer::SendsNothingMore,
                Ok(read) => {
                    self.input = self.input.saturating_add(u16::try_from(read).unwrap_or(u16::MAX));
                    if usize::from(self.input) > STREAM_INPUT_BYTES_MAX {
                        debug!("a client goes on sending after its request");
                        return Peer::Gone;
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return Peer::Gone,
            }
        }
        // A task that has used up its budget is told to wait without being registered; it is woken at once.
        self.marks.set(Marks::REGISTERED, coop::has_budget_remaining());
        Peer::Here
    }

    /// The kernel would end a connection whose window stays shut as well (`TCP_USER_TIMEOUT`), but a client may read as slowly
    /// as it likes, and nothing at all for much longer. So the kernel only minds the socket until it is asked for the first
    /// time, which is sooner than its timeout.
    fn check_peer(&mut self, core: &Core) -> Option<End> {
        if self.socket.is_local() {
            return self.stalls_locally(core).then_some(End::Stalled);
        }
        // A kernel that tells nothing goes on minding the socket.
        let silence = self.socket.silence()?;
        if !self.marks.has(Marks::LIFTED) {
            self.marks.set(Marks::LIFTED, true);
            self.socket.lift_user_timeout();
        }
        let end = if silence.is_death(core.options.user_timeout) {
            End::Client
        } else if silence.is_stall(core.options.stalled) {
            End::Stalled
        } else {
            return None;
        };
        // What the kernel holds will not be received, and should the peer come back, it learns at once that it is late.
        self.socket.abandon();
        Some(end)
    }

    fn cut(&mut self) {
        // What the kernel holds is not sent any more either.
        self.socket.abandon();
    }

    fn finish(&mut self) {
        if self.marks.has(Marks::RESET) {
            self.socket.abandon();
        } else {
            self.socket.close_sending_side();
        }
    }
}
