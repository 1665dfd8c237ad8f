//! What goes wrong with a store and its network, on request: for tests of what the gateway makes of it. Only with the feature
//! `testing`; the product has `faultless.rs` in its place.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use fanfare_protocol::{EntryId, LogName, Position};

use crate::archive::{ArchiveError, ReadRequest, Snapshot};
use crate::feed::{FeedEvent, FeedSink};
use crate::proof::id_of;

/// What becomes of a message on its way to one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Arrives.
    Arrive,
    /// Is lost.
    Lose,
    /// Arrives twice.
    Double,
    /// Arrives after the next message that arrives on the same link (or after [`super::Link::release`]).
    Delay,
    /// Arrives after [`super::Link::release`].
    Hold,
}

type Decide = Box<dyn FnMut(&LogName) -> Fate + Send>;

#[derive(Default)]
pub(super) struct Faults {
    pub(super) offline: bool,
    pub(super) evicts: bool,
    pub(super) failing_reads: usize,
    /// No probe of a link comes back.
    pub(super) unproven: bool,
    /// Nothing but tips arrives.
    pub(super) slow: bool,
    /// Entries that do not arrive, however few are asked for.
    pub(super) unreadable: HashSet<(LogName, EntryId)>,
    /// Times that everything went: each store after that has another epoch.
    pub(super) flushes: u32,
    pub(super) next: VecDeque<Fate>,
    /// The fate of the present message on every link, if it was chosen.
    chosen: Option<Fate>,
    pub(super) decide: Option<Decide>,
}

impl Faults {
    pub(super) fn is_offline(&self) -> bool {
        self.offline
    }

    pub(super) fn evicts(&self) -> bool {
        self.evicts
    }

    pub(super) fn is_unproven(&self) -> bool {
        self.unproven
    }

    pub(super) fn on_read(&mut self) -> Result<(), ArchiveError> {
        if self.offline {
            return Err(ArchiveError::Unavailable("the store is offline".into()));
        }
        if self.failing_reads > 0 {
            self.failing_reads -= 1;
            return Err(ArchiveError::Timeout);
        }
        Ok(())
    }

    /// What arrives of a page: what stands before an entry that does not arrive. With nothing before it the page fails.
    pub(super) fn on_page(&self, request: &ReadRequest, mut snapshot: Snapshot) -> Result<Snapshot, ArchiveError> {
        let lost = || ArchiveError::SingleEntry("it is lost on its way".into());
        if self.slow {
            return Err(lost());
        }
        let is_new = |id| Position::At(id) != request.after;
        let is_lost = |id| is_new(id) && self.unreadable.contains(&(request.log.clone(), id));
        if let Some(index) = snapshot.entries.iter().position(|entry| is_lost(id_of(entry))) {
            snapshot.entries.truncate(index);
            snapshot.complete = false;
            if !snapshot.entries.iter().any(|entry| is_new(id_of(entry))) {
                return Err(lost());
            }
        }
        Ok(snapshot)
    }

    /// A message sets out on every link.
    pub(super) fn begin_message(&mut self) {
        self.chosen = self.next.pop_front();
    }

    /// The fate of the present message on one link.
    fn fate(&mut self, channel: &LogName) -> Fate {
        self.chosen.unwrap_or_else(|| self.decide.as_mut().map_or(Fate::Arrive, |decide| decide(channel)))
    }
}

/// The way of messages to one node.
#[derive(Debug, Default)]
pub(super) struct Lane {
    delayed: Vec<FeedEvent>,
    held: Vec<FeedEvent>,
}

impl Lane {
    pub(super) fn carry(&mut self, channel: &LogName, event: &FeedEvent, faults: &mut Faults, to: &FeedSink) {
        let times = match faults.fate(channel) {
            Fate::Lose => return,
            Fate::Delay => return self.delayed.push(event.clone()),
            Fate::Hold => return self.held.push(event.clone()),
            Fate::Arrive => 1,
            Fate::Double => 2,
        };
        (0..times).for_each(|_| to.send(event.clone()));
        to.send_all(self.delayed.drain(..));
    }

    pub(super) fn release(&mut self, to: &FeedSink) {
        to.send_all(self.delayed.drain(..).chain(self.held.drain(..)));
    }

    pub(super) fn clear(&mut self) {
        self.delayed.clear();
        self.held.clear();
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("offline", &self.offline).field("evicts", &self.evicts).finish_non_exhaustive()
    }
}
