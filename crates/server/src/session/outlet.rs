//! Where a session's bytes go: the interface between the reader, which knows what is due, and the transport.
//!
//! A reader offers blocks of an event stream and batches of events. An outlet frames them (chunks, records, slices), writes
//! what its peer can take, and says how much of a batch is thereby **handed out**. A session owns both and drives them:
//! it is polled when a channel has moved, when the sweep asks, and when the outlet woke it.
//!
//! # What an outlet promises
//!
//! - *Order.* What it was given leaves in the order given: the beginning, then whatever follows.
//! - *Handed out is final.* A unit that it reports as taken will reach its transport without the reader's help, or the
//!   session ends. The reader moves its cursor on that word and never offers the unit again. An outlet may keep only
//!   little of what it took and could not write yet: the rest of a unit of the session's own, or of one record.
//! - *An entry may be taken in part.* Then the outlet remembers its id and the bytes that are out, not the frame. The reader
//!   offers the same entry again, first in a batch, and the log makes the same bytes of it; if another batch comes, the
//!   entry is gone and the session ends as [`End::Broken`], in the middle of a block, which no client takes for a whole one.
//! - *Cancellation.* No method waits. Nothing is lost when a session is dropped between two calls: what was handed out
//!   belongs to the transport, and everything else is still in the log, behind the cursor.
//! - *Waking.* After a `poll` method was pending, the waker of that call is woken when there may be room; after
//!   [`Offered::Full`] the session calls [`Outlet::poll_room`]. [`Outlet::peer`] wakes when the client may have left.
//! - *Memory.* An outlet is a part of every session: what is needed only while something is under way is boxed.

use std::task::{Context, Poll};

use super::batch::Batch;
use crate::answer::Answer;
use crate::close::Close;
use crate::core::Core;
use crate::end::End;

/// What came of a batch. The counts are of units, from the batch's first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    /// This number is handed out; the outlet may take more.
    Taken(usize),
    /// This number is handed out, and bytes are queued that go first: [`Outlet::poll_flush`] before the next batch.
    Queued(usize),
    /// None is: the transport takes nothing now.
    Full,
    /// The session is over.
    Ended(End),
}

/// What is known of the client's side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Here,
    /// It has closed its sending side. A client that has left looks like this, too.
    SendsNothingMore,
    /// It has left and said so, or is not to be served any longer.
    Gone,
}

/// Takes what a reader has. See the [module](self) for the contract.
pub(super) trait Outlet: 'static {
    /// The head of the stream and its first blocks. They wait for the first batch, to leave in one write with what the
    /// client has missed, or for [`Outlet::release`].
    fn begin(&mut self, head: &Answer, blocks: &[u8]);

    /// Another answer in place of the stream. Nothing follows.
    fn refuse(&mut self, answer: &Answer);

    /// Takes what it can of a batch, in one write if anything of it leaves. Only when nothing is queued.
    fn offer(&mut self, core: &Core, batch: &Batch<'_>) -> Offered;

    /// Queues blocks of the session's own, to go before every batch. Only between entries.
    fn say(&mut self, blocks: &[u8]);

    /// Queues the last blocks and the end of the stream, which with [`Close::Abort`] is none. Only between entries.
    fn end(&mut self, blocks: &[u8], close: Close);

    /// No batch is due that could go with the beginning of the stream: queues it. Returns whether it was still waiting.
    fn release(&mut self) -> bool;

    /// Writes what is queued. Ready when nothing is.
    fn poll_flush(&mut self, core: &Core, cx: &mut Context<'_>) -> Poll<Result<(), End>>;

    /// Waits until a batch may be offered with success. Ready at once unless the transport was full last time.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>>;

    /// Whether an entry was taken in part. The next batch has to begin with its rest.
    fn is_within_entry(&self) -> bool;

    /// Whether everything that was begun is complete: nothing waits, nothing is queued, no entry is half out.
    fn is_idle(&self) -> bool;

    /// Whether the transport took nothing when something was last written.
    fn is_full(&self) -> bool;

    /// The sweep ([`Core::tick`]) in which bytes last left.
    fn active_at(&self) -> u32;

    /// Whether the client is there, as far as it says so itself.
    fn peer(&mut self, cx: &mut Context<'_>) -> Peer;

    /// Whether the client has left without a word, or takes nothing any more: the end of the session then. Asked once per heartbeat
    /// interval.
    fn check_peer(&mut self, core: &Core) -> Option<End>;

    /// Ends the transport at once. Nothing more leaves, as far as that can be helped; what was begun stays incomplete.
    fn cut(&mut self);

    /// Everything is written: ends the transport, politely unless the stream was to break off.
    fn finish(&mut self);
}

#[cfg(test)]
mod tests;
