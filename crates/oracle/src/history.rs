//! The history of one channel: what was stored, in the order of the stream, as far as it is known.
//!
//! A channel has one *incarnation* after the other. A new one begins whenever its stream ends, or comes back from a crash or
//! from a replica with something else. Two incarnations may share their beginning.
//!
//! **What is known** comes as a list of incarnations with their entries; of doubts, which are publishes without an answer; and
//! of *looks* at a stream, each of which tells which entries it still had at that time. Between two looks an entry may have left
//! at any time. A harness that knows everything, like the simulation, looks right before and after each change: then nothing is
//! left in between, and no publish is in doubt. The rules are the same.

use std::collections::{HashMap, VecDeque};

use crate::entry::Entry;
use crate::entry_id::EntryId;
use crate::incarnation::Incarnation;
use crate::incarnation_end::IncarnationEnd;
use crate::place::Place;
use crate::position::Position;
use crate::redis_clock::RedisClock;

/// Entries of each incarnation in an outline.
const OUTLINED: usize = 40;

/// How much a history remembers.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimits {
    /// Entries of each incarnation.
    pub entries: usize,
    /// Incarnations; a reader from before them must be told of a gap.
    pub incarnations: usize,
    /// Looks at the stream of each incarnation.
    pub looks: usize,
}

impl HistoryLimits {
    /// Remembers everything.
    pub const UNLIMITED: Self = Self { entries: usize::MAX, incarnations: usize::MAX, looks: usize::MAX };
}

/// What nodes do not count on of a promised life (docs/decisions/0032).
const CLOCK_SLACK_MS: u64 = 60_000;

/// All that is remembered of one channel.
#[derive(Clone, Debug)]
pub struct History {
    /// The clock that ids and the times of absences are of.
    pub clock: RedisClock,
    incarnations: VecDeque<Incarnation>,
    /// The number of the first incarnation that is remembered.
    first: usize,
    by_data: HashMap<String, Vec<Place>>,
    /// Publishes of which an answer was lost, and the incarnation in which they began: Redis may have had their entry, or get it
    /// yet.
    doubtful: HashMap<String, usize>,
    limits: HistoryLimits,
    /// What the operator promises: no stream of the channel ends sooner after its last entry.
    min_life_ms: Option<u64>,
}

impl Default for History {
    fn default() -> Self {
        Self::with_limits(HistoryLimits::UNLIMITED)
    }
}

impl History {
    /// Remembers so much and no more.
    pub fn with_limits(limits: HistoryLimits) -> Self {
        let incarnations = VecDeque::from([Incarnation::default()]);
        let (clock, by_data, doubtful) = (RedisClock::default(), HashMap::new(), HashMap::new());
        Self { clock, incarnations, first: 0, by_data, doubtful, limits, min_life_ms: None }
    }

    /// The operator promises (`min_life`) that no stream of the channel ends sooner than this after its last entry: what a client may
    /// miss in silence is then what was in a stream that ended sooner, and what it may be told needlessly is less.
    pub fn promise(&mut self, min_life_ms: u64) {
        self.min_life_ms = Some(min_life_ms);
    }

    /// For how long a client may be away from a channel without a stream and be told of nothing, if there was nothing: what is promised,
    /// less what clocks may differ by.
    pub(crate) fn provable_ms(&self) -> Option<u64> {
        self.min_life_ms.map(|min_life_ms| min_life_ms.saturating_sub(CLOCK_SLACK_MS))
    }

    /// The number of the present incarnation.
    pub fn present(&self) -> usize {
        self.first + self.incarnations.len() - 1
    }

    /// The numbers of all incarnations that are remembered, oldest first.
    pub fn numbers(&self) -> std::ops::RangeInclusive<usize> {
        self.first..=self.present()
    }

    /// The incarnation with that number, if it is remembered.
    pub fn incarnation(&self, number: usize) -> Option<&Incarnation> {
        self.incarnations.get(number.checked_sub(self.first)?)
    }

    /// The newest incarnation.
    pub fn present_incarnation(&self) -> &Incarnation {
        self.incarnations.back().expect("a history has an incarnation")
    }

    /// The newest incarnation, to note something about it.
    pub fn present_incarnation_mut(&mut self) -> &mut Incarnation {
        self.incarnations.back_mut().expect("a history has an incarnation")
    }

    /// The places right behind the entries with this data, oldest incarnation first.
    pub fn places(&self, data: &str) -> Vec<Place> {
        self.by_data.get(data).cloned().unwrap_or_default()
    }

    /// The entry right before that place.
    pub fn entry(&self, place: Place) -> Option<&Entry> {
        self.incarnation(place.incarnation)?.find(place.id)
    }

    /// Adds an entry to an incarnation, at the place of its id; one that is there already stays as it is.
    pub fn insert(&mut self, number: usize, entry: Entry) {
        let (place, data) = (Place::behind(number, entry.id), entry.data.clone());
        let window = self.limits.entries;
        let Some(incarnation) = number.checked_sub(self.first).and_then(|index| self.incarnations.get_mut(index))
        else {
            return;
        };
        let (inserted, forgotten) = incarnation.insert(entry, window);
        if !inserted {
            return;
        }
        let places = self.by_data.entry(data).or_default();
        places.push(place);
        places.sort_by_key(|place| (place.incarnation, place.id));
        if let Some(entry) = forgotten {
            self.forget(number, &entry.data);
        }
    }

    fn forget(&mut self, incarnation: usize, data: &str) {
        if let Some(places) = self.by_data.get_mut(data) {
            places.retain(|place| place.incarnation != incarnation);
            if places.is_empty() {
                self.by_data.remove(data);
            }
        }
    }

    /// The present stream has ended: a new one begins with the next entry.
    pub fn end(&mut self, end: IncarnationEnd, at_ms: u64) {
        self.present_incarnation_mut().end = Some(end);
        self.incarnations.push_back(Incarnation::beginning_at(at_ms));
        if self.incarnations.len() > self.limits.incarnations {
            let old = self.incarnations.pop_front().expect("more than one incarnation");
            old.entries.iter().for_each(|entry| self.forget(self.first, &entry.data));
            self.doubtful.retain(|_, incarnation| *incarnation != self.first);
            self.first += 1;
        }
    }

    /// How a stream has ended is known better now. One that is not remembered, or has not ended, stays as it is.
    pub fn amend_end(&mut self, number: usize, end: IncarnationEnd) {
        let index = number.checked_sub(self.first);
        if let Some(old) = index.and_then(|index| self.incarnations.get_mut(index)).filter(|old| old.end.is_some()) {
            old.end = Some(end);
        }
    }

    /// A replica has taken over that had come no further than that incarnation. A `FLUSHALL` of which it had not heard has never been, and
    /// the epoch by which nodes notice one is the former again: what was flushed counts as lost by the failover.
    pub fn undo_flushes(&mut self, number: usize) {
        let index = number.saturating_sub(self.first);
        let flushed = |old: &&mut Incarnation| old.end == Some(IncarnationEnd::Flushed);
        self.incarnations
            .iter_mut()
            .skip(index)
            .filter(flushed)
            .for_each(|old| old.end = Some(IncarnationEnd::Replaced));
    }

    /// Somebody has let the present stream expire, however young it was. Where the clock of Redis was never set.
    pub fn expire_by_hand(&mut self, at_ms: u64) {
        let entries = &self.present_incarnation().entries;
        let ends = entries.front().zip(entries.back()).map(|(first, last)| (first.id.ms, last.id.ms));
        self.end(IncarnationEnd::by_hand(ends, at_ms, self.min_life_ms), at_ms);
    }

    /// From now on the channel is a stream that begins with these entries.
    pub fn replace(&mut self, entries: impl IntoIterator<Item = Entry>, at_ms: u64) {
        self.end(IncarnationEnd::Replaced, at_ms);
        let present = self.present();
        entries.into_iter().for_each(|entry| self.insert(present, entry));
    }

    /// Notes the oldest entry (`None`: there is none) that the present stream had at `time_ms`.
    pub fn look(&mut self, time_ms: u64, oldest: Option<EntryId>) {
        let window = self.limits.looks;
        self.present_incarnation_mut().look(time_ms, oldest, window);
    }

    /// Whether a stream is known to have had the entry at `time_ms` or later, or when it ended if that was before.
    pub(crate) fn had_at(&self, number: usize, id: EntryId, time_ms: u64) -> bool {
        let ended_ms = self.incarnation(number + 1).map_or(u64::MAX, |next| next.began_ms);
        self.incarnation(number).is_some_and(|incarnation| incarnation.had_at(id, time_ms.min(ended_ms)))
    }

    /// Retracts an entry of the present incarnation, in every incarnation that has it: a reader may go on in an old one until its
    /// node hears of the new one.
    pub fn retract(&mut self, id: EntryId) {
        let Some(data) = self.present_incarnation().find(id).map(|entry| entry.data.clone()) else { return };
        for incarnation in &mut self.incarnations {
            let same = |other: &&mut Entry| other.id == id && other.data == data;
            incarnation.entries.iter_mut().filter(same).for_each(|entry| entry.retracted = true);
        }
    }

    /// Retracts the entry that `back` others have followed. Returns its id.
    pub fn retract_newest(&mut self, back: usize) -> Option<EntryId> {
        let entries = &self.present_incarnation().entries;
        let id = entries.get(entries.len().checked_sub(back + 1)?)?.id;
        self.retract(id);
        Some(id)
    }

    /// Notes that an attempt to publish `data`, in that incarnation, was not answered, and that it cannot be looked up what came
    /// of it.
    pub fn doubt(&mut self, incarnation: usize, data: &str) {
        self.doubtful.insert(data.to_owned(), incarnation);
    }

    /// How many such publishes there are of which no attempt is known to have arrived.
    pub(crate) fn doubts(&self) -> usize {
        self.doubtful.keys().filter(|data| !self.by_data.contains_key(*data)).count()
    }

    /// Whether `data` may have been published at an id that nobody was told.
    pub(crate) fn is_doubted(&self, data: &str) -> bool {
        self.doubtful.contains_key(data)
    }

    /// Where a reader at `from` stands in that incarnation without having been told of anything: behind the same entry, or, if it
    /// is a later one, where the ends of all incarnations in between have let it go on. `None`: it does not stand there.
    pub fn translate(&self, from: Place, to: usize) -> Option<Place> {
        if from.incarnation == to {
            return Some(from);
        }
        if let Some(same) = self.same_entry(from, to) {
            return Some(same);
        }
        let again = (from.incarnation + 1..to).rev().find_map(|number| self.same_entry(from, number));
        let next = (from.incarnation < to).then(|| self.go_on(from)).flatten();
        again.into_iter().chain(next).find_map(|place| self.translate(place, to))
    }

    /// Whether a reader at `from` stands in that incarnation.
    pub fn stands_in(&self, from: Place, incarnation: usize) -> bool {
        self.translate(from, incarnation).is_some()
    }

    /// The same place in another incarnation that has the entry.
    fn same_entry(&self, from: Place, to: usize) -> Option<Place> {
        if from.absent.is_some() {
            return None;
        }
        let same = self.entry(from).zip(self.incarnation(to)?.find(from.id));
        same.filter(|(entry, same)| same.data == entry.data).map(|_| Place::behind(to, from.id))
    }

    /// Where a reader goes on in the next incarnation when its own has ended.
    fn go_on(&self, from: Place) -> Option<Place> {
        let next = from.incarnation + 1;
        let old = self.incarnation(from.incarnation);
        // Of one that is not remembered nobody knows what was in it.
        let goes_on = old.map_or(from.has_nothing(), |old| old.lets_go(from));
        let is_unknown =
            old.is_some_and(|old| old.find(from.id).is_none() && old.end == Some(IncarnationEnd::Replaced));
        let id = match from.absent {
            // What had been stored before may have come back.
            Some(moment) => self.incarnation(next)?.stored_before(moment),
            // An id of which only this reader has been told may be of an entry that came back too.
            None if is_unknown => from.id,
            None => EntryId::ZERO,
        };
        goes_on.then_some(Place { incarnation: next, id, absent: from.absent })
    }

    /// Whether `to` is what follows `from`, with nothing in between but what was retracted.
    pub fn follows(&self, from: Place, to: Place) -> bool {
        let Some((incarnation, from)) = self.incarnation(to.incarnation).zip(self.translate(from, to.incarnation))
        else {
            return false;
        };
        let contiguous = !incarnation.forgot_behind(from.id) && incarnation.required(from.id, to.id).next().is_none();
        to.id > from.id && contiguous
    }

    /// Whether two places are the same to a reader: nothing lies between them but what was retracted.
    pub(crate) fn is_nothing_between(&self, one: Place, other: Place) -> bool {
        let number = one.incarnation.max(other.incarnation);
        let places = self.translate(one, number).zip(self.translate(other, number));
        let Some((incarnation, (one, other))) = self.incarnation(number).zip(places) else { return false };
        let (low, high) = (one.id.min(other.id), one.id.max(other.id));
        incarnation.required(low, high.after()).next().is_none()
    }

    /// Whether a reader at `place` has seen everything that the present stream holds.
    pub fn is_at_the_end(&self, place: Place) -> bool {
        let there = self.translate(place, self.present());
        there.is_some_and(|place| !self.present_incarnation().has_required_behind(place.id))
    }

    /// Where a reader is who is told a position, at that time by the harness's clock, by a node that reads one of these
    /// incarnations.
    pub fn resolve(&self, position: Position, incarnations: &[usize], told_ms: u64) -> Vec<Place> {
        match position {
            Position::At(id) => {
                let all = incarnations.iter().map(|&number| Place::behind(number, id));
                let known: Vec<Place> = all.clone().filter(|place| self.entry(*place).is_some()).collect();
                if known.is_empty() { all.collect() } else { known }
            }
            Position::Absent { at_ms } => {
                let moments = self.clock.moments(at_ms, told_ms);
                let there = |number: usize, moment| {
                    let id = self.incarnation(number)?.stored_before(moment);
                    Some(Place { incarnation: number, id, absent: Some(moment) })
                };
                let all = moments.iter().flat_map(|moment| incarnations.iter().map(|number| (*number, *moment)));
                all.filter_map(|(number, moment)| there(number, moment)).collect()
            }
        }
    }

    /// The incarnation in which the present Redis gave this id. Where the clock of Redis was never set.
    pub fn incarnation_of(&self, id: EntryId) -> usize {
        self.incarnation_at(id.ms)
    }

    /// The incarnation that was the present one at that time.
    pub fn incarnation_at(&self, time_ms: u64) -> usize {
        let begun = self.incarnations.iter().take_while(|incarnation| incarnation.began_ms <= time_ms).count();
        self.first + begun.max(1) - 1
    }

    /// The incarnations that a node may have been reading at `time_ms`: the present one of that time and those before, because a
    /// node that was frozen or cut off learns of several at once.
    pub fn around(&self, time_ms: u64) -> Vec<usize> {
        (self.first..=self.incarnation_at(time_ms)).collect()
    }

    /// The incarnations and their newest entries, for the reader of a report.
    pub fn outline(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, incarnation) in self.numbers().zip(&self.incarnations) {
            let (began, count, end) = (incarnation.began_ms, incarnation.entries.len(), incarnation.end);
            let end = end.map_or("lasts".to_owned(), |end| format!("ended: {end:?}"));
            lines.push(format!("incarnation {number} began at {began}, {end}, {count} entries remembered"));
            lines.extend(incarnation.entries.iter().skip(count.saturating_sub(OUTLINED)).map(|entry| {
                let retracted = if entry.retracted { " (retracted)" } else { "" };
                format!("  {} {}{retracted}", entry.id, entry.data)
            }));
        }
        lines
    }
}
