//! The reader of a session: which channels it follows, whose turn it is, and what is due.
//!
//! It decides and moves cursors, and knows nothing of sockets, chunks or time of its own: what it has to say it gives to an
//! [`Outlet`], and cursors move as far as that took it.

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use fanfare_log::pages::Served;
use fanfare_log::{Cursor, Next};
use fanfare_protocol::{Gap, GapReason, Position, block};
use tokio::time::Instant;

use super::batch::{Batch, Step, Unit};
use super::channel_set::ChannelSet;
use super::channels::Channels;
use super::opening::{Beginning, Opening, Subscribe};
use super::outlet::{Offered, Outlet};
use super::telling::Telling;
use crate::answer::Answer;
use crate::close::Close;
use crate::core::Core;
use crate::due::Due;
use crate::end::{End, EndReason};
use crate::sessions::SessionSlot;

/// Batches that one session hands out before others get their turn.
const ROUNDS: usize = 8;

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    /// Nothing is due; every channel's reader is armed.
    Everything,
    /// Something, and more may be due.
    Some,
    /// The outlet is full.
    Full,
    /// Something is queued in the outlet and goes first.
    Queued,
    /// The session is over.
    Ended(End),
}

/// What a reader is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Its channels are not open yet.
    Opening,
    Streaming,
    /// Its last words are said.
    Closing(End),
}

/// What a reader needs when it is not streaming, which is only at its beginning and its end.
enum Phase {
    Opening(Opening),
    Closing(End),
}

/// The channels of a session and its place in each.
pub(super) struct Reader {
    channels: Channels,
    /// `None`: streaming.
    phase: Option<Box<Phase>>,
    pub(super) session: SessionSlot,
    /// The channel whose turn it is; while an entry is half out, the channel that it belongs to.
    current: u8,
    telling: Telling,
    close: Close,
    /// It asked how many read its channels.
    watches: bool,
}

impl Reader {
    /// Opens the channels.
    pub(super) fn new<P>(core: &Rc<Core>, session: SessionSlot, subscribe: Subscribe<P>) -> (Self, P) {
        let (close, watches) = (subscribe.subscription.close, subscribe.subscription.occupancy);
        let (opening, channels, permit) = Opening::begin(core, session, subscribe);
        let phase = Some(Box::new(Phase::Opening(opening)));
        (Self { channels, phase, session, current: 0, telling: Telling::Id, close, watches }, permit)
    }

    pub(super) fn doing(&self) -> Doing {
        match self.phase.as_deref() {
            None => Doing::Streaming,
            Some(Phase::Opening(_)) => Doing::Opening,
            Some(Phase::Closing(end)) => Doing::Closing(*end),
        }
    }

    /// How the stream ends if it is ended.
    pub(super) const fn close_style(&self) -> Close {
        self.close
    }

    /// Number of channels.
    pub(super) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Leaves the channels.
    pub(super) fn close(&self, core: &Core) {
        if self.watches {
            core.watchers.remove(self.session);
        }
        self.channels.close(&core.log);
    }

    /// Waits for the channels. When all are open and every cursor has its place, the stream begins; the error is the answer
    /// in its place.
    pub(super) fn poll_open(
        &mut self,
        core: &Core,
        ended: Option<EndReason>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Beginning, Answer>> {
        let Some(Phase::Opening(opening)) = self.phase.as_deref_mut() else { return Poll::Pending };
        let refusal = ready!(opening.poll(core, ended, &mut self.channels, cx)).err();
        let Some(Phase::Opening(opening)) = self.phase.take().map(|phase| *phase) else { return Poll::Pending };
        if let Some(refusal) = refusal {
            self.phase = Some(Box::new(Phase::Closing(End::Refused)));
            return Poll::Ready(Err(opening.refuse(refusal)));
        }
        let beginning = opening.beginning(core, &self.channels);
        self.telling = beginning.telling;
        Poll::Ready(Ok(beginning))
    }

    /// Hands out what is due until nothing is, the outlet is full, or it is others' turn. If the session is to end, what has been
    /// begun is completed and nothing else.
    pub(super) fn deliver(&mut self, core: &Core, outlet: &mut impl Outlet, is_to_end: bool) -> Delivered {
        let delivered = self.deliver_due(core, outlet, core.sessions.due(self.session), is_to_end);
        // While an entry is half out, only its own channel was asked.
        if delivered == Delivered::Everything && !outlet.is_within_entry() {
            core.sessions.settle(self.session);
            if self.telling == Telling::ReadyDue && self.say_ready(core, outlet) {
                return Delivered::Queued;
            }
        }
        delivered
    }

    /// Says `$ready` once the client has a place for each channel. Returns whether it has.
    fn say_ready(&mut self, core: &Core, outlet: &mut impl Outlet) -> bool {
        let Some(position) = self.channels.position_text() else { return false };
        let names: Vec<_> = self.channels.iter().map(|each| core.log.name(each.view).name().clone()).collect();
        let mut blocks = Vec::with_capacity(128);
        block::ready(&mut blocks, &position, &names);
        outlet.say(&blocks);
        self.telling = Telling::Place;
        true
    }

    /// Says how many read the channels, if the client asked and that is news to it. Only between units. It comes after `$ready`, and
    /// neither carries a place nor moves one. Returns whether something is said.
    pub(super) fn say_occupancy(&mut self, core: &Core, outlet: &mut impl Outlet) -> bool {
        if !self.watches || self.telling == Telling::ReadyDue || !outlet.is_idle() {
            return false;
        }
        let blocks = core.watchers.news(self.session, Instant::now());
        if !blocks.is_empty() {
            outlet.say(&blocks);
        }
        !blocks.is_empty()
    }

    /// Asks the channels in turn: those that may have something, and each that had something once more.
    fn deliver_due(&mut self, core: &Core, outlet: &mut impl Outlet, due: Due, is_to_end: bool) -> Delivered {
        let most = if is_to_end { 1 } else { usize::MAX };
        let count = self.channels.len();
        let mut open = ChannelSet::of(due, count);
        if outlet.is_within_entry() {
            open.insert(self.current as usize);
        }
        for _ in 0..ROUNDS * open.len() {
            let Some(index) = open.next(self.current as usize) else { break };
            self.current = u8::try_from(index).unwrap_or(0);
            match self.deliver_channel(core, outlet, index, most) {
                Delivered::Everything => open.remove(index),
                Delivered::Some if is_to_end && outlet.is_idle() => return Delivered::Queued,
                Delivered::Some => {}
                other => return other,
            }
            // An entry that went out in part is completed before any other channel has its turn.
            if !outlet.is_within_entry() {
                self.current = if self.current as usize + 1 < count { self.current + 1 } else { 0 };
            } else if open.next(index) != Some(index) {
                return Delivered::Everything;
            }
        }
        if open.len() == 0 { Delivered::Everything } else { Delivered::Some }
    }

    /// Hands out one batch of one channel, of `most` units at most.
    fn deliver_channel(&mut self, core: &Core, outlet: &mut impl Outlet, index: usize, most: usize) -> Delivered {
        let oldest = oldest_allowed(core);
        let telling = &mut self.telling;
        let (each, others) = self.channels.split_mut(index);
        let head = oldest.and_then(|_| core.log.head(each.view));
        let delivered = core.log.next(each.view, &mut each.cursor, |cursor, log, next| match next {
            Next::Tail(tail, from) => {
                let mut batch = Batch::beside(others);
                batch.gather_tail(log.name(), cursor, tail, from);
                batch.units.truncate(most);
                Some(hand_out(core, outlet, &batch, cursor, telling))
            }
            Next::Page(served)
                if !outlet.is_within_entry() && is_before(&served, oldest) && is_ahead(head, cursor.position()) =>
            {
                None
            }
            Next::Page(served) => {
                let mut batch = Batch::beside(others);
                batch.gather_page(log.name(), cursor, &served);
                batch.units.truncate(most);
                Some(hand_out(core, outlet, &batch, cursor, telling))
            }
            Next::Begins(position) => {
                let mut batch = Batch::beside(others);
                batch.begin(log.name(), position, *telling == Telling::ReadyDue);
                Some(hand_out(core, outlet, &batch, cursor, telling))
            }
            // Everything was handed out, yet an entry is not complete: it was retracted and nothing will complete it.
            Next::Live if outlet.is_within_entry() => Some(Delivered::Ended(End::Broken)),
            Next::Live | Next::Waiting | Next::Refused(_) => Some(Delivered::Everything),
        });
        delivered.unwrap_or_else(|| {
            outlet.say(&self.skip_ahead(core, index));
            Delivered::Queued
        })
    }

    /// Moves a hopeless laggard to the present. Returns what says so.
    fn skip_ahead(&mut self, core: &Core, index: usize) -> Vec<u8> {
        let each = self.channels.get_mut(index);
        let after = each.cursor.position();
        let channel = core.log.name(each.view).name().clone();
        core.log.jump(each.view, &mut each.cursor);
        let gap = Gap { channel, reason: GapReason::Lagging, after, next: None };
        let mut blocks = Vec::new();
        block::gap(&mut blocks, &gap, self.channels.position_text().as_deref());
        core.stats.gaps.of(GapReason::Lagging).add(1);
        blocks
    }

    /// Renews positions that age. Returns whether there were any.
    pub(super) fn renew(&mut self, core: &Core) -> bool {
        self.channels.refresh(&core.log)
    }

    /// Whether it streams and has not got everything that its channels hold.
    pub(super) fn is_behind(&self, core: &Core) -> bool {
        self.phase.is_none() && self.channels.are_behind(&core.log)
    }

    /// A heartbeat, with the client's place if that has been renewed or says more than its last event did.
    pub(super) fn sign_of_life(&self, core: &Core, renewed: bool) -> Vec<u8> {
        let mut blocks = Vec::new();
        match self.channels.position_text().filter(|_| renewed || self.channels.len() > 1) {
            Some(position) if renewed && self.telling == Telling::Place => block::place(&mut blocks, &position),
            Some(position) => block::id(&mut blocks, &position),
            None => block::comment(&mut blocks),
        }
        core.stats.heartbeats.add(1);
        blocks
    }

    /// The client has left: there is nothing more to say.
    pub(super) fn leave(&mut self) {
        self.phase = Some(Box::new(Phase::Closing(End::Client)));
    }

    /// The last words.
    pub(super) fn say_farewell(&mut self, core: &Core, reason: EndReason) -> Vec<u8> {
        self.phase = Some(Box::new(Phase::Closing(reason.end())));
        reason.farewell(core.retry_ms(), self.channels.position_text().as_deref())
    }
}

/// The oldest id that a reader outside the tails may still get, in milliseconds, if `max_behind` is set.
fn oldest_allowed(core: &Core) -> Option<u64> {
    let limit = u64::try_from(core.options.max_behind?.as_millis()).unwrap_or(u64::MAX);
    Some(core.clock.wall_ms().saturating_sub(limit))
}

fn is_before(served: &Served, oldest: Option<u64>) -> bool {
    oldest.is_some_and(|oldest| served.entries().first().is_some_and(|entry| entry.id.ms < oldest))
}

/// Whether the head of this node lies ahead of a reader, so that skipping to it leads on. A node that hears nothing new may
/// be behind a reader that comes from another one, and would deliver again what the reader has seen.
fn is_ahead(head: Option<Position>, reader: Option<Position>) -> bool {
    match (head, reader) {
        (Some(Position::At(head)), Some(Position::At(id))) => head > id,
        (Some(Position::At(head)), Some(Position::Absent { at_ms, .. })) => head.ms >= at_ms,
        // Nothing has been promised to this reader yet.
        (Some(Position::At(_)), None) => true,
        (Some(Position::Absent { .. }) | None, _) => false,
    }
}

/// Offers a batch and moves the cursor past what was taken of it.
fn hand_out(
    core: &Core,
    outlet: &mut impl Outlet,
    batch: &Batch<'_>,
    cursor: &mut Cursor,
    telling: &mut Telling,
) -> Delivered {
    let (count, delivered) = match outlet.offer(core, batch) {
        Offered::Taken(count) => (count, Delivered::Some),
        Offered::Queued(count) => (count, Delivered::Queued),
        Offered::Full => return Delivered::Full,
        Offered::Ended(end) => return Delivered::Ended(end),
    };
    if count > 0 {
        let now_ms = core.clock.wall_ms();
        for unit in batch.units.iter().take(count) {
            pass(core, unit, cursor, now_ms);
            *telling = telling.after(unit);
        }
    }
    delivered
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
    if let Some(frame) = unit.frame {
        core.stats.deliveries.add(1);
        if frame.is_gap() {
            core.stats.gaps.of(GapReason::TooLarge).add(1);
        }
    }
    if unit.live
        && let Some(id) = unit.entry
    {
        core.stats.lag.record(now_ms.saturating_sub(id.ms));
    }
}
