//! The outlet of HTTP/2: one slice of a response's body, which somebody else hands on, frames and schedules.
//!
//! A slice that has been taken leaves when the peer lets it. Until then there is no room for another, so a stream whose
//! peer grants nothing holds one slice, whatever its events are.

use std::task::{Context, Poll};

use fanfare_log::pages::PagePin;
use fanfare_protocol::EntryId;

use super::batch::{Batch, Unit};
use super::outlet::{Offered, Outlet, Peer};
use crate::answer::Answer;
use crate::close::Close;
use crate::core::Core;
use crate::end::End;

/// What has begun to go out.
#[derive(Default)]
struct Begun {
    /// The first blocks of the stream. They leave with the first batch, if one is due.
    prelude: Vec<u8>,
    /// What goes into slices before anything else.
    queued: Vec<u8>,
    /// Handed out, and not taken yet.
    slice: Vec<u8>,
    /// An entry that is out in part; if it came from a page of the archive, that is kept for it.
    partial: Option<(EntryId, usize, Option<PagePin>)>,
    /// What the client is answered, until that is taken.
    head: Option<Head>,
}

/// What a client is answered first.
pub(crate) enum Head {
    /// The head of a stream.
    Stream(Answer),
    /// Another answer in its place.
    Refusal(Answer),
}

/// How a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In the middle: nothing more leaves.
    Cut,
    /// Once everything that was said has left, by a reset.
    Abort,
    /// In order.
    Clean,
}

/// One slice, and what stands before it.
pub(super) struct Http2 {
    /// Boxed, because almost every session is between slices almost always.
    begun: Option<Box<Begun>>,
    /// The sweep in which something was last put into a slice.
    active: u32,
    /// Bytes that a slice may have. 0: the slice before has not left.
    room: u16,
    ending: Ending,
    /// The session waits for room.
    waits: bool,
}

impl Http2 {
    pub(super) const fn new(tick: u32) -> Self {
        Self { begun: None, active: tick, room: 0, ending: Ending::Cut, waits: false }
    }

    /// From now on slices have this many bytes.
    pub(super) fn set_room(&mut self, bytes: usize) {
        self.room = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.waits = false;
    }

    /// Whether the session has more and waits for room.
    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    pub(super) const fn ending(&self) -> Ending {
        self.ending
    }

    pub(super) fn take_head(&mut self) -> Option<Head> {
        self.begun.as_deref_mut().and_then(|begun| begun.head.take())
    }

    /// What is to leave now; empty if nothing is.
    pub(super) fn take_slice(&mut self) -> Vec<u8> {
        let Some(begun) = &mut self.begun else { return Vec::new() };
        let slice = std::mem::take(&mut begun.slice);
        if begun.is_empty() {
            self.begun = None;
        }
        slice
    }

    pub(super) fn has_slice(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| !begun.slice.is_empty())
    }

    /// Bytes that the slice may still take.
    fn left(&self) -> usize {
        let taken = self.begun.as_ref().map_or(0, |begun| begun.slice.len());
        usize::from(self.room).saturating_sub(taken)
    }

    fn begun(&mut self) -> &mut Begun {
        self.begun.get_or_insert_default()
    }
}

impl Begun {
    fn is_empty(&self) -> bool {
        self.is_complete() && self.slice.is_empty() && self.head.is_none()
    }

    /// Whether everything that was begun is in slices.
    const fn is_complete(&self) -> bool {
        self.prelude.is_empty() && self.queued.is_empty() && self.partial.is_none()
    }

    /// Moves what is queued into the slice, as far as that takes it.
    fn fill(&mut self, left: usize) {
        let count = self.queued.len().min(left);
        if self.slice.is_empty() && count == self.queued.len() {
            self.slice = std::mem::take(&mut self.queued);
        } else {
            self.slice.extend(self.queued.drain(..count));
        }
    }
}

/// The bytes of a unit: what is the session's own, what all sessions share, what is its own again.
fn parts<'a>(batch: &'a Batch<'_>, unit: &Unit<'a>) -> [&'a [u8]; 3] {
    let ending = batch.ending(unit);
    let event = unit.frame.map_or(&b""[..], |frame| if ending.is_empty() { frame.plain() } else { frame.fields() });
    [batch.blocks(unit), event, ending]
}

/// Appends the bytes of these parts from `from` on, before `to`.
fn append(out: &mut Vec<u8>, parts: [&[u8]; 3], from: usize, to: usize) {
    let mut begin = 0;
    for part in parts {
        let within = |at: usize| at.saturating_sub(begin).min(part.len());
        out.extend_from_slice(&part[within(from)..within(to)]);
        begin += part.len();
    }
}

impl Outlet for Http2 {
    fn begin(&mut self, head: &Answer, blocks: &[u8]) {
        let begun = self.begun();
        begun.head = Some(Head::Stream(head.clone()));
        begun.prelude = blocks.to_vec();
    }

    fn refuse(&mut self, answer: &Answer) {
        self.begun().head = Some(Head::Refusal(answer.clone()));
    }

    fn offer(&mut self, core: &Core, batch: &Batch<'_>) -> Offered {
        let (room, mut left) = (usize::from(self.room), self.left());
        if left == 0 {
            core.stats.blocked.add(1);
            self.waits = true;
            return Offered::Full;
        }
        let begun = self.begun();
        if begun.prelude.len() > left {
            // It has slices of its own.
            self.release();
            return Offered::Queued(0);
        }
        // A page that was kept before is kept until it is known whether it is still needed.
        let mut before = begun.partial.take();
        let mut taken = 0;
        for unit in &batch.units {
            let parts = parts(batch, unit);
            let length = parts.iter().map(|part| part.len()).sum();
            let out = match &before {
                Some((id, out, _)) if taken == 0 && unit.entry == Some(*id) && *out < length => *out,
                Some(_) if taken == 0 => return Offered::Ended(End::Broken),
                _ => 0,
            };
            let prelude = std::mem::take(&mut begun.prelude);
            if !prelude.is_empty() {
                left = left.saturating_sub(prelude.len());
                begun.slice.extend_from_slice(&prelude);
            }
            if length - out <= left {
                append(&mut begun.slice, parts, out, length);
                left -= length - out;
                taken += 1;
                continue;
            }
            // What would fit into a slice of its own is not torn.
            if length - out <= room && !begun.slice.is_empty() {
                begun.partial = before.take().filter(|_| taken == 0);
                break;
            }
            append(&mut begun.slice, parts, out, out + left);
            match unit.entry {
                Some(id) => begun.partial = (out + left > 0).then(|| (id, out + left, batch.pin())),
                None => {
                    // It cannot be made again from the log: its rest is kept, and it counts as handed out.
                    append(&mut begun.queued, parts, out + left, length);
                    taken += 1;
                }
            }
            break;
        }
        let is_queued = !begun.queued.is_empty();
        let (is_empty, has_slice) = (begun.is_empty(), !begun.slice.is_empty());
        if is_empty {
            self.begun = None;
        }
        if has_slice {
            self.active = core.tick();
        }
        match taken {
            _ if is_queued => Offered::Queued(taken),
            // What comes next has to wait for a slice of its own.
            0 if has_slice && !self.is_within_entry() => {
                self.waits = true;
                Offered::Full
            }
            _ => Offered::Taken(taken),
        }
    }

    fn say(&mut self, blocks: &[u8]) {
        let begun = self.begun();
        let prelude = std::mem::take(&mut begun.prelude);
        begun.queued.extend_from_slice(&prelude);
        begun.queued.extend_from_slice(blocks);
    }

    fn end(&mut self, blocks: &[u8], close: Close) {
        self.say(blocks);
        if close == Close::Abort {
            self.ending = Ending::Abort;
        }
    }

    fn release(&mut self) -> bool {
        let waited = self.begun.as_ref().is_some_and(|begun| !begun.prelude.is_empty());
        if waited {
            self.say(b"");
        }
        waited
    }

    fn poll_flush(&mut self, core: &Core, _: &mut Context<'_>) -> Poll<Result<(), End>> {
        let left = self.left();
        let Some(begun) = self.begun.as_deref_mut().filter(|begun| !begun.queued.is_empty()) else {
            return Poll::Ready(Ok(()));
        };
        begun.fill(left);
        let is_done = begun.queued.is_empty();
        if left > 0 {
            self.active = core.tick();
        }
        self.waits |= !is_done;
        if is_done { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<Result<(), End>> {
        self.waits |= self.left() == 0;
        if self.waits { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn is_within_entry(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.partial.is_some())
    }

    fn is_idle(&self) -> bool {
        self.begun.as_ref().is_none_or(|begun| begun.is_complete())
    }

    fn is_full(&self) -> bool {
        self.room == 0
    }

    fn active_at(&self) -> u32 {
        self.active
    }

    /// A client that leaves resets its stream, and the session is dropped. The end of what it sends means nothing: whoever asks by `GET`
    /// has ended with its request.
    fn peer(&mut self, _: &mut Context<'_>) -> Peer {
        Peer::Here
    }

    /// Whether its peer has vanished is asked of the connection, once for all streams.
    fn check_peer(&mut self, core: &Core) -> Option<End> {
        // One more, since the first of them may have been almost over.
        let for_so_long = |limit| core.tick().wrapping_sub(self.active) > core.ticks_in(limit);
        let is_stalled = self.room == 0 && core.options.stalled.is_some_and(for_so_long);
        if is_stalled {
            self.cut();
        }
        is_stalled.then_some(End::Stalled)
    }

    fn cut(&mut self) {
        self.ending = Ending::Cut;
        self.begun = None;
    }

    fn finish(&mut self) {
        if self.ending != Ending::Abort {
            self.ending = Ending::Clean;
        }
    }
}
