//! Takes the messages out of what arrives, before the client library sees it.
//!
//! The library makes four values of a message, each with memory of its own; on a busy channel that was most of what a message
//! cost, and a feed that is slower than what is published is cut. Here a message is found by the lengths that stand in it, and
//! handed over as it lies in the buffer. Everything else goes on to the library as it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame::Frame;
use super::push::Messages;

/// Bytes read at a time. A longer message gets room for as long as it takes.
const BUFFER: usize = 64 * 1024;

/// Reads without anything for the library, after which the thread's other tasks get their turn.
const READS_IN_A_ROW: usize = 16;

/// A stream from Redis without its messages.
pub(crate) struct Sieve<S> {
    stream: S,
    messages: Messages,
    buffer: Vec<u8>,
    /// What has been read and not taken is here in the buffer.
    start: usize,
    end: usize,
    /// So much of that is for the library.
    passing: usize,
    is_ended: bool,
}

impl<S: AsyncRead + Unpin> Sieve<S> {
    pub(crate) fn new(stream: S, messages: Messages) -> Self {
        Self { stream, messages, buffer: vec![0; BUFFER], start: 0, end: 0, passing: 0, is_ended: false }
    }

    /// Takes out the messages up to the next thing that is for the library, and hands them over before it.
    fn sift(&mut self) {
        self.take_messages();
        self.messages.deliver();
    }

    fn take_messages(&mut self) {
        while self.passing == 0 {
            let read = &self.buffer[self.start..self.end];
            match Frame::at_start(read) {
                Frame::Message { channel, payload, length } => {
                    self.messages.take(&read[channel], &read[payload]);
                    self.start += length;
                }
                Frame::Other { length } => self.passing = length,
                // The library says what is wrong with it.
                Frame::Unreadable => self.passing = read.len(),
                Frame::Incomplete if self.is_ended => {
                    self.passing = read.len();
                    return;
                }
                Frame::Incomplete => return,
            }
        }
    }

    /// Reads once more.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.make_room();
        let mut room = ReadBuf::new(&mut self.buffer[self.end..]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        self.end += read;
        self.is_ended = read == 0;
        Poll::Ready(Ok(()))
    }

    /// Sees to it that there is room after what was read.
    fn make_room(&mut self) {
        let left = self.end - self.start;
        if left == 0 {
            (self.start, self.end) = (0, 0);
        }
        if self.buffer.len() > BUFFER && left <= BUFFER / 2 {
            // The long message is gone. What is left is too short for the buffer to grow again at once.
            let mut buffer = vec![0; BUFFER];
            buffer[..left].copy_from_slice(&self.buffer[self.start..self.end]);
            self.buffer = buffer;
            (self.start, self.end) = (0, left);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            // A frame that takes more than half of the buffer is long: with each doubling it is looked at once more.
            if self.end > self.buffer.len() / 2 {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sieve<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        for _ in 0..READS_IN_A_ROW {
            this.sift();
            if this.passing > 0 || this.is_ended {
                let part = this.passing.min(out.remaining());
                out.put_slice(&this.buffer[this.start..this.start + part]);
                this.start += part;
                this.passing -= part;
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_fill(cx))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sieve<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
