//! One thread's copy of a log, and what it has for a cursor.

use std::sync::Arc;

use fanfare_protocol::{GapReason, LogName, Position};

use crate::absence;
use crate::archive::Newest;
use crate::channel::{Channel, Hub};
use crate::coverage::Coverage;
use crate::cursor::{Cursor, Start};
use crate::cursor_set::CursorSet;
use crate::occupancy::Tally;
use crate::pages::Served;
use crate::proof;
use crate::refusal::Refusal;
use crate::tail::{Item, Located, Seam, Tail};
use crate::wants::Want;

/// What a cursor can hand out now.
#[derive(Debug)]
pub enum Next<'a> {
    /// Items of the tail from this index on; at least one is there.
    Tail(&'a Tail, u64),
    /// Entries of a page, after its seam if it has one. A page without entries has a seam. A seam for a reader without a place says
    /// that what it was to begin with cannot be read: nothing was delivered before.
    Page(Served),
    /// The first promise to a reader who was to begin with an entry that is gone or not here yet: it begins at this position
    /// and has to be told so.
    Begins(Position),
    /// Nothing yet, and everything has been handed out; the reader is armed.
    Live,
    /// The log is not open yet, or the archive is being read; the reader is armed.
    Waiting,
    /// The channel cannot be followed at present; the reader is armed for when it can.
    Refused(Refusal),
}

/// A copy of a channel's tail (the frames are shared), and the channel's readers on this thread.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) channel: Arc<Channel>,
    pub(crate) copy: Option<Tail>,
    pub(crate) refusal: Option<Refusal>,
    /// As the channel has it.
    pub(crate) coverage: Option<Box<Coverage>>,
    pub(crate) readers: CursorSet,
    /// Where the readers are counted, if they are.
    pub(crate) tally: Option<Arc<Tally>>,
}

/// Where a cursor stands.
enum Standing<'a> {
    /// Right before the item of the tail with this index.
    Before(&'a Tail, u64),
    /// At the end of the tail.
    End,
    /// A reader without a place has one now.
    Begins(Position),
    /// Not where the tail reaches.
    Elsewhere,
}

impl View {
    pub(crate) fn new(channel: Arc<Channel>, tally: Option<Arc<Tally>>) -> Self {
        let readers = CursorSet::default();
        let mut view = Self { channel, copy: None, refusal: None, coverage: None, readers, tally };
        view.sync(|_| {});
        view
    }

    /// Takes over what has changed. Returns whether that concerns readers who have everything so far: a log that opened or
    /// grew, a refusal, what a log of the gateway's own holds of its stream.
    pub(crate) fn sync(&mut self, fresh: impl FnMut(&Item)) -> bool {
        let shared = self.channel.lock();
        let refused = self.refusal != shared.refusal;
        if refused {
            self.refusal.clone_from(&shared.refusal);
        }
        let is_other_coverage = self.coverage != shared.coverage;
        if is_other_coverage {
            self.coverage.clone_from(&shared.coverage);
        }
        let grown = match (&mut self.copy, &shared.tail) {
            (Some(copy), Some(tail)) => {
                let end = copy.end();
                copy.catch_up(tail, fresh);
                end != copy.end()
            }
            (copy @ None, Some(tail)) => {
                *copy = Some(tail.clone());
                true
            }
            (_, None) => false,
        };
        grown || refused || is_other_coverage
    }

    /// What the cursor can hand out now, given to `act`. This is the one read operation.
    pub(crate) fn next<R>(
        &mut self,
        cursor: &mut Cursor,
        hub: &Hub,
        act: impl FnOnce(&mut Cursor, &LogName, Next<'_>) -> R,
    ) -> R {
        if let Some(reason) = &self.refusal
            && self.copy.is_none()
        {
            self.readers.arm(cursor.slot);
            return act(cursor, &self.channel.name, Next::Refused(reason.clone()));
        }
        if !self.resolve_start(cursor, hub) {
            return act(cursor, &self.channel.name, Next::Waiting);
        }
        loop {
            match self.locate(cursor) {
                Standing::Before(tail, index) => return act(cursor, &self.channel.name, Next::Tail(tail, index)),
                Standing::End => {
                    self.readers.arm(cursor.slot);
                    return act(cursor, &self.channel.name, Next::Live);
                }
                Standing::Begins(position) => return act(cursor, &self.channel.name, Next::Begins(position)),
                Standing::Elsewhere => {}
            }
            let Some(mut served) = self.read_archive(cursor, hub) else {
                return act(cursor, &self.channel.name, Next::Waiting);
            };
            if cursor.position().is_none() {
                // Before the first promise there is nothing to miss: with no entries left the reader begins where the stream ends.
                // Exception: what it asked for is there and cannot be read.
                if served.seam.as_ref().is_some_and(|seam| seam.reason == GapReason::Unavailable) {
                    return act(cursor, &self.channel.name, Next::Page(served));
                }
                let end = served.seam.take().map(|seam| seam.resume).or(served.skip());
                let next = match end.filter(|_| served.entries().is_empty()) {
                    Some(position) => Next::Begins(position),
                    None => Next::Page(served),
                };
                return act(cursor, &self.channel.name, next);
            }
            // Each time to a higher id.
            match served.skip() {
                Some(position) => cursor.advance_to(position),
                None => return act(cursor, &self.channel.name, Next::Page(served)),
            }
        }
    }

    /// Whether a reader does not stand in the tail: what it needs is in the archive.
    pub(crate) fn is_behind(&self, cursor: &Cursor) -> bool {
        self.copy.as_ref().is_some_and(|tail| cursor.index < tail.first())
    }

    /// Gives a cursor its exact position where it has none yet. Returns whether it has one; the reader is armed if it is not.
    pub(crate) fn resolve_start(&mut self, cursor: &mut Cursor, hub: &Hub) -> bool {
        let Some(tail) = &self.copy else {
            self.readers.arm(cursor.slot);
            return false;
        };
        if cursor.ephemeral_from == 0 {
            cursor.ephemeral_from = tail.end();
        }
        let Start::Newest(count) = cursor.at else { return true };
        if let Some((index, position)) = tail.newest_from(count as usize) {
            cursor.index = index;
            cursor.at = Start::At(position);
            return true;
        }
        let mut shared = self.channel.lock();
        if let Some(newest) = shared.newest.get(count as usize) {
            cursor.at = match newest {
                Newest::Nothing(position) | Newest::After(position) => Start::At(position),
                Newest::From(id) => Start::Before(id),
            };
            return true;
        }
        shared.wants.insert(cursor.payer, Want::Newest(count as usize));
        drop(shared);
        self.readers.arm_for_archive(cursor.slot);
        hub.notify_ingest(&self.channel);
        false
    }

    /// Compares the cursor with the tail.
    fn locate(&self, cursor: &mut Cursor) -> Standing<'_> {
        let Some(tail) = &self.copy else { return Standing::Elsewhere };
        if cursor.index < tail.first() {
            let located = match cursor.at {
                Start::At(position) => tail.locate(position),
                Start::Before(id) => match tail.locate_before(id) {
                    Located::Unknown => {
                        // Nothing would follow in the archive, either: the entry is gone, or has not come here yet.
                        let before = Position::At(proof::predecessor(id));
                        if tail.locate(before) != Located::Unknown {
                            return Standing::Begins(before);
                        }
                        Located::Unknown
                    }
                    located => located,
                },
                Start::Newest(_) => Located::Unknown,
            };
            cursor.index = match located {
                Located::Next(index) => index,
                Located::Unknown => 0,
            };
        }
        match cursor.index {
            0 => Standing::Elsewhere,
            index if index >= tail.end() => Standing::End,
            index => Standing::Before(tail, index),
        }
    }

    fn read_archive(&mut self, cursor: &Cursor, hub: &Hub) -> Option<Served> {
        let position = match cursor.at {
            Start::At(position) => position,
            Start::Before(id) => Position::At(proof::predecessor(id)),
            Start::Newest(_) => return None,
        };
        let mut shared = self.channel.lock();
        if let Some(mut served) = shared.pages.serve(position)
            && self.continue_at_head(&mut served)
        {
            drop(shared);
            if served.page.take() {
                // The next page may be read.
                hub.notify_ingest(&self.channel);
            }
            return Some(served);
        }
        shared.wants.insert(cursor.payer, Want::Page(position));
        drop(shared);
        self.readers.arm_for_archive(cursor.slot);
        hub.notify_ingest(&self.channel);
        None
    }

    /// A page that ends in "no stream" carries the time of that read. Replaces it with the head's newer time, which the registry
    /// keeps renewing. `false`: the head is not absent yet, or from before what the reader has seen; ask again.
    fn continue_at_head(&self, served: &mut Served) -> bool {
        let nothing = served.entries().is_empty();
        let (true, Some(Seam { after, resume: absence @ Position::Absent { epoch: theirs, .. }, .. })) =
            (nothing, &served.seam)
        else {
            return true;
        };
        match self.copy.as_ref().map(Tail::head) {
            Some(head @ Position::Absent { epoch: ours, .. })
                if ours == *theirs && absence::leads_on(head, *after, *absence) =>
            {
                if let Some(seam) = &mut served.seam {
                    seam.resume = head;
                }
                true
            }
            _ => false,
        }
    }
}
