//! Follows one client's story of one channel, sight by sight, and objects.

use std::collections::HashMap;

use crate::check::{Expect, Gaps, Start, Verdict};
use crate::ledger::{Fact, History, parse_id};
use crate::{Dispatch, Gap, Sight};

/// A place in the history: so many entries of that incarnation are behind the reader.
type Place = (usize, usize);

pub(crate) struct Judge<'a> {
    history: &'a History,
    exact_ids: bool,
    /// False gaps that nobody could have avoided are accepted.
    unprovable: bool,
    /// Where the client can be; several where incarnations share their beginning. `None`: unknown, told by a gap.
    places: Option<Vec<Place>>,
    /// A gap whose entry has not come yet, and where the client was before it.
    pending: Option<(Gap, Option<Vec<Place>>)>,
    /// A gap that was told right before the connection ended: the client's place is still the one before it.
    withdrawn: Option<Gap>,
    /// The places right behind the entries with some data.
    by_data: HashMap<&'a str, Vec<Place>>,
    verdict: Verdict,
}

impl<'a> Judge<'a> {
    /// `exact_ids`: the client has this channel alone, so its ids are those of the stream.
    pub(crate) fn new(history: &'a History, exact_ids: bool, unprovable: bool) -> Self {
        let mut by_data: HashMap<&str, Vec<Place>> = HashMap::new();
        for (incarnation, facts) in history.iter().enumerate() {
            for (index, fact) in facts.iter().enumerate().filter(|(_, fact)| !fact.too_large) {
                by_data.entry(&fact.data).or_default().push((incarnation, index + 1));
            }
        }
        let verdict = Verdict::default();
        Self { history, exact_ids, unprovable, places: None, pending: None, withdrawn: None, by_data, verdict }
    }

    pub(crate) fn begin(&mut self, seen: &[Sight], start: Start) {
        self.places = self.start(seen, start);
    }

    /// Judges the next thing that the client saw.
    pub(crate) fn take(&mut self, sight: &Sight, channel: &str) {
        match sight {
            Sight::Event(event) => self.event(event),
            Sight::Gap(gap) if gap.channel == channel => self.gap(gap),
            Sight::Connected(_) => {
                if let Some((gap, before)) = self.pending.take() {
                    // It carried no id. The next connection repeats it, or a better informed node needs none.
                    self.withdrawn = Some(gap);
                    self.places = before;
                }
            }
            _ => {}
        }
    }

    fn start(&self, seen: &[Sight], start: Start) -> Option<Vec<Place>> {
        if let Start::After(entries) = start {
            return Some(vec![(0, entries)]);
        }
        let first = seen.iter().find_map(|sight| match sight {
            Sight::Connected(id) | Sight::Place(id) if !id.is_empty() => Some(id.as_str()),
            _ => None,
        });
        Some(vec![self.place_of(0, first?)])
    }

    fn place_of(&self, incarnation: usize, position: &str) -> Place {
        let passed = |id| self.history[incarnation].partition_point(|fact| parse_id(&fact.id) <= Some(id));
        (incarnation, parse_id(position).map_or(0, passed))
    }

    fn event(&mut self, event: &Dispatch) {
        let found = self.by_data.get(event.data.as_str()).cloned().unwrap_or_default();
        let Some(&(incarnation, next)) = found.last() else {
            if self.exact_ids && event.own_id.is_some() {
                self.violation(format!("an entry that nobody published: {event:?}"));
            }
            return;
        };
        self.verdict.events += 1;
        let fact = &self.history[incarnation][next - 1];
        if self.exact_ids && event.own_id.as_deref() != Some(&fact.id) {
            self.violation(format!("{:?} has the id {:?}, not {}", fact.data, event.own_id, fact.id));
        }
        match self.pending.take() {
            Some((gap, before)) => self.after_gap(&gap, before.as_deref(), &found, fact),
            None => self.after_entry(&found, fact),
        }
        let places = self.places.take();
        let here = places.iter().flatten().flat_map(|&place| self.reach(place, &found)).collect::<Vec<_>>();
        self.places = Some(if here.is_empty() { found } else { here });
        self.withdrawn = None;
    }

    /// Which of `targets` are one entry further than `from`, where the same entry in a later incarnation counts as
    /// the same place and retracted entries need not be seen.
    fn reach(&self, from: Place, targets: &[Place]) -> Vec<Place> {
        let mut starts = vec![from];
        if let Some(last) = from.1.checked_sub(1).map(|index| &self.history[from.0][index]) {
            for later in from.0 + 1..self.history.len() {
                let same = self.history[later].iter().position(|fact| (&fact.id, &fact.data) == (&last.id, &last.data));
                starts.extend(same.map(|index| (later, index + 1)));
            }
        }
        let next = |(incarnation, behind): Place| {
            let rest = self.history[incarnation].get(behind..).unwrap_or_default();
            (incarnation, behind + rest.iter().take_while(|fact| fact.retracted).count() + 1)
        };
        let reached: Vec<Place> = starts.into_iter().map(next).collect();
        targets.iter().copied().filter(|target| reached.contains(target)).collect()
    }

    fn after_entry(&mut self, found: &[Place], fact: &Fact) {
        let Some(places) = self.places.clone() else { return };
        if places.iter().any(|&place| !self.reach(place, found).is_empty()) {
            return;
        }
        let (incarnation, behind) = places[0];
        let what = match found.iter().find(|place| place.0 == incarnation) {
            Some(&(_, next)) if next <= behind => "twice or out of order".to_owned(),
            Some(&(_, next)) => format!("after {} entries that are missing", next - 1 - behind),
            None => "from another incarnation without a gap".to_owned(),
        };
        self.violation(format!("{:?} ({}) came {what}; {behind} entries were behind the client", fact.data, fact.id));
    }

    fn gap(&mut self, gap: &Gap) {
        if self.withdrawn.take().is_none_or(|before| before.reason != gap.reason) {
            self.verdict.gaps.push(gap.clone());
        }
        if gap.reason == "too_large" {
            return self.too_large(gap);
        }
        match (&gap.next, &gap.own_id) {
            (Some(_), Some(_)) => self.violation(format!("a gap before an entry carries an id: {gap:?}")),
            (None, None) => self.violation(format!("a gap with nothing after it carries no id: {gap:?}")),
            _ => {}
        }
        let before = self.places.take();
        if gap.next.is_some() {
            self.pending = Some((gap.clone(), before));
        } else if let (Some(id), true) = (&gap.own_id, self.exact_ids) {
            self.places = Some(vec![self.place_of(self.history.len() - 1, id)]);
        }
    }

    fn too_large(&mut self, gap: &Gap) {
        let Some((incarnation, behind)) = self.places.as_ref().and_then(|places| places.last().copied()) else {
            return;
        };
        match self.history[incarnation].get(behind).filter(|fact| fact.too_large) {
            Some(fact) if !self.exact_ids || gap.own_id.as_deref() == Some(&fact.id) => {
                self.places = Some(vec![(incarnation, behind + 1)]);
            }
            _ => self.violation(format!("no over-limit entry stands where this gap is: {gap:?}")),
        }
    }

    fn after_gap(&mut self, gap: &Gap, before: Option<&[Place]>, found: &[Place], fact: &Fact) {
        if gap.next.as_deref() != Some(&fact.id) {
            self.violation(format!("the gap announced {:?}, then came {}", gap.next, fact.id));
        }
        let Some(before) = before else { return };
        let (incarnation, behind) = before[0];
        let Some(&(_, next)) = found.iter().rfind(|place| place.0 == incarnation) else { return };
        if found.iter().any(|place| place.0 > incarnation) {
            return;
        }
        let skipped = self.history[incarnation].get(behind..next - 1);
        match skipped {
            None => self.violation(format!("after {gap:?} the client went back to {}", fact.id)),
            Some([]) if self.unprovable && behind > 0 && self.history[incarnation][behind - 1].gone => {}
            Some([]) => self.violation(format!("a false gap, nothing is missing: {gap:?}")),
            Some(skipped) if gap.reason == "trimmed" => {
                if let Some(kept) = skipped.iter().find(|fact| !fact.gone) {
                    self.violation(format!("{gap:?} skipped {}, which the stream still had", kept.id));
                }
            }
            Some(_) => {}
        }
    }

    /// The verdict at the end of the story.
    pub(crate) fn finish(mut self, expect: &Expect) -> Verdict {
        let reasons: Vec<&str> = self.verdict.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        if let Gaps::Exactly(expected) = &expect.gaps
            && reasons != *expected
        {
            let gaps = format!("{:?}", self.verdict.gaps);
            self.violation(format!("expected the gaps {expected:?}, met {gaps}"));
        }
        if let Some((gap, _)) = &self.pending {
            self.verdict.violations.push(format!("nothing followed {gap:?}"));
        }
        if !expect.incomplete {
            let last = self.history.len() - 1;
            let end = self.history[last].iter().rposition(|fact| !fact.retracted).map_or(0, |index| index + 1);
            let places = self.places.clone().unwrap_or_default();
            let at_end = |&(incarnation, behind): &Place| {
                (incarnation == last && behind >= end)
                    || (end > 0 && !self.reach((incarnation, behind.saturating_sub(1)), &[(last, end)]).is_empty())
            };
            if !places.iter().any(at_end) {
                self.violation(format!("the last of {end} entries was not seen; the client is at {places:?}"));
            }
        }
        self.verdict
    }

    fn violation(&mut self, what: String) {
        self.verdict.violations.push(what);
    }
}
