//! The socket of a session and what is half way through it.

use std::io::{ErrorKind, IoSlice};
use std::task::{Context, Poll, ready};

use fanfare_protocol::{EntryId, chunk};
use tokio::task::coop;

use super::End;
use crate::core::Core;
use crate::framing::Framing;
use crate::socket::Socket;

/// What has begun to go out.
enum Begun {
    /// The beginning of the stream, of which nothing has gone out: it leaves with the first frames, if some are due.
    Prelude(Vec<u8>),
    /// Bytes that go out before anything else, however long the socket takes.
    Queued { bytes: Vec<u8>, written: usize },
    /// An entry's frame that went out in part. The rest is looked up in the log when the socket can take it.
    Partial { id: EntryId, written: usize },
}

/// The socket, and what is half way through it.
pub(super) struct Wire<S> {
    socket: S,
    /// Boxed, because almost every session is between frames almost always.
    begun: Option<Box<Begun>>,
    /// The sweep in which something was last written.
    pub(super) active: u32,
    pub(super) framing: Framing,
    /// The socket took nothing when it was last written to.
    full: bool,
    /// The kernel's own timeout is lifted (see [`Wire::has_peer_vanished`]).
    lifted: bool,
    /// The session's waker is registered for what arrives.
    watched: bool,
}

impl<S: Socket> Wire<S> {
    pub(super) fn new(socket: S, framing: Framing, tick: u32) -> Self {
        Self { socket, begun: None, active: tick, framing, full: false, lifted: false, watched: false }
    }

    /// Whether everything that was begun is complete.
    pub(super) fn is_between_frames(&self) -> bool {
        self.begun.is_none()
    }

    /// Whether the socket took nothing when it was last written to.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether the beginning of the stream waits for frames to go with.
    pub(super) fn has_prelude(&self) -> bool {
        matches!(self.begun.as_deref(), Some(Begun::Prelude(_)))
    }

    /// The entry whose frame went out in part, and how many bytes of it.
    pub(super) fn partial(&self) -> Option<(EntryId, usize)> {
        match self.begun.as_deref() {
            Some(Begun::Partial { id, written }) => Some((*id, *written)),
            _ => None,
        }
    }

    /// Remembers how much of an entry's frame went out, or that nothing is half way.
    pub(super) fn set_partial(&mut self, partial: Option<(EntryId, usize)>) {
        self.begun = partial.map(|(id, written)| Box::new(Begun::Partial { id, written }));
    }

    /// Notices at once that the client is gone. What it says after its request means nothing and is thrown away.
    pub(super) fn is_peer_gone(&mut self, cx: &mut Context<'_>) -> bool {
        // Most often a session is woken to write. Its waker then still waits for what the client sends.
        if self.watched && !self.socket.may_be_readable() {
            return false;
        }
        let mut scratch = [0; 256];
        while let Poll::Ready(ready) = self.socket.poll_read_ready(cx) {
            if ready.is_err() {
                return true;
            }
            match self.socket.try_read(&mut scratch) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return true,
            }
        }
        // A task that has used up its budget is told to wait without being registered; it is woken at once.
        self.watched = coop::has_budget_remaining();
        false
    }

    /// Whether the peer is gone without a word; asked once per heartbeat interval. The kernel would end a connection whose
    /// window stays shut as well (`TCP_USER_TIMEOUT`), but a client may read as slowly as it likes, or not at all. So the
    /// kernel only minds the socket until it is asked for the first time, which is sooner than its timeout.
    pub(super) fn has_peer_vanished(&mut self, core: &Core) -> bool {
        // A kernel that tells nothing goes on minding the socket.
        let Some(silence) = self.socket.silence() else { return false };
        if !std::mem::replace(&mut self.lifted, true) {
            self.socket.lift_user_timeout();
        }
        let vanished = silence.is_death(core.options.user_timeout);
        if vanished {
            // Nobody will take what the kernel holds, and should the peer come back, it learns at once that it is late.
            self.socket.abandon();
        }
        vanished
    }

    /// Waits until the socket may take more.
    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.socket.poll_write_ready(cx)
    }

    /// Puts the beginning of the stream before everything else. What is missed leaves with it, in one write.
    pub(super) fn set_prelude(&mut self, bytes: Vec<u8>) {
        debug_assert!(self.begun.is_none(), "nothing is before the beginning");
        self.begun = Some(Box::new(Begun::Prelude(bytes)));
    }

    /// The beginning of the stream, for whoever writes it; empty if it has gone out.
    pub(super) fn take_prelude(&mut self) -> Vec<u8> {
        if !self.has_prelude() {
            return Vec::new();
        }
        match self.begun.take().map(|begun| *begun) {
            Some(Begun::Prelude(bytes)) => bytes,
            _ => Vec::new(),
        }
    }

    /// Nothing is due that could go with the beginning of the stream: it goes now.
    pub(super) fn flush_prelude(&mut self) {
        let prelude = self.take_prelude();
        self.queue_rest(prelude, 0);
    }

    /// Puts raw bytes before everything else but the beginning of the stream.
    pub(super) fn queue_bytes(&mut self, bytes: Vec<u8>) {
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
    pub(super) fn queue_rest(&mut self, bytes: Vec<u8>, written: usize) {
        self.begun = Some(Box::new(Begun::Queued { bytes, written }));
    }

    /// Puts blocks before everything else.
    pub(super) fn queue_blocks(&mut self, blocks: &[u8]) {
        let mut bytes = Vec::new();
        self.frame(&mut bytes, blocks);
        self.queue_bytes(bytes);
    }

    /// Puts the last blocks of the body before everything else.
    pub(super) fn queue_last(&mut self, blocks: &[u8]) {
        let mut bytes = Vec::new();
        self.frame(&mut bytes, blocks);
        if self.framing == Framing::Chunked {
            bytes.extend_from_slice(chunk::LAST);
        }
        self.queue_bytes(bytes);
    }

    /// Appends blocks as the body demands.
    pub(super) fn frame(&self, out: &mut Vec<u8>, blocks: &[u8]) {
        match self.framing {
            Framing::Plain => out.extend_from_slice(blocks),
            Framing::Chunked => chunk::wrap(out, blocks),
        }
    }

    /// Writes what is queued.
    pub(super) fn flush(&mut self, core: &Core, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        while let Some(Begun::Queued { bytes, written }) = self.begun.as_deref_mut() {
            match self.socket.try_write(&bytes[*written..]) {
                Ok(count) => {
                    *written += count;
                    self.full = false;
                    self.active = core.tick();
                    core.stats.bytes.add(count as u64);
                    core.stats.writes.add(1);
                    if *written == bytes.len() {
                        self.begun = None;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.full = true;
                    core.stats.blocked.add(1);
                    if ready!(self.socket.poll_write_ready(cx)).is_err() {
                        return Poll::Ready(Err(End::Error));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Poll::Ready(Err(End::Error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// One vectored write. `Ok(None)`: the socket is full.
    pub(super) fn write(&mut self, core: &Core, slices: &[IoSlice<'_>]) -> Result<Option<usize>, End> {
        match self.socket.try_write_slices(slices) {
            Ok(written) => {
                self.active = core.tick();
                self.full = false;
                core.stats.writes.add(1);
                core.stats.bytes.add(written as u64);
                Ok(Some(written))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.full = true;
                core.stats.blocked.add(1);
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Some(0)),
            Err(_) => Err(End::Error),
        }
    }

    /// Ends the body politely.
    pub(super) fn finish(&self) {
        self.socket.close_sending_side();
    }
}
