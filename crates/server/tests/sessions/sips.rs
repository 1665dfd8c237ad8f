//! A socket whose peer takes as many bytes as the test says, in time that a test may skip.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fanfare_server::{Silence, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The node's end.
pub(crate) struct Sips(pub(crate) Rc<Peer>);

/// The client's end.
pub(crate) struct Peer {
    room: Cell<usize>,
    taken: RefCell<Vec<u8>>,
    /// When something was last taken.
    at: Cell<Instant>,
    writer: RefCell<Option<Waker>>,
    abandoned: Cell<bool>,
}

impl Peer {
    /// Takes this number of bytes to begin with.
    pub(crate) fn new(room: usize) -> Rc<Self> {
        let (room, at) = (Cell::new(room), Cell::new(Instant::now()));
        Rc::new(Self { room, taken: RefCell::default(), at, writer: RefCell::default(), abandoned: Cell::default() })
    }

    /// Takes more.
    pub(crate) fn take(&self, bytes: usize) {
        self.room.set(self.room.get() + bytes);
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    /// What is still to be taken before it waits for the test.
    pub(crate) fn room(&self) -> usize {
        self.room.get()
    }

    /// Bytes taken so far.
    pub(crate) fn taken(&self) -> usize {
        self.taken.borrow().len()
    }

    /// What was taken, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.taken.borrow().clone()).unwrap()
    }

    /// When something was last taken.
    pub(crate) fn last(&self) -> Instant {
        self.at.get()
    }

    /// Whether the node has cut the connection.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.get()
    }
}

impl Socket for Sips {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn try_read(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.room.get() > 0 {
            return Poll::Ready(Ok(()));
        }
        self.0.writer.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_slices(&[IoSlice::new(bytes)])
    }

    fn try_write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.0.room.get();
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(room).collect();
        let count = bytes.len();
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.0.room.set(room - count);
        self.0.taken.borrow_mut().extend(bytes);
        self.0.at.set(Instant::now());
        Ok(count)
    }

    fn lift_user_timeout(&self) {}

    fn silence(&self) -> Option<Silence> {
        let stuck = if self.0.room.get() == 0 { self.0.at.get().elapsed() } else { Duration::ZERO };
        // Its kernel answers whatever it is asked.
        Some(Silence { lasts: Duration::ZERO, unanswered: 0, stuck })
    }

    fn abandon(&self) {
        self.0.abandoned.set(true);
    }

    fn close_sending_side(&self) {}
}

impl AsyncRead for Sips {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Sips {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
