//! Where a cursor stands on one thread's copy of a log, and what that copy has for it.

use std::sync::Arc;

use fanfare_protocol::Position;

use super::Next;
use crate::absence;
use crate::archive::Newest;
use crate::channel::{Channel, Hub, Want};
use crate::cursor::{Cursor, CursorSet, Start};
use crate::pages::Served;
use crate::proof;
use crate::tail::{Item, Located, Seam, Tail};

#[derive(Debug)]
pub(super) struct View {
    pub(super) channel: Arc<Channel>,
    pub(super) copy: Option<Tail>,
    pub(super) refusal: Option<Arc<str>>,
    pub(super) readers: CursorSet,
}

/// What a view has for a cursor, before it is lent out.
pub(super) enum Ready {
    Tail(u64),
    Page(Served),
    Begins(Position),
    Live,
    Waiting,
    Refused(Arc<str>),
}

enum Standing {
    Index(u64),
    End,
    /// A reader without a place has one now.
    Begins(Position),
    Elsewhere,
}

impl View {
    pub(super) fn new(channel: Arc<Channel>) -> Self {
        let mut view = Self { channel, copy: None, refusal: None, readers: CursorSet::default() };
        view.sync(|_| {});
        view
    }

    /// Takes over what has changed. Returns whether that concerns readers who have everything so far: a log that opened or
    /// grew, a refusal.
    pub(super) fn sync(&mut self, fresh: impl FnMut(&Item)) -> bool {
        let shared = self.channel.lock();
        let refused = self.refusal != shared.refusal;
        if refused {
            self.refusal.clone_from(&shared.refusal);
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
        grown || refused
    }

    pub(super) fn prepare(&mut self, cursor: &mut Cursor, hub: &Hub) -> Ready {
        if let Some(reason) = &self.refusal
            && self.copy.is_none()
        {
            let reason = Arc::clone(reason);
            self.readers.arm(cursor.slot);
            return Ready::Refused(reason);
        }
        if !self.settle(cursor, hub) {
            return Ready::Waiting;
        }
        loop {
            match self.locate(cursor) {
                Standing::Index(index) => return Ready::Tail(index),
                Standing::End => {
                    self.readers.arm(cursor.slot);
                    return Ready::Live;
                }
                Standing::Begins(position) => return Ready::Begins(position),
                Standing::Elsewhere => {}
            }
            let Some(mut served) = self.read_archive(cursor, hub) else { return Ready::Waiting };
            if cursor.position().is_none() {
                // Before the first promise there is nothing to miss: with no entries left the reader begins where the stream ends.
                let end = served.seam.take().map(|seam| seam.resume).or(served.skip());
                return match end.filter(|_| served.entries().is_empty()) {
                    Some(position) => Ready::Begins(position),
                    None => Ready::Page(served),
                };
            }
            // Each time to a higher id.
            match served.skip() {
                Some(position) => cursor.advance_to(position),
                None => return Ready::Page(served),
            }
        }
    }

    pub(super) fn offer(&self, ready: Ready) -> Next<'_> {
        match (ready, &self.copy) {
            (Ready::Tail(index), Some(tail)) => Next::Tail(tail, index),
            (Ready::Page(served), _) => Next::Page(served),
            (Ready::Begins(position), _) => Next::Begins(position),
            (Ready::Live, _) => Next::Live,
            (Ready::Refused(reason), _) => Next::Refused(reason),
            (Ready::Waiting, _) | (Ready::Tail(_), None) => Next::Waiting,
        }
    }

    pub(super) fn settle(&mut self, cursor: &mut Cursor, hub: &Hub) -> bool {
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
        if let Some(newest) = shared.newest.get(&(count as usize)) {
            cursor.at = match *newest {
                Newest::Nothing(position) | Newest::After(position) => Start::At(position),
                Newest::From(id) => Start::Before(id),
            };
            return true;
        }
        shared.wants.insert(Want::Newest(count as usize));
        drop(shared);
        self.readers.arm_for_archive(cursor.slot);
        hub.notify_ingest(&self.channel);
        false
    }

    /// Compares the cursor with the tail.
    fn locate(&self, cursor: &mut Cursor) -> Standing {
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
            index => Standing::Index(index),
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
        shared.wants.insert(Want::Page(position));
        drop(shared);
        self.readers.arm_for_archive(cursor.slot);
        hub.notify_ingest(&self.channel);
        None
    }

    /// After a gap that ends in the stream's absence the reader goes on from the head, where the stream's absence is watched;
    /// the absence that the page saw is another moment, which alone proves nothing later. Returns whether the page can be
    /// used: the head has to know of the absence first.
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
