//! The history of one channel: what its publishers were told by Redis, in the order of the stream.
//!
//! A channel has one *life* after the other. A new one begins whenever its stream is deleted, flushed, or comes back from
//! a crash without its newest entries. Two lives may share their beginning.

use std::collections::{HashMap, VecDeque};

/// An entry id, comparable.
pub(crate) type Id = (u64, u64);

/// Reads `ms-seq`.
pub(crate) fn parse_id(id: &str) -> Option<Id> {
    let (ms, seq) = id.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}

/// One entry of a stream, as Redis acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// `ms-seq`.
    pub id: String,
    /// What clients' events are recognised by, unique within the channel: the data, or a part of it.
    pub data: String,
    /// It is no longer in the stream (trimmed): a client may miss it, told by a `$gap`.
    pub gone: bool,
    /// Retracted by its publisher (`XDEL`): a client may miss it without a word.
    pub retracted: bool,
    /// Over the limit: a client sees a `$gap` `too_large` in its place.
    pub too_large: bool,
    /// Written by a producer that does not name the entry's predecessor.
    pub bare: bool,
    pub(crate) key: Id,
}

impl Fact {
    /// An entry that a client is expected to see. Panics if `id` is none.
    pub(crate) fn new(id: &str, data: &str) -> Self {
        let key = parse_id(id).unwrap_or_else(|| panic!("Redis gave the id {id:?}"));
        let (id, data) = (id.to_owned(), data.to_owned());
        Self { id, data, gone: false, retracted: false, too_large: false, bare: false, key }
    }
}

/// A place of a reader: right behind this id in that life, whether or not there is an entry with this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) life: usize,
    pub(crate) id: Id,
}

/// One life of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    /// When it began, in milliseconds of the clock that Redis and the harness share.
    pub(crate) began_ms: u64,
    /// In the order of their ids.
    pub(crate) facts: VecDeque<Fact>,
    /// The newest entry that is no longer remembered here.
    forgotten: Option<Id>,
    /// The oldest entry that the stream had, and when it had it; the greatest id if it had none.
    observed: VecDeque<(u64, Id)>,
}

impl Life {
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

    /// Whether there were entries behind `after` that are no longer remembered.
    pub(crate) fn forgot_behind(&self, after: Id) -> bool {
        self.forgotten.is_some_and(|forgotten| forgotten > after)
    }

    /// Whether the stream is known to have had the entry at `time_ms` or later.
    pub(crate) fn had_at(&self, id: Id, time_ms: u64) -> bool {
        self.observed.iter().rev().take_while(|(at, _)| *at >= time_ms).any(|(_, first)| *first <= id)
    }

    /// Whether the stream was ever seen to begin behind this entry.
    pub(crate) fn has_lost(&self, id: Id) -> bool {
        self.observed.back().is_some_and(|(_, first)| *first > id)
    }
}

/// How many observations of a stream's oldest entry are kept.
const OBSERVATIONS: usize = 240;
/// Entries of each life in an outline.
const OUTLINED: usize = 40;
/// How many lives are remembered; a reader from before them must be told of a gap.
const LIVES: usize = 8;

/// All that is remembered of one channel.
#[derive(Clone, Debug)]
pub(crate) struct History {
    lives: VecDeque<Life>,
    /// The number of the first life that is remembered.
    first: usize,
    by_data: HashMap<String, Vec<Place>>,
    /// Publishes whose answer was lost and whose entry Redis no longer has: they may have been in this life.
    doubtful: HashMap<String, usize>,
    /// Entries remembered in each life.
    window: usize,
}

impl Default for History {
    fn default() -> Self {
        Self::remembering(usize::MAX)
    }
}

impl History {
    /// Remembers so many entries of each life.
    pub(crate) fn remembering(window: usize) -> Self {
        let lives = VecDeque::from([Life::default()]);
        Self { lives, first: 0, by_data: HashMap::new(), doubtful: HashMap::new(), window }
    }

    /// The number of the present life.
    pub(crate) fn present(&self) -> usize {
        self.first + self.lives.len() - 1
    }

    /// The numbers of all lives that are remembered, oldest first.
    pub(crate) fn numbers(&self) -> std::ops::RangeInclusive<usize> {
        self.first..=self.present()
    }

    pub(crate) fn life(&self, number: usize) -> Option<&Life> {
        self.lives.get(number.checked_sub(self.first)?)
    }

    pub(crate) fn life_mut(&mut self, number: usize) -> Option<&mut Life> {
        self.lives.get_mut(number.checked_sub(self.first)?)
    }

    pub(crate) fn present_life(&self) -> &Life {
        self.lives.back().expect("a history has a life")
    }

    pub(crate) fn present_life_mut(&mut self) -> &mut Life {
        self.lives.back_mut().expect("a history has a life")
    }

    /// The places right behind the entries with this data, oldest life first.
    pub(crate) fn places(&self, data: &str) -> Vec<Place> {
        self.by_data.get(data).cloned().unwrap_or_default()
    }

    pub(crate) fn fact(&self, place: Place) -> Option<&Fact> {
        self.life(place.life)?.find(place.id)
    }

    /// Adds an entry to a life, at the place of its id; one that is there already stays as it is.
    pub(crate) fn insert(&mut self, number: usize, fact: Fact) {
        let (window, place) = (self.window, Place { life: number, id: fact.key });
        let Some(life) = self.life_mut(number) else { return };
        if life.find(fact.key).is_some() || life.forgot_behind(fact.key) {
            return;
        }
        let index = life.index_behind(fact.key);
        let data = fact.data.clone();
        life.facts.insert(index, fact);
        let forgotten = if life.facts.len() > window { life.facts.pop_front() } else { None };
        life.forgotten = forgotten.as_ref().map(|fact| fact.key).or(life.forgotten);
        let places = self.by_data.entry(data).or_default();
        places.push(place);
        places.sort_by_key(|place| (place.life, place.id));
        if let Some(fact) = forgotten {
            self.forget(number, &fact.data);
        }
    }

    fn forget(&mut self, life: usize, data: &str) {
        if let Some(places) = self.by_data.get_mut(data) {
            places.retain(|place| place.life != life);
            if places.is_empty() {
                self.by_data.remove(data);
            }
        }
    }

    /// From now on the channel is a new stream, which begins with these entries.
    pub(crate) fn begin(&mut self, facts: impl IntoIterator<Item = Fact>, now_ms: u64) {
        self.lives.push_back(Life { began_ms: now_ms, ..Life::default() });
        if self.lives.len() > LIVES {
            let old = self.lives.pop_front().expect("more than one life");
            old.facts.iter().for_each(|fact| self.forget(self.first, &fact.data));
            self.doubtful.retain(|_, life| *life != self.first);
            self.first += 1;
        }
        let present = self.present();
        facts.into_iter().for_each(|fact| self.insert(present, fact));
    }

    /// Retracts the entry that `back` others have followed, in every life that has it. Returns its id.
    pub(crate) fn retract_newest(&mut self, back: usize) -> Option<String> {
        let facts = &self.present_life().facts;
        let fact = facts.get(facts.len().checked_sub(back + 1)?)?.clone();
        for life in &mut self.lives {
            let same = |other: &&mut Fact| other.key == fact.key && other.data == fact.data;
            life.facts.iter_mut().filter(same).for_each(|fact| fact.retracted = true);
        }
        Some(fact.id)
    }

    /// Notes that the publish of `data`, in that life, was not answered and can no longer be looked up.
    pub(crate) fn doubt(&mut self, life: usize, data: &str) {
        self.doubtful.insert(data.to_owned(), life);
    }

    /// The life in which `data` may have been published.
    pub(crate) fn doubted(&self, data: &str) -> Option<usize> {
        self.doubtful.get(data).copied()
    }

    /// Notes the oldest entry (`None`: there is none) that the present stream had at `time_ms`.
    pub(crate) fn observe(&mut self, time_ms: u64, oldest: Option<Id>) {
        let observed = &mut self.present_life_mut().observed;
        observed.push_back((time_ms, oldest.unwrap_or((u64::MAX, u64::MAX))));
        if observed.len() > OBSERVATIONS {
            observed.pop_front();
        }
    }

    /// Whether a reader at `from` stands at the same place in that life too: at the same entry, or, if the life is a later
    /// one, at the beginning or at a position of which no entry is known.
    pub(crate) fn stands_in(&self, from: Place, life: usize) -> bool {
        if from.life == life {
            return true;
        }
        match self.fact(from) {
            Some(fact) => {
                let same = self.life(life).and_then(|life| life.find(from.id));
                same.is_some_and(|same| same.data == fact.data)
            }
            None => from.life < life && (from.id == (0, 0) || self.life(from.life).is_some()),
        }
    }

    /// Whether `to` is what follows `from`, with nothing in between but what was retracted.
    pub(crate) fn follows(&self, from: Place, to: Place) -> bool {
        let Some(life) = self.life(to.life) else { return false };
        let contiguous = !life.forgot_behind(from.id) && life.required(from.id, to.id).next().is_none();
        to.id > from.id && contiguous && self.stands_in(from, to.life)
    }

    /// Where a reader is whose position, an entry's id or the absence of a stream, was told while one of `lives` was
    /// present.
    pub(crate) fn resolve(&self, position: &str, lives: &[usize]) -> Vec<Place> {
        let id = parse_id(position).unwrap_or((0, 0));
        let known = |life: usize| self.life(life).is_some_and(|life| id == (0, 0) || life.find(id).is_some());
        let all = |known_only: bool| {
            let lives = lives.iter().filter(move |life| !known_only || known(**life));
            lives.map(|&life| Place { life, id }).collect::<Vec<_>>()
        };
        let places = all(true);
        if places.is_empty() { all(false) } else { places }
    }

    /// The life in which the present Redis gave this id.
    pub(crate) fn life_of(&self, id: Id) -> usize {
        let begun = self.lives.iter().take_while(|life| life.began_ms <= id.0).count();
        self.first + begun.max(1) - 1
    }

    /// The lives that a node may have been reading at `time_ms`: the present one of that time and the one before.
    pub(crate) fn around(&self, time_ms: u64) -> Vec<usize> {
        let latest = self.life_of((time_ms, u64::MAX));
        (latest.saturating_sub(1).max(self.first)..=latest).collect()
    }

    /// The lives and their newest entries, for the reader of a report.
    pub(crate) fn outline(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, life) in self.numbers().zip(&self.lives) {
            lines.push(format!("life {number} began at {}, {} entries remembered", life.began_ms, life.facts.len()));
            let hidden = life.facts.len().saturating_sub(OUTLINED);
            lines.extend(life.facts.iter().skip(hidden).map(|fact| {
                let retracted = if fact.retracted { " (retracted)" } else { "" };
                format!("  {} {}{retracted}", fact.id, fact.data)
            }));
        }
        lines
    }
}
