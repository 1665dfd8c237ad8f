//! One incarnation of a stream: from its creation to its end.

use std::collections::VecDeque;

use crate::entry::Entry;
use crate::entry_id::EntryId;
use crate::incarnation_end::IncarnationEnd;
use crate::place::Place;
use crate::redis_clock::Moment;

/// One incarnation of a stream. Its ids grow, whatever the clock of Redis does.
#[derive(Clone, Debug, Default)]
pub struct Incarnation {
    /// When it began, in milliseconds of the harness's clock.
    pub began_ms: u64,
    /// In the order of their ids, which is that of storing.
    pub entries: VecDeque<Entry>,
    /// How it ended, if it has.
    pub end: Option<IncarnationEnd>,
    /// When it ends if nothing more is published, as Redis said last.
    pub expires_ms: Option<u64>,
    /// The newest entry that is no longer remembered here.
    forgotten: Option<EntryId>,
    /// Looks at the stream: when, and its oldest entry then; [`EntryId::MAX`] if it had none.
    looks: VecDeque<(u64, EntryId)>,
}

impl Incarnation {
    /// An incarnation that begins at that time, without entries.
    pub(crate) fn beginning_at(began_ms: u64) -> Self {
        Self { began_ms, ..Self::default() }
    }

    fn index_behind(&self, id: EntryId) -> usize {
        self.entries.partition_point(|entry| entry.id <= id)
    }

    /// The entry that follows `id`, retracted or not.
    pub(crate) fn next(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(self.index_behind(id))
    }

    /// The entry with this id.
    pub fn find(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(self.index_behind(id).checked_sub(1)?).filter(|entry| entry.id == id)
    }

    /// The id of the newest entry that was stored before that moment; [`EntryId::ZERO`] if none was.
    pub(crate) fn stored_before(&self, moment: Moment) -> EntryId {
        let index = self.entries.partition_point(|entry| entry.stored < moment);
        index.checked_sub(1).map_or(EntryId::ZERO, |last| self.entries[last].id)
    }

    /// Entries that a reader at `after` must see, or be told of, before the one with the id `before`.
    pub fn required(&self, after: EntryId, before: EntryId) -> impl DoubleEndedIterator<Item = &Entry> {
        let end = self.entries.partition_point(|entry| entry.id < before);
        let start = self.index_behind(after).min(end);
        self.entries.range(start..end).filter(|entry| !entry.retracted)
    }

    /// Whether there is anything that a reader at `after` must see or be told of.
    pub(crate) fn has_required_behind(&self, after: EntryId) -> bool {
        self.forgot_behind(after) || self.required(after, EntryId::MAX).next().is_some()
    }

    /// Whether a reader at that place goes on in the next incarnation, from its beginning, and need not be told that this one
    /// has ended.
    pub(crate) fn lets_go(&self, from: Place) -> bool {
        let has_all = !self.has_required_behind(from.id);
        let is_at_an_entry = !from.has_nothing() && self.find(from.id).is_some();
        match self.end {
            // What it held was kept for as long as its publishers had said: whoever has read it to its end has missed nothing.
            Some(IncarnationEnd::Expired) => has_all,
            // Whoever had nothing of it may miss all of it.
            Some(IncarnationEnd::CutShort) => has_all || from.has_nothing(),
            Some(IncarnationEnd::Deleted | IncarnationEnd::Replaced) => !is_at_an_entry,
            Some(IncarnationEnd::Flushed) => has_all && !is_at_an_entry,
            None => false,
        }
    }

    /// Adds an entry at the place of its id; then forgets the oldest one if there are more than `window`, and returns it.
    /// False when it is there already, or so old that it would be forgotten at once.
    pub(crate) fn insert(&mut self, entry: Entry, window: usize) -> (bool, Option<Entry>) {
        if self.find(entry.id).is_some() || self.forgot_behind(entry.id) {
            return (false, None);
        }
        let index = self.index_behind(entry.id);
        self.entries.insert(index, entry);
        let forgotten = if self.entries.len() > window { self.entries.pop_front() } else { None };
        self.forgotten = forgotten.as_ref().map(|entry| entry.id).or(self.forgotten);
        (true, forgotten)
    }

    /// Whether there were entries behind `after` that are no longer remembered.
    pub(crate) fn forgot_behind(&self, after: EntryId) -> bool {
        self.forgotten.is_some_and(|forgotten| forgotten > after)
    }

    /// Notes the oldest entry (`None`: there is none) that the stream had at `time_ms`, and forgets the first of more than
    /// `window` looks.
    pub(crate) fn look(&mut self, time_ms: u64, oldest: Option<EntryId>, window: usize) {
        self.looks.push_back((time_ms, oldest.unwrap_or(EntryId::MAX)));
        if self.looks.len() > window {
            self.looks.pop_front();
        }
    }

    /// Whether the stream is known to have had the entry after `until_ms`, and not known to have been without it since `from_ms`.
    pub(crate) fn had_since(&self, id: EntryId, from_ms: u64, until_ms: u64) -> bool {
        let lacked = |(at, first): &(u64, EntryId)| (from_ms..=until_ms).contains(at) && *first > id;
        self.had_at(id, until_ms) && !self.looks.iter().any(lacked)
    }

    /// Whether the stream is known to have had the entry at `time_ms` or later.
    pub(crate) fn had_at(&self, id: EntryId, time_ms: u64) -> bool {
        self.looks.iter().rev().take_while(|(at, _)| *at >= time_ms).any(|(_, first)| *first <= id)
    }
}
