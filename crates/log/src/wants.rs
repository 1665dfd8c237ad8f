//! What the readers of one channel want of its archive, and in whose turn it is read.
//!
//! Readers ask under the channel's lock, and again whenever they are woken: an answer begins a new *round*. A want that its reader
//! has not repeated in two rounds is forgotten, so what readers wanted who are gone is not read. A want keeps its place in
//! its payer's line however often it is repeated: a reader who asks again and again does not overtake another.

use std::collections::{BTreeMap, BTreeSet};

use fanfare_protocol::Position;

use crate::payer::Payer;

/// Something that a reader needs from the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Want {
    /// Where the newest n entries begin.
    Newest(usize),
    /// The page after a position.
    Page(Position),
}

/// What is known of one want.
#[derive(Debug)]
struct Asked {
    /// The round in which a reader last asked for it.
    round: u64,
    /// Who asked, with its place in the line of that payer.
    by: BTreeMap<Payer, u64>,
}

#[derive(Debug, Default)]
struct Lines {
    round: u64,
    /// The number of the next place in a line.
    next: u64,
    wants: BTreeMap<Want, Asked>,
    lines: BTreeMap<Payer, BTreeMap<u64, Want>>,
    /// Who has asked since the ingest last looked.
    askers: BTreeSet<Payer>,
}

/// The wants of one channel's readers. Bounded by the number of readers: each has at most one at a time, and what it wanted before
/// is forgotten within two rounds. Takes no memory while there is none.
#[derive(Debug, Default)]
pub struct Wants(Option<Box<Lines>>);

impl Wants {
    /// A reader wants something; `payer` pays for it.
    pub fn insert(&mut self, payer: Payer, want: Want) {
        let Lines { round, next, wants, lines, askers } = &mut **self.0.get_or_insert_default();
        askers.insert(payer);
        let entry = wants.entry(want).or_insert_with(|| Asked { round: *round, by: BTreeMap::new() });
        entry.round = *round;
        entry.by.entry(payer).or_insert_with(|| {
            *next += 1;
            lines.entry(payer).or_default().insert(*next, want);
            *next
        });
    }

    /// Who has asked since the last call.
    pub fn take_askers(&mut self) -> BTreeSet<Payer> {
        let Some(lines) = self.0.as_deref_mut() else { return BTreeSet::new() };
        let askers = std::mem::take(&mut lines.askers);
        if lines.wants.is_empty() {
            self.0 = None;
        }
        askers
    }

    /// Who wants something.
    pub fn payers(&self) -> impl Iterator<Item = Payer> {
        self.0.iter().flat_map(|lines| lines.lines.keys().copied())
    }

    /// The number of different wants.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |lines| lines.wants.len())
    }

    /// Forgets everything that is wanted; the readers have to be woken, and ask again for what they still need.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// Everything that is wanted.
    pub fn iter(&self) -> impl Iterator<Item = &Want> {
        self.0.iter().flat_map(|lines| lines.wants.keys())
    }

    /// The oldest want of a payer that is `due`. A want that was not repeated in this round and `is_answered` is forgotten.
    pub(crate) fn next(
        &mut self,
        payer: Payer,
        is_due: impl Fn(&Want) -> bool,
        is_answered: impl Fn(&Want) -> bool,
    ) -> Option<Want> {
        let (mut found, mut over) = (None, Vec::new());
        let lines = self.0.as_deref()?;
        for want in lines.lines.get(&payer)?.values() {
            let age = lines.wants.get(want).map_or(0, |asked| lines.round - asked.round);
            if age > 1 || (age == 1 && is_answered(want)) {
                over.push(*want);
            } else if is_due(want) {
                found = Some(*want);
                break;
            }
        }
        over.iter().for_each(|want| self.remove(want));
        found
    }

    /// Whether a payer wants something that is `due`.
    pub(crate) fn has(&self, payer: Payer, is_due: impl Fn(&Want) -> bool) -> bool {
        self.0.as_ref().and_then(|lines| lines.lines.get(&payer)).is_some_and(|line| line.values().any(is_due))
    }

    /// Forgets a want, whoever asked for it.
    pub(crate) fn remove(&mut self, want: &Want) {
        let Some(lines) = self.0.as_deref_mut() else { return };
        let Some(Asked { by, .. }) = lines.wants.remove(want) else { return };
        for (payer, place) in by {
            let Some(line) = lines.lines.get_mut(&payer) else { continue };
            line.remove(&place);
            if line.is_empty() {
                lines.lines.remove(&payer);
            }
        }
        if lines.wants.is_empty() && lines.askers.is_empty() {
            self.0 = None;
        }
    }

    /// A want was answered, and every reader that waits is woken: who still wants something asks again. Returns how many payers
    /// wanted the same, beside the first.
    pub(crate) fn answered(&mut self, want: &Want) -> usize {
        let asked = self.0.as_ref().and_then(|lines| lines.wants.get(want));
        let others = asked.map_or(0, |asked| asked.by.len().saturating_sub(1));
        self.remove(want);
        if let Some(lines) = self.0.as_deref_mut() {
            lines.round += 1;
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Want = Want::Newest(1);
    const B: Want = Want::Newest(2);

    fn next(wants: &mut Wants, payer: Payer) -> Option<Want> {
        wants.next(payer, |_| true, |_| false)
    }

    // Seen to fail when the next want is the next one in ascending order.
    #[test]
    fn a_reader_that_always_wants_more_does_not_starve_another_that_waits() {
        let (mut wants, payer) = (Wants::default(), Payer::of(1));
        wants.insert(payer, Want::Newest(50));
        wants.insert(payer, A);
        assert_eq!(next(&mut wants, payer), Some(Want::Newest(50)));
        wants.answered(&Want::Newest(50));
        // It is the first to ask again, and asks for what comes next.
        wants.insert(payer, Want::Newest(51));
        wants.insert(payer, A);
        assert_eq!(next(&mut wants, payer), Some(A));
    }

    // Seen to fail when wants are forgotten only by an answer to them.
    #[test]
    fn what_a_reader_wanted_that_is_gone_is_forgotten_within_two_rounds() {
        let (mut wants, payer) = (Wants::default(), Payer::of(1));
        wants.insert(payer, B);
        for round in 0..2 {
            wants.insert(payer, A);
            wants.answered(&A);
            assert_eq!(wants.iter().count(), 1, "round {round}");
        }
        assert_eq!(next(&mut wants, payer), None);
        wants.take_askers();
        wants.insert(payer, B);
        wants.take_askers();
        wants.remove(&B);
        assert!(wants.0.is_none(), "nothing is left: {wants:?}");
    }

    #[test]
    fn an_answer_serves_everybody_who_asked_for_the_same() {
        let (mut wants, one, other) = (Wants::default(), Payer::of(1), Payer::of(2));
        wants.insert(one, A);
        wants.insert(other, A);
        wants.insert(other, B);
        assert_eq!(wants.take_askers().len(), 2);
        assert_eq!((next(&mut wants, one), next(&mut wants, other)), (Some(A), Some(A)));
        wants.insert(one, B);
        wants.insert(other, Want::Newest(3));
        assert_eq!(wants.answered(&A), 1, "who wants something else is not answered and asks again");
        wants.remove(&Want::Newest(3));
        assert_eq!((next(&mut wants, one), next(&mut wants, other)), (Some(B), Some(B)));
        // It did not repeat it, and what has come may be what it wants.
        assert_eq!(wants.next(other, |_| true, |_| true), None);
        assert!(!wants.has(other, |_| true));
    }
}
