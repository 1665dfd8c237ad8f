//! The verdict on what one client saw of one channel: the guarantee, word for word.
//!
//! The durable events that it saw are a contiguous run of the channel's stream, in order, none missing, none twice, or an
//! explicit `$gap` stands where something could not be delivered. A gap where nothing was withheld is a nuisance: it is
//! counted, and a breach in a world in which nobody has a reason for one.

use std::collections::BTreeMap;

use crate::truth::{Fact, History, Place, stored_before};

/// What a client saw of one channel.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    /// It connected.
    Connected,
    /// It has its first position, which means one of these places.
    Primed(Vec<Place>),
    /// An event of a publisher. `id`: the id that it carried, on a stream of one channel.
    Event { data: String, id: Option<String> },
    /// A `$gap`. `after`: the places that the position which it calls the last one delivered means; `resume`: those of the
    /// position which it carried.
    Gap { reason: String, after: Option<Vec<Place>>, next: Option<String>, resume: Option<Vec<Place>> },
}

/// What came of judging.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Durable events judged.
    pub events: usize,
    /// Gaps told where something was withheld.
    pub gaps: usize,
    /// Gaps told where nothing was.
    pub false_gaps: usize,
    /// What was wrong.
    pub breaches: Vec<String>,
}

/// The state of one story.
struct Judge<'a> {
    history: &'a History,
    /// The places right behind the entries with some data.
    by_data: BTreeMap<&'a str, Vec<Place>>,
    /// Where the client can be. `None`: it has no position yet.
    places: Option<Vec<Place>>,
    /// Whether ids tell a node what is new and what came back.
    ids_grow: bool,
    /// A gap whose entry has not come yet: its reason and the id that it announced.
    pending: Option<(String, String)>,
    verdict: Verdict,
}

/// Judges a whole story, at the end of which the client must have seen the newest entry. `ids_grow`: the clock of Redis never
/// went back.
pub(crate) fn judge(sights: &[Sight], history: &History, ids_grow: bool) -> Verdict {
    let mut by_data: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
    for (life, facts) in history.iter().enumerate() {
        for (index, data) in facts.iter().enumerate().filter_map(|(index, fact)| Some((index, fact.data.as_deref()?))) {
            by_data.entry(data).or_default().push(Place { life, behind: index + 1, absent: None });
        }
    }
    let mut judge = Judge { history, by_data, places: None, ids_grow, pending: None, verdict: Verdict::default() };
    sights.iter().for_each(|sight| judge.take(sight));
    judge.finish()
}

impl Judge<'_> {
    fn take(&mut self, sight: &Sight) {
        match sight {
            // A gap without its entry was cut off, and the client's position is the one before it.
            Sight::Connected => self.pending = None,
            Sight::Primed(places) if self.places.is_none() => self.places = Some(places.clone()),
            Sight::Primed(_) => {}
            Sight::Event { data, id } => self.event(data, id.as_deref()),
            Sight::Gap { reason, after, next, resume } => match (next, resume) {
                (Some(next), None) => {
                    self.departs(reason, after.as_deref());
                    self.pending = Some((reason.clone(), next.clone()));
                }
                (None, Some(resume)) if reason == "too_large" => self.too_large(after.as_deref(), resume),
                (None, Some(resume)) => {
                    self.departs(reason, after.as_deref());
                    self.arrive(reason, resume);
                }
                _ => self.breach(format!("an id before an entry, or neither: {sight:?}")),
            },
        }
    }

    /// What a gap calls the last position that was certainly delivered must be where the client is, entries that were
    /// retracted apart. Only one over the size limit may not know what stood before it.
    fn departs(&mut self, reason: &str, after: Option<&[Place]>) {
        let is_true = match (&self.places, after) {
            (Some(places), Some(after)) => {
                places.iter().any(|from| after.iter().any(|to| self.is_nothing_between(*from, *to)))
            }
            (Some(_), None) => reason == "too_large",
            // Nothing has been promised yet. What is told in place of one entry is the same for everybody.
            (None, after) => after.is_none() || reason == "too_large",
        };
        if !is_true {
            self.breach(format!("a gap {reason} after {after:?}; the client was at {:?}", self.places));
        }
    }

    fn is_nothing_between(&self, one: Place, other: Place) -> bool {
        let life = one.life.max(other.life);
        let (Some(one), Some(other)) = (self.same_place(one, life), self.same_place(other, life)) else { return false };
        let between = one.behind.min(other.behind)..one.behind.max(other.behind);
        self.history[life][between].iter().all(|fact| fact.retracted)
    }

    fn fact(&self, place: Place) -> &Fact {
        &self.history[place.life][place.behind - 1]
    }

    fn event(&mut self, data: &str, id: Option<&str>) {
        let Some(found) = self.by_data.get(data).cloned() else {
            return self.breach(format!("{data:?}, which nobody published"));
        };
        self.verdict.events += 1;
        if id.is_some_and(|id| found.iter().all(|place| self.fact(*place).id.to_string() != id)) {
            self.breach(format!("{data:?} has the id {id:?}"));
        }
        if let Some((reason, next)) = self.pending.take() {
            if found.iter().all(|place| self.fact(*place).id.to_string() != next) {
                self.breach(format!("a gap announced {next}, then came {data:?}"));
            }
            let before: Vec<_> = found.iter().map(|place| Place { behind: place.behind - 1, ..*place }).collect();
            self.arrive(&reason, &before);
        }
        let reached = |places: &Vec<Place>| {
            let reaches = |to: &&Place| places.iter().any(|from| self.missing_between(*from, **to) == Some(0));
            found.iter().filter(reaches).copied().collect::<Vec<_>>()
        };
        match self.places.as_ref().map(reached) {
            Some(here) if !here.is_empty() => self.places = Some(here),
            Some(_) => {
                let missing =
                    self.places.iter().flatten().filter_map(|from| self.missing_between(*from, found[0])).min();
                let how = missing.map_or("twice, out of order or from another life".into(), |missing| {
                    format!("after {missing} entries that are missing")
                });
                self.breach(format!("{data:?} came {how}; the client was at {:?}", self.places));
                self.places = Some(found);
            }
            None => self.places = Some(found),
        }
    }

    /// The same place in a life: right behind the same entry, or what had been stored when there was no stream, or at the
    /// beginning.
    fn same_place(&self, from: Place, life: usize) -> Option<Place> {
        if from.life == life || from.behind == 0 {
            return (from.life <= life).then_some(Place { life, ..from });
        }
        if let Some(moment) = from.absent {
            return (from.life < life).then(|| Place {
                life,
                behind: stored_before(&self.history[life], moment),
                ..from
            });
        }
        let last = self.fact(from);
        let index = self.history[life].iter().position(|fact| fact.id == last.id && fact.data == last.data)?;
        (from.life < life).then_some(Place { life, behind: index + 1, ..from })
    }

    /// How many entries a reader at `from` misses who goes to `to`, whose last entry it has seen. `None`: it cannot get
    /// there by going forward.
    fn missing_between(&self, from: Place, to: Place) -> Option<usize> {
        let from = self.same_place(from, to.life).filter(|from| from.behind < to.behind)?;
        let between = &self.history[to.life][from.behind..to.behind - 1];
        Some(between.iter().filter(|fact| !fact.retracted).count())
    }

    /// A gap has moved the client to one of these places, right before what comes next.
    fn arrive(&mut self, reason: &str, to: &[Place]) {
        let Some(places) = self.places.replace(to.to_vec()) else { return };
        let last = to[to.len() - 1];
        let start = |from: &Place| self.same_place(*from, last.life);
        // A position may stand for several places: one that explains the gap will do.
        let is_explained = |from: &Place| {
            start(from).is_none_or(|start| {
                // Entries that were lost may come back, and whoever was told of a reset gets them again.
                let is_here = places.contains(&Place { absent: None, ..start });
                let comes_back = reason == "reset" && from.life < last.life && !is_here;
                start.behind <= last.behind || comes_back
            })
        };
        // A node that does not know yet that the clock went back takes a new and lower id for one from before all that it has.
        if self.ids_grow && !places.iter().any(is_explained) {
            return self.breach(format!("a gap {reason} went back from {places:?} to {last:?}"));
        }
        let forward = places.iter().filter_map(start).filter(|start| start.behind <= last.behind);
        // From another life: what was withheld is what that life had.
        let Some(from) = forward.max_by_key(|from| from.behind) else {
            self.verdict.gaps += 1;
            return;
        };
        let skipped = &self.history[last.life][from.behind..last.behind];
        let mut withheld = skipped.iter().filter(|fact| !fact.retracted).peekable();
        if withheld.peek().is_none() {
            self.verdict.false_gaps += 1;
            return;
        }
        self.verdict.gaps += 1;
        if reason == "trimmed"
            && let Some(kept) = withheld.find(|fact| !fact.gone)
        {
            self.breach(format!("a gap {reason} skipped {}, which the stream still had", kept.id));
        }
    }

    fn too_large(&mut self, after: Option<&[Place]>, resume: &[Place]) {
        let over =
            |place: &&Place| self.history[place.life][..place.behind].last().is_some_and(|fact| fact.data.is_none());
        if let Some((reason, _)) = self.pending.take() {
            let before: Vec<_> =
                resume.iter().map(|place| Place { behind: place.behind.max(1) - 1, ..*place }).collect();
            self.arrive(&reason, &before);
        }
        self.departs("too_large", after);
        let Some(places) = &self.places else { return };
        let reached = resume
            .iter()
            .filter(over)
            .filter(|to| places.iter().any(|from| self.missing_between(*from, **to) == Some(0)))
            .copied()
            .collect::<Vec<_>>();
        if reached.is_empty() {
            self.breach(format!("a gap too_large at {resume:?}; the client was at {places:?}"));
        }
        self.verdict.gaps += 1;
        self.places = Some(if reached.is_empty() { resume.to_vec() } else { reached });
    }

    fn finish(mut self) -> Verdict {
        if let Some(pending) = &self.pending {
            self.breach(format!("nothing followed the gap {pending:?}"));
        }
        let life = self.history.len() - 1;
        let end = self.history[life].iter().rposition(|fact| !fact.retracted).map_or(0, |index| index + 1);
        let places = self.places.clone().unwrap_or_default();
        if !places.iter().any(|place| self.same_place(*place, life).is_some_and(|place| place.behind >= end)) {
            self.breach(format!("the newest of {end} entries was not seen; the client is at {places:?}"));
        }
        self.verdict
    }

    fn breach(&mut self, what: String) {
        self.verdict.breaches.push(what);
    }
}

#[cfg(test)]
mod tests;
