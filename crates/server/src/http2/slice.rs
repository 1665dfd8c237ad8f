//! Bytes of a body that hyper has been given.

use std::rc::Weak;
use std::task::Waker;

use bytes::{Buf, Bytes};
use fanfare_protocol::limits::{HTTP2_SLICE_BYTES, HTTP2_SLICE_BYTES_SCARCE, HTTP2_UNSENT_BYTES_MAX};

use crate::routes::Handler;

/// What is told when a slice has left.
pub(super) trait Giver {
    /// The slice that was given last has left. Returns whether the task is to be woken for that.
    fn slice_has_left(&self) -> bool;
}

/// A piece of a body. It is counted until hyper drops it: then it has left, or never will.
pub(super) struct Slice {
    bytes: Bytes,
    _unsent: Box<Unsent>,
}

/// Bytes that have not left.
struct Unsent {
    handler: Handler,
    bytes: u64,
    giver: Weak<dyn Giver>,
    waker: Waker,
}

impl Slice {
    /// `waker`: that of the giver's task.
    pub(super) fn new(handler: &Handler, bytes: Bytes, giver: Weak<dyn Giver>, waker: &Waker) -> Self {
        let count = bytes.len() as u64;
        handler.stats().http2.unsent.add(count);
        let unsent = Unsent { handler: handler.clone(), bytes: count, giver, waker: waker.clone() };
        Self { bytes, _unsent: Box::new(unsent) }
    }

    /// How long the next one may be.
    pub(super) fn room(handler: &Handler) -> usize {
        let all = handler.stats.iter().map(|core| core.http2.unsent.get()).sum::<u64>();
        if all < HTTP2_UNSENT_BYTES_MAX as u64 { HTTP2_SLICE_BYTES } else { HTTP2_SLICE_BYTES_SCARCE }
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        let unsent = &self.handler.stats().http2.unsent;
        unsent.set(unsent.get().saturating_sub(self.bytes));
        if self.giver.upgrade().is_some_and(|giver| giver.slice_has_left()) {
            self.waker.wake_by_ref();
        }
    }
}

impl Buf for Slice {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}
