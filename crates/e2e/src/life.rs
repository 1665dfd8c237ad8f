//! One life of a stream: from its creation to its deletion, expiry or loss.

use std::collections::VecDeque;

use crate::fact::{Fact, Id};

/// How many observations of a stream's oldest entry are kept.
const OBSERVATIONS: usize = 240;
/// How long publishers must let a stream live after each entry, its first included, in milliseconds (docs/protocol.md). On
/// the first rests what absence proves.
const LIFETIME_MS: u64 = 60_000;
/// Greater than every id.
const END: Id = (u64::MAX, u64::MAX);

/// One life of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    /// When it began, in milliseconds of the clock that Redis and the harness share.
    pub(crate) began_ms: u64,
    /// In the order of their ids.
    pub(crate) facts: VecDeque<Fact>,
    /// It ended because its time was over (`EXPIRE`): what it held was kept for as long as its publishers had said.
    pub(crate) expired: bool,
    /// Somebody let it expire before it was as old as publishers must let every stream become: whoever knew only that there was
    /// no stream before it may miss it as if it had been deleted.
    pub(crate) cut_short: bool,
    /// When it ends if nothing more is published, as Redis said last.
    pub(crate) expires_ms: Option<u64>,
    /// The newest entry that is no longer remembered here.
    forgotten: Option<Id>,
    /// The oldest entry that the stream had, and when it had it; [`END`] if it had none.
    observed: VecDeque<(u64, Id)>,
}

impl Life {
    pub(crate) fn beginning_at(began_ms: u64) -> Self {
        Self { began_ms, ..Self::default() }
    }

    /// Somebody has let the stream expire.
    pub(crate) fn expire_by_hand(&mut self, at_ms: u64) {
        self.expired = true;
        self.cut_short = self.facts.front().is_some_and(|first| at_ms < first.key.0 + LIFETIME_MS);
    }

    fn index_behind(&self, id: Id) -> usize {
        self.facts.partition_point(|fact| fact.key <= id)
    }

    /// The entry that follows `id`, retracted or not.
    pub(crate) fn next(&self, id: Id) -> Option<&Fact> {
        self.facts.get(self.index_behind(id))
    }

    pub(crate) fn find(&self, id: Id) -> Option<&Fact> {
        self.facts.get(self.index_behind(id).checked_sub(1)?).filter(|fact| fact.key == id)
    }

    /// Entries that a reader at `after` must see, or be told of, before the one with the id `before`.
    pub(crate) fn required(&self, after: Id, before: Id) -> impl DoubleEndedIterator<Item = &Fact> {
        let end = self.facts.partition_point(|fact| fact.key < before);
        let start = self.index_behind(after).min(end);
        self.facts.range(start..end).filter(|fact| !fact.retracted)
    }

    /// Whether there is anything that a reader at `after` must see or be told of.
    pub(crate) fn has_required_behind(&self, after: Id) -> bool {
        self.forgot_behind(after) || self.required(after, END).next().is_some()
    }

    /// Adds an entry at the place of its id; then forgets the oldest one if there are more than `window`, and returns it.
    /// False when it is there already, or so old that it would be forgotten at once.
    pub(crate) fn insert(&mut self, fact: Fact, window: usize) -> (bool, Option<Fact>) {
        if self.find(fact.key).is_some() || self.forgot_behind(fact.key) {
            return (false, None);
        }
        let index = self.index_behind(fact.key);
        self.facts.insert(index, fact);
        let forgotten = if self.facts.len() > window { self.facts.pop_front() } else { None };
        self.forgotten = forgotten.as_ref().map(|fact| fact.key).or(self.forgotten);
        (true, forgotten)
    }

    /// Whether there were entries behind `after` that are no longer remembered.
    pub(crate) fn forgot_behind(&self, after: Id) -> bool {
        self.forgotten.is_some_and(|forgotten| forgotten > after)
    }

    /// Notes the oldest entry (`None`: there is none) that the stream had at `time_ms`.
    pub(crate) fn observe(&mut self, time_ms: u64, oldest: Option<Id>) {
        self.observed.push_back((time_ms, oldest.unwrap_or(END)));
        if self.observed.len() > OBSERVATIONS {
            self.observed.pop_front();
        }
    }

    /// Whether the stream is known to have had the entry after `until_ms`, and not known to have been without it since `from_ms`.
    pub(crate) fn had_since(&self, id: Id, from_ms: u64, until_ms: u64) -> bool {
        let lacked = |(at, first): &(u64, Id)| (from_ms..=until_ms).contains(at) && *first > id;
        self.had_at(id, until_ms) && !self.observed.iter().any(lacked)
    }

    /// Whether the stream is known to have had the entry at `time_ms` or later.
    pub(crate) fn had_at(&self, id: Id, time_ms: u64) -> bool {
        self.observed.iter().rev().take_while(|(at, _)| *at >= time_ms).any(|(_, first)| *first <= id)
    }
}
