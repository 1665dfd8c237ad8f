//! Sockets made of memory: two lanes of bounded length, and no time of their own.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use fanfare_server::{Silence, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes on their way in one direction.
#[derive(Debug)]
struct Lane {
    bytes: VecDeque<u8>,
    room: usize,
    /// The sender sends nothing more.
    ended: bool,
    /// The receiver is gone.
    broken: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn new(room: usize) -> Arc<Mutex<Self>> {
        let lane = Self { bytes: VecDeque::new(), room, ended: false, broken: false, reader: None, writer: None };
        Arc::new(Mutex::new(lane))
    }

    fn take(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            return if self.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let count = buffer.len().min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let first = count.min(front.len());
        buffer[..first].copy_from_slice(&front[..first]);
        buffer[first..count].copy_from_slice(&back[..count - first]);
        self.bytes.drain(..count);
        wake(&mut self.writer);
        Ok(count)
    }

    fn put(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.broken || self.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let before = self.bytes.len();
        for slice in slices {
            let count = slice.len().min(self.room - self.bytes.len());
            self.bytes.extend(&slice[..count]);
        }
        let count = self.bytes.len() - before;
        if count == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wake(&mut self.reader);
        Ok(count)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// One end of a connection. Dropping it is a close: the peer reads what is on its way, then the end.
#[derive(Debug)]
pub(crate) struct End {
    incoming: Arc<Mutex<Lane>>,
    outgoing: Arc<Mutex<Lane>>,
}

/// A connection. Each end may have so many bytes on their way that the other has not read.
pub(crate) fn pair(room: usize) -> (End, End) {
    let (there, back) = (Lane::new(room), Lane::new(room));
    (End { incoming: Arc::clone(&back), outgoing: Arc::clone(&there) }, End { incoming: there, outgoing: back })
}

fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

impl End {
    fn end(&self) {
        let mut lane = lock(&self.outgoing);
        lane.ended = true;
        wake(&mut lane.reader);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.end();
        let mut lane = lock(&self.incoming);
        lane.broken = true;
        wake(&mut lane.writer);
    }
}

impl Socket for End {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lane = lock(&self.incoming);
        if !lane.bytes.is_empty() || lane.ended {
            return Poll::Ready(Ok(()));
        }
        lane.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.incoming).take(buffer)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lane = lock(&self.outgoing);
        if lane.bytes.len() < lane.room || lane.broken {
            return Poll::Ready(Ok(()));
        }
        lane.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_slices(&[IoSlice::new(bytes)])
    }

    fn try_write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        lock(&self.outgoing).put(slices)
    }

    fn lift_user_timeout(&self) {}

    fn silence(&self) -> Option<Silence> {
        None
    }

    fn abandon(&self) {}

    fn close_sending_side(&self) {
        self.end();
    }
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.try_read(buffer.initialize_unfilled()) {
            Ok(count) => {
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                lock(&self.incoming).reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                lock(&self.outgoing).writer = Some(cx.waker().clone());
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}
