//! The history of one channel: what its publishers were told by Redis, in the order of the stream.
//!
//! A channel has one *life* after the other. A new one begins whenever its stream is deleted, flushed, or comes back from
//! a crash without its newest entries. Two lives may share their beginning.

use std::collections::{HashMap, VecDeque};

use crate::fact::{Fact, Id, Place, parse_id};
use crate::life::Life;

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
    /// Publishes of which an answer was lost, and the life in which they began: Redis may have had their entry, or get it yet.
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
        let (window, place, data) = (self.window, Place { life: number, id: fact.key }, fact.data.clone());
        let Some(life) = self.life_mut(number) else { return };
        let (inserted, forgotten) = life.insert(fact, window);
        if !inserted {
            return;
        }
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
        self.lives.push_back(Life::beginning_at(now_ms));
        if self.lives.len() > LIVES {
            let old = self.lives.pop_front().expect("more than one life");
            old.facts.iter().for_each(|fact| self.forget(self.first, &fact.data));
            self.doubtful.retain(|_, life| *life != self.first);
            self.first += 1;
        }
        let present = self.present();
        facts.into_iter().for_each(|fact| self.insert(present, fact));
    }

    /// The stream has expired: a new one begins with the next entry.
    pub(crate) fn expire(&mut self, at_ms: u64) {
        self.present_life_mut().expired = true;
        self.begin([], at_ms);
    }

    /// The same, because of somebody who did not ask how old it was.
    pub(crate) fn expire_by_hand(&mut self, at_ms: u64) {
        self.present_life_mut().expire_by_hand(at_ms);
        self.begin([], at_ms);
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

    /// Notes that an attempt to publish `data`, in that life, was not answered, and that it cannot be looked up what came of it.
    pub(crate) fn doubt(&mut self, life: usize, data: &str) {
        self.doubtful.insert(data.to_owned(), life);
    }

    /// How many such publishes there are of which no attempt is known to have arrived.
    pub(crate) fn doubts(&self) -> usize {
        self.doubtful.keys().filter(|data| !self.by_data.contains_key(*data)).count()
    }

    /// Whether `data` may have been published at an id that nobody was told.
    pub(crate) fn is_doubted(&self, data: &str) -> bool {
        self.doubtful.contains_key(data)
    }

    /// Whether a reader at `from` stands at the same place in that life too: at the same entry, or, if the life is a later
    /// one, at the beginning, at a position of which no entry is known, at the end of a life that has expired, or before one that
    /// was cut short.
    pub(crate) fn stands_in(&self, from: Place, life: usize) -> bool {
        if from.life >= life {
            return from.life == life || self.has_same(from, life);
        }
        match self.life(from.life) {
            _ if self.has_same(from, life) => true,
            // What expired was kept for as long as its publishers had said: whoever read it to its end has missed nothing. What was
            // cut short counts as deleted for who had nothing of it.
            Some(old) if old.expired => {
                let has_all = !old.has_required_behind(from.id) || (old.cut_short && from.id == (0, 0));
                has_all && self.stands_in(Place { life: from.life + 1, id: (0, 0) }, life)
            }
            Some(old) => old.find(from.id).is_none(),
            None => from.id == (0, 0),
        }
    }

    /// Whether the entry at `from` is in that life too.
    fn has_same(&self, from: Place, life: usize) -> bool {
        let both = self.fact(from).zip(self.life(life).and_then(|life| life.find(from.id)));
        both.is_some_and(|(fact, same)| same.data == fact.data)
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

    /// The lives that a node may have been reading at `time_ms`: the present one of that time and those before, because a
    /// node that was frozen or cut off learns of several at once.
    pub(crate) fn around(&self, time_ms: u64) -> Vec<usize> {
        (self.first..=self.life_of((time_ms, u64::MAX))).collect()
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
