//! What really happened, and the judge of what readers saw.
//!
//! Every durable event knows the one before it in the stream as it was when it was published. After a failover that lost a
//! tail, history branches; after a flush it begins anew. A reader may go from one event to another without a gap only if the
//! first is the second's predecessor, events that were retracted in between (`XDEL`, `DEL`) left out. Nor may a reader who saw
//! an event pass a deletion of the stream in silence; one who knows only that there was no stream may.

use std::collections::HashMap;

use fanfare_protocol::{EntryId, Position};

use crate::absence::LIFE_MIN_MS;

/// An event, or a break in history.
#[derive(Debug, Clone, Copy)]
struct Past {
    before: Option<usize>,
    at_ms: u64,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Event,
    Retracted,
    Deletion,
    Flush,
}

/// The newest event of a channel, `None` before the first.
pub(super) type Tip = Option<usize>;

#[derive(Debug, Clone, Copy)]
struct Change {
    at_ms: u64,
    tip: Tip,
    exists: bool,
}

/// One channel's true history.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pasts: Vec<Past>,
    by_id: HashMap<EntryId, usize>,
    tip: Tip,
    changes: Vec<Change>,
}

impl Truth {
    pub(super) fn tip(&self) -> Tip {
        self.tip
    }

    pub(super) fn published(&mut self, id: EntryId, now_ms: u64) {
        let event = self.add(What::Event, now_ms);
        assert!(self.by_id.insert(id, event).is_none(), "the store gave {id} twice: the simulation is wrong");
    }

    /// All of this is gone, and a reader must be told.
    pub(super) fn flushed(&mut self, now_ms: u64) {
        self.add(What::Flush, now_ms);
    }

    /// The stream was deleted. Whoever saw an event before must be told, unless the event is so old that nobody can tell the
    /// deletion from an expiry.
    pub(super) fn deleted(&mut self, now_ms: u64) {
        let mut here = self.tip;
        while let Some(event) = here {
            if self.pasts[event].what == What::Event {
                self.pasts[event].what = What::Retracted;
            }
            here = self.pasts[event].before;
        }
        self.add(What::Deletion, now_ms);
    }

    fn add(&mut self, what: What, at_ms: u64) -> usize {
        self.pasts.push(Past { before: self.tip, at_ms, what });
        self.tip = Some(self.pasts.len() - 1);
        self.changes.push(Change { at_ms, tip: self.tip, exists: what == What::Event });
        self.pasts.len() - 1
    }

    pub(super) fn retracted(&mut self, id: EntryId) {
        self.pasts[self.by_id[&id]].what = What::Retracted;
    }

    pub(super) fn rolled_back(&mut self, tip: Tip, now_ms: u64, exists: bool) {
        self.tip = tip;
        self.changes.push(Change { at_ms: now_ms, tip, exists });
    }

    /// Whoever holds `position` may be given these entries and, if that is said, nothing more.
    pub(super) fn assert_run(&self, position: Position, ids: &[EntryId], is_all: bool) {
        let mut known = self.at(position);
        for id in ids {
            let next = self.at(Position::At(*id));
            assert!(
                known.tip != next.tip && self.follows(known, next.tip),
                "{id} does not follow: {position}, {ids:?}"
            );
            known = next;
        }
        assert!(!is_all || self.has_all_before(known, self.tip), "this is not all: {position}, {ids:?}");
    }

    fn at(&self, position: Position) -> Known {
        Known {
            tip: self.resolve(position),
            absent_ms: match position {
                Position::Absent { at_ms, .. } => Some(at_ms),
                Position::At(_) => None,
            },
        }
    }

    /// Where in history a position stands.
    fn resolve(&self, position: Position) -> Tip {
        match position {
            Position::At(id) => Some(*self.by_id.get(&id).unwrap_or_else(|| panic!("{id} is not an exact position"))),
            Position::Absent { at_ms, .. } => self
                .changes
                .iter()
                .rev()
                .find(|change| change.at_ms < at_ms || (change.at_ms == at_ms && !change.exists))
                .and_then(|change| change.tip),
        }
    }

    /// Whether nothing that has to be told of lies between. Who knows that there was no stream at some time misses what was
    /// published since, whatever branch of history that time was in.
    fn follows(&self, from: Known, to: Tip) -> bool {
        to == from.tip || to.is_none_or(|to| self.has_all_before(from, self.pasts[to].before))
    }

    /// Whether an event is so old that a stream which ended with it may have expired.
    fn is_old(&self, tip: Tip, now_ms: u64) -> bool {
        tip.is_some_and(|tip| now_ms >= self.pasts[tip].at_ms + LIFE_MIN_MS)
    }

    /// Whether nothing up to and including `to` is news.
    fn has_all_before(&self, from: Known, to: Tip) -> bool {
        let mut here = to;
        while here != from.tip {
            let Some(event) = here else { return from.absent_ms.is_some() };
            let past = self.pasts[event];
            if from.absent_ms.is_some_and(|absent| past.at_ms < absent) {
                return true;
            }
            match past.what {
                What::Retracted => {}
                What::Deletion if from.absent_ms.is_some() || self.is_old(from.tip, past.at_ms) => {}
                What::Deletion | What::Event | What::Flush => return false,
            }
            here = past.before;
        }
        true
    }
}

/// What a client knows to have seen.
#[derive(Debug, Clone, Copy)]
struct Known {
    tip: Tip,
    /// It knows this from the stream's absence at this time.
    absent_ms: Option<u64>,
}

/// One thing that a client saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saw {
    /// A position without an event: the priming one, or one in a heartbeat.
    Position(Position),
    Entry(EntryId),
    /// With the position that it carries if no entry follows it.
    Gap(Option<Position>),
}

/// What one client saw of one channel, over all its connections.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) saw: Vec<Saw>,
    /// For each of these that was checked, what the client knew then.
    known: Vec<Option<Known>>,
}

impl Client {
    /// What the client says when it resumes.
    pub(super) fn last_event_id(&self) -> Option<Position> {
        self.saw.iter().rev().find_map(|saw| match saw {
            Saw::Position(position) | Saw::Gap(Some(position)) => Some(*position),
            Saw::Entry(id) => Some(Position::At(*id)),
            Saw::Gap(None) => None,
        })
    }

    /// The last things on their way to the client are lost with its connection. A gap and its entry go together.
    pub(super) fn lose(&mut self, count: usize) {
        for _ in 0..count {
            if self.saw.len() > 1 {
                self.saw.pop();
            }
            if self.saw.last() == Some(&Saw::Gap(None)) {
                self.saw.pop();
            }
        }
        self.known.truncate(self.saw.len());
    }

    pub(super) fn gaps(&self) -> usize {
        self.saw.iter().filter(|saw| matches!(saw, Saw::Gap(_))).count()
    }

    /// The guarantee, for what is new since the last call.
    pub(super) fn check(&mut self, truth: &Truth) {
        for index in self.known.len()..self.saw.len() {
            let saw = self.saw[index];
            let (before, now) = match saw {
                Saw::Position(position) => (self.known.last().copied().flatten(), Some(truth.at(position))),
                Saw::Entry(id) => (self.known.last().copied().flatten(), Some(truth.at(Position::At(id)))),
                Saw::Gap(position) => (None, position.map(|position| truth.at(position))),
            };
            if let (Some(from), Some(to)) = (before, now) {
                let is_new = !matches!(saw, Saw::Entry(_)) || from.tip != to.tip;
                assert!(
                    is_new && truth.follows(from, to.tip),
                    "number {index}, {saw:?}, does not follow: {:?}",
                    &self.saw[index.saturating_sub(4)..=index]
                );
            }
            self.known.push(now);
        }
    }

    /// Whether the client has seen everything there is to see.
    pub(super) fn has_all(&self, truth: &Truth) -> bool {
        self.known.last().copied().flatten().is_some_and(|known| truth.has_all_before(known, truth.tip()))
    }
}
