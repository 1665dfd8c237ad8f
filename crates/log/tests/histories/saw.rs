//! What clients saw, and whether that is a contiguous run of what was published.

use std::collections::{HashMap, HashSet};

use fanfare_protocol::{EntryId, Position};

/// One thing that a client saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saw {
    /// A position without an event: the priming one, or one in a heartbeat.
    Position(Position),
    Entry(EntryId),
    /// With the position that it carries if no entry follows it.
    Gap(Option<Position>),
}

/// Each entry of a channel and the end of the stream when it was published; none for one that created the stream.
#[derive(Debug, Default)]
pub(crate) struct History {
    before: HashMap<EntryId, Option<EntryId>>,
    retracted: HashSet<EntryId>,
}

impl History {
    pub(crate) fn published(&mut self, id: EntryId, before: Option<EntryId>) {
        assert!(self.before.insert(id, before).is_none(), "the store gave {id} twice");
    }

    pub(crate) fn retracted(&mut self, id: EntryId) {
        self.retracted.insert(id);
    }

    /// The newest entry before this one that was not retracted, or what was there before the stream.
    fn before(&self, id: EntryId, known: Option<EntryId>) -> Option<EntryId> {
        let before = self.before[&id]?;
        let passes = self.retracted.contains(&before) && Some(before) != known;
        if passes { self.before(before, known) } else { Some(before) }
    }
}

/// What one client saw of its channel, over all its connections.
#[derive(Debug, Default)]
pub(crate) struct Client {
    saw: Vec<Saw>,
}

impl Client {
    /// Notes what the client saw.
    ///
    /// # Panics
    /// If it is an entry that does not follow what the client knows.
    pub(crate) fn note(&mut self, saw: Saw, history: &History) {
        if let (Saw::Entry(id), Some(known)) = (saw, self.known()) {
            let known = match known {
                Position::At(known) => Some(known),
                Position::Absent { .. } => None,
            };
            assert_eq!(history.before(id, known), known, "{id} does not follow: {:?}", self.saw);
        }
        self.saw.push(saw);
    }

    /// Where the client is. A gap without a position leaves that open until its entry comes.
    fn known(&self) -> Option<Position> {
        match *self.saw.last()? {
            Saw::Position(position) => Some(position),
            Saw::Entry(id) => Some(Position::At(id)),
            Saw::Gap(position) => position,
        }
    }

    /// What the client says when it resumes.
    pub(crate) fn last_event_id(&self) -> Option<Position> {
        // A gap without a position leaves together with its entry.
        self.known()
    }

    /// The entries that it saw, in that order.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = EntryId> {
        self.saw.iter().filter_map(|saw| if let Saw::Entry(id) = saw { Some(*id) } else { None })
    }

    pub(crate) fn gaps(&self) -> usize {
        self.saw.iter().filter(|saw| matches!(saw, Saw::Gap(_))).count()
    }
}
