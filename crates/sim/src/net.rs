//! Sockets made of memory: two lanes of bounded length, and no time of their own.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use fanfare_server::{Silence, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

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
    /// `None`: nobody asks.
    dates: Option<Dates>,
}

/// When bytes were sent: so many at a time, in order.
#[derive(Debug, Default)]
struct Dates {
    on_their_way: VecDeque<(usize, Instant)>,
    received: Vec<(usize, Instant)>,
}

impl Dates {
    fn receive(&mut self, mut count: usize) {
        while count > 0
            && let Some((some, at)) = self.on_their_way.front_mut()
        {
            let part = count.min(*some);
            self.received.push((part, *at));
            *some -= part;
            count -= part;
            self.on_their_way.pop_front_if(|(left, _)| *left == 0);
        }
    }
}

impl Lane {
    fn new(room: usize) -> Arc<Mutex<Self>> {
        let (reader, writer, dates) = (None, None, None);
        let lane = Self { bytes: VecDeque::new(), room, ended: false, broken: false, reader, writer, dates };
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
        self.dates.iter_mut().for_each(|dates| dates.receive(count));
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
        self.dates.iter_mut().for_each(|dates| dates.on_their_way.push_back((count, Instant::now())));
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
    /// From now on it is kept when what arrives here was sent. To be called before anything is.
    pub(crate) fn keep_dates(&self) {
        lock(&self.incoming).dates = Some(Dates::default());
    }

    /// When the bytes were sent that were received since the last call: so many at a time, in order.
    pub(crate) fn take_dates(&self) -> Vec<(usize, Instant)> {
        lock(&self.incoming).dates.as_mut().map(|dates| std::mem::take(&mut dates.received)).unwrap_or_default()
    }

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

#[cfg(test)]
mod tests {
    use tokio::time::Duration;

    use super::*;

    // Fails when what is taken together has the time of the last of it, and when a part that was taken counts for the rest.
    #[tokio::test(start_paused = true)]
    async fn bytes_have_the_time_at_which_they_were_sent_however_they_are_read() {
        let (ours, theirs) = pair(64);
        theirs.keep_dates();
        let begun = Instant::now();
        assert_eq!(ours.try_write(b"abc").unwrap(), 3);
        tokio::time::advance(Duration::from_millis(7)).await;
        assert_eq!(ours.try_write(b"de").unwrap(), 2);
        tokio::time::advance(Duration::from_millis(7)).await;
        let read = |count: usize| {
            let taken = theirs.try_read(&mut [0; 8][..count]).unwrap();
            let of = |(count, at): (usize, Instant)| (count, at.duration_since(begun).as_millis());
            (taken, theirs.take_dates().into_iter().map(of).collect::<Vec<_>>())
        };
        assert_eq!(read(2), (2, vec![(2, 0)]));
        assert_eq!(read(8), (3, vec![(1, 0), (2, 7)]));
    }
}
