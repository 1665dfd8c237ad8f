//! A subscriber that shares its connection: one stream of HTTP/2, and what its window could not take yet.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::SendStream;

use super::frame::Frame;
use super::gone::Gone;

/// Frames that wait for room in the window; beyond, the stream ends. They are shared, so that this bounds a list of pointers.
const WAITING_MAX: usize = 65_536;

/// A stream whose head is out. One that the client has reset is found gone at the next frame.
pub(super) struct StreamOutlet {
    stream: SendStream<Bytes>,
    /// The connection that it is a part of.
    pub(super) session: usize,
    waiting: VecDeque<Frame>,
    /// Woken when the window has room again.
    waker: Waker,
}

impl StreamOutlet {
    pub(super) fn new(stream: SendStream<Bytes>, session: usize, waker: Waker) -> Self {
        Self { stream, session, waiting: VecDeque::new(), waker }
    }

    /// Hands a frame to the connection, which writes it when it is polled; what the window has no room for is kept.
    pub(super) fn send(&mut self, frame: &Frame) -> Result<(), Gone> {
        if self.waiting.is_empty() {
            self.stream.reserve_capacity(frame.len());
            if self.stream.capacity() >= frame.len() {
                return self.stream.send_data(frame.clone(), false).map_err(|_| Gone);
            }
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(Gone);
        }
        self.waiting.push_back(frame.clone());
        if self.waiting.len() == 1 { self.resume() } else { Ok(()) }
    }

    /// Hands on what waits, as far as there is room.
    pub(super) fn resume(&mut self) -> Result<(), Gone> {
        while let Some(frame) = self.waiting.front_mut() {
            self.stream.reserve_capacity(frame.len());
            let room = self.stream.capacity().min(frame.len());
            if room == frame.len() {
                let frame = self.waiting.pop_front().unwrap_or_default();
                self.stream.send_data(frame, false).map_err(|_| Gone)?;
            } else if room > 0 {
                let part = frame.split_to(room);
                self.stream.send_data(part, false).map_err(|_| Gone)?;
            } else {
                match self.stream.poll_capacity(&mut Context::from_waker(&self.waker)) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Err(Gone),
                }
            }
        }
        self.waiting = VecDeque::new();
        Ok(())
    }
}
