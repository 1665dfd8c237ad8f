//! Delivery: handing out what is due, channel by channel, as the socket takes it.

use std::io::IoSlice;
use std::rc::Rc;

use arrayvec::ArrayVec;
use fanfare_log::pages::Served;
use fanfare_log::{Cursor, Next};
use fanfare_protocol::{Gap, GapReason, Position, block};

use super::batch::{Batch, Step, Unit};
use super::channels::Vector;
use super::wire::Wire;
use super::{End, Session};
use crate::core::Core;
use crate::socket::Socket;

/// Batches that one session writes before others get their turn.
const ROUNDS: usize = 8;

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing is due; every channel's reader is armed.
    Idle,
    /// More may be due.
    Again,
    /// The socket is full.
    Blocked,
    /// Something is queued and goes first.
    Queued,
    /// What is next is older than the reader may be behind.
    Lagging,
    /// The session is over.
    Ended(End),
}

impl<P, S: Socket> Session<P, S> {
    /// Writes what is due until nothing is, the socket is full, or it is others' turn.
    pub(super) fn deliver(&mut self) -> Outcome {
        let count = self.channels.len();
        for _ in 0..ROUNDS {
            let mut wrote = false;
            for _ in 0..count {
                match self.deliver_channel(self.current as usize) {
                    Outcome::Idle => {}
                    Outcome::Again => wrote = true,
                    other => return other,
                }
                // A frame that went out in part is completed before any other channel has its turn.
                if self.wire.partial().is_some() {
                    break;
                }
                self.current = if self.current as usize + 1 < count { self.current + 1 } else { 0 };
            }
            if !wrote {
                return Outcome::Idle;
            }
        }
        Outcome::Again
    }

    /// Writes one batch of one channel. `Again` means that something was handed out.
    fn deliver_channel(&mut self, index: usize) -> Outcome {
        let oldest = self.oldest_allowed();
        let vector = Vector::of(&self.channels, index);
        let (core, wire, is_ready) = (&self.core, &mut self.wire, self.ready_due);
        let each = self.channels.get_mut(index);
        let head = oldest.and_then(|_| core.log.head(each.view));
        let outcome = core.log.next(each.view, &mut each.cursor, |cursor, channel, next| match next {
            Next::Tail(tail, from) => {
                let mut batch = Batch::new(wire.framing, vector);
                batch.gather_tail(channel, cursor, tail, from);
                wire.hand_out(core, &batch, cursor)
            }
            Next::Page(served)
                if wire.partial().is_none() && is_before(&served, oldest) && is_ahead(head, cursor.position()) =>
            {
                Outcome::Lagging
            }
            Next::Page(served) => {
                let mut batch = Batch::new(wire.framing, vector);
                batch.gather_page(channel, &served);
                wire.hand_out(core, &batch, cursor)
            }
            Next::Begins(position) => {
                let mut batch = Batch::new(wire.framing, vector);
                batch.begin(channel, position, is_ready);
                wire.hand_out(core, &batch, cursor)
            }
            // Everything was handed out, yet a frame is not complete: its entry was retracted and nothing will complete it.
            Next::Live if wire.partial().is_some() => Outcome::Ended(End::Broken),
            Next::Live | Next::Waiting | Next::Refused(_) => Outcome::Idle,
        });
        if outcome == Outcome::Lagging { self.skip_ahead(index) } else { outcome }
    }

    /// The oldest id that a reader outside the tails may still get, in milliseconds, if `max_behind` is set.
    fn oldest_allowed(&self) -> Option<u64> {
        let limit = u64::try_from(self.core.options.max_behind?.as_millis()).unwrap_or(u64::MAX);
        Some(self.core.clock.wall_ms().saturating_sub(limit))
    }

    /// Moves a hopeless laggard to the present and says so.
    fn skip_ahead(&mut self, index: usize) -> Outcome {
        let core = Rc::clone(&self.core);
        let each = self.channels.get_mut(index);
        let after = each.cursor.position();
        let channel = core.log.name(each.view);
        core.log.jump(each.view, &mut each.cursor);
        let gap = Gap { channel, reason: GapReason::Lagging, after, next: None };
        let mut blocks = Vec::new();
        block::gap(&mut blocks, &gap, self.channels.position_text().as_deref());
        core.stats.gaps.of(GapReason::Lagging).add(1);
        self.wire.queue_blocks(&blocks);
        Outcome::Queued
    }
}

fn is_before(served: &Served, oldest: Option<u64>) -> bool {
    oldest.is_some_and(|oldest| served.entries().first().is_some_and(|entry| entry.id.ms < oldest))
}

/// Whether the head of this node lies ahead of a reader, so that skipping to it leads on. A node that hears nothing new may
/// be behind a reader who comes from another one, and would deliver again what the reader has seen.
fn is_ahead(head: Option<Position>, reader: Option<Position>) -> bool {
    match (head, reader) {
        (Some(Position::At(head)), Some(Position::At(id))) => head > id,
        (Some(Position::At(head)), Some(Position::Absent { at_ms, .. })) => head.ms >= at_ms,
        // Nothing has been promised to this reader yet.
        (Some(Position::At(_)), None) => true,
        (Some(Position::Absent { .. }) | None, _) => false,
    }
}

impl<S: Socket> Wire<S> {
    /// Writes a batch and moves the cursor as far as the socket took it.
    fn hand_out(&mut self, core: &Core, batch: &Batch<'_>, cursor: &mut Cursor) -> Outcome {
        let skip = match self.partial() {
            None => 0,
            Some((id, written))
                if batch.units.first().is_some_and(|unit| unit.entry == Some(id) && unit.len() > written) =>
            {
                written
            }
            // The rest of a frame is gone: the client must not take its beginning for the whole.
            Some(_) => return Outcome::Ended(End::Broken),
        };
        let prelude = self.take_prelude();
        let written = match self.write_together(core, &prelude, batch, skip) {
            Ok(Some(written)) => written,
            Ok(None) => {
                if !prelude.is_empty() {
                    self.set_prelude(prelude);
                }
                return Outcome::Blocked;
            }
            Err(end) => return Outcome::Ended(end),
        };
        if written < prelude.len() {
            self.queue_rest(prelude, written);
            return Outcome::Queued;
        }
        self.advance(core, batch, cursor, skip + written - prelude.len())
    }

    /// Writes the beginning of the stream, if it has not gone out yet, and a batch without its first `skip` bytes.
    fn write_together(
        &mut self,
        core: &Core,
        prelude: &[u8],
        batch: &Batch<'_>,
        skip: usize,
    ) -> Result<Option<usize>, End> {
        let mut slices = ArrayVec::new();
        if !prelude.is_empty() {
            slices.push(IoSlice::new(prelude));
        }
        batch.slices(skip, &mut slices);
        if slices.is_empty() { Ok(Some(0)) } else { self.write(core, &slices) }
    }

    /// Moves the cursor past every unit that went out whole and remembers how much of the next one did.
    fn advance(&mut self, core: &Core, batch: &Batch<'_>, cursor: &mut Cursor, written: usize) -> Outcome {
        self.set_partial(None);
        let now_ms = core.clock.wall_ms();
        let mut left = written;
        for unit in &batch.units {
            if left >= unit.len() {
                left -= unit.len();
                pass(core, unit, cursor, now_ms);
                continue;
            }
            if left == 0 {
                break;
            }
            if let Some(id) = unit.entry {
                self.set_partial(Some((id, left)));
                break;
            }
            // It cannot be made again from the log: its rest is kept, and it counts as handed out.
            self.queue_bytes(batch.rest(unit, left));
            pass(core, unit, cursor, now_ms);
            return Outcome::Queued;
        }
        Outcome::Again
    }
}

/// Moves the cursor past a unit and counts it.
fn pass(core: &Core, unit: &Unit<'_>, cursor: &mut Cursor, now_ms: u64) {
    match unit.step {
        Step::Tail(index, position) => cursor.advance_tail(index, position),
        Step::To(position) => cursor.advance_to(position),
    }
    if let Some(reason) = unit.gap {
        core.stats.gaps.of(reason).add(1);
    }
    if !unit.shared.is_empty() {
        core.stats.deliveries.add(1);
    }
    if unit.live
        && let Some(id) = unit.entry
    {
        core.stats.lag.record(now_ms.saturating_sub(id.ms));
    }
}
