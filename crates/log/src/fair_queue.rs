//! A queue in which payers take turns: one who wants much does not hold up another who wants little.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use crate::payer::Payer;

/// What one payer wants, in the order in which it was asked for.
#[derive(Debug)]
struct Line<K> {
    /// The number of the payer's turn.
    turn: u64,
    keys: BTreeMap<u64, K>,
}

/// Keys that wait for their turn, each at most once. Payers take turns; the keys of one payer come in the order of their arrival.
#[derive(Debug)]
pub(crate) struct FairQueue<K> {
    /// The number for the next arrival or turn.
    next: u64,
    turns: BTreeMap<u64, Payer>,
    lines: HashMap<Payer, Line<K>>,
    members: HashMap<K, (Payer, u64)>,
}

impl<K> Default for FairQueue<K> {
    fn default() -> Self {
        Self { next: 0, turns: BTreeMap::new(), lines: HashMap::new(), members: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash> FairQueue<K> {
    /// Adds a key at the end of its payer's line. A key that waits already stays where it is.
    pub(crate) fn push(&mut self, payer: Payer, key: K) {
        if self.members.contains_key(&key) {
            return;
        }
        let arrival = self.number();
        let turn = self.number();
        let line = self.lines.entry(payer).or_insert_with(|| {
            self.turns.insert(turn, payer);
            Line { turn, keys: BTreeMap::new() }
        });
        line.keys.insert(arrival, key.clone());
        self.members.insert(key, (payer, arrival));
    }

    /// Takes the oldest key of the payer whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<K> {
        let payer = *self.turns.first_key_value()?.1;
        let key = self.pop_of(payer)?;
        let turn = self.number();
        if let Some(line) = self.lines.get_mut(&payer) {
            self.turns.remove(&line.turn);
            line.turn = turn;
            self.turns.insert(turn, payer);
        }
        Some(key)
    }

    /// Takes the oldest key of this payer, out of turn: its turn comes as if it had not been served.
    pub(crate) fn pop_of(&mut self, payer: Payer) -> Option<K> {
        let line = self.lines.get_mut(&payer)?;
        let (_, key) = line.keys.pop_first()?;
        self.members.remove(&key);
        if line.keys.is_empty() {
            self.turns.remove(&line.turn);
            self.lines.remove(&payer);
        }
        self.shrink();
        Some(key)
    }

    /// Takes a key out, whose turn does not come any more.
    pub(crate) fn remove(&mut self, key: &K) {
        let Some((payer, arrival)) = self.members.remove(key) else { return };
        let Some(line) = self.lines.get_mut(&payer) else { return };
        line.keys.remove(&arrival);
        if line.keys.is_empty() {
            self.turns.remove(&line.turn);
            self.lines.remove(&payer);
        }
        self.shrink();
    }

    /// Gives back the memory of an empty queue: a crowd leaves nothing behind.
    fn shrink(&mut self) {
        if self.members.is_empty() {
            *self = Self { next: self.next, ..Self::default() };
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn drain<K: Clone + Eq + Hash>(queue: &mut FairQueue<K>) -> Vec<K> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    // Seen to fail when keys come in the order of their arrival alone.
    #[test]
    fn who_wants_one_thing_is_not_held_up_by_who_wants_a_thousand() {
        let (many, one) = (Payer::of(1), Payer::of(2));
        let mut queue = FairQueue::default();
        (0..1000).for_each(|key| queue.push(many, key));
        queue.push(one, 7_777);
        let order = drain(&mut queue);
        assert_eq!(order.iter().position(|key| *key == 7_777), Some(1));
        assert_eq!(order.iter().filter(|key| **key < 1000).copied().collect::<Vec<_>>(), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_payer_that_is_alone_waits_for_nobody_and_a_key_stands_once() {
        let mut queue = FairQueue::default();
        [3, 1, 3, 2].into_iter().for_each(|key| queue.push(Payer::of(1), key));
        queue.push(Payer::of(2), 1);
        assert_eq!(drain(&mut queue), [3, 1, 2]);
        assert!(queue.is_empty());
    }

    // Seen to fail when it loses its turn by that.
    #[test]
    fn who_is_served_out_of_turn_keeps_its_turn() {
        let (first, second) = (Payer::of(1), Payer::of(2));
        let mut queue = FairQueue::default();
        (0..3).for_each(|key| queue.push(first, key));
        (10..12).for_each(|key| queue.push(second, key));
        assert_eq!((queue.pop_of(first), queue.pop_of(Payer::of(3))), (Some(0), None));
        assert_eq!(drain(&mut queue), [1, 10, 2, 11]);
        queue.push(first, 4);
        assert_eq!((queue.pop_of(first), queue.pop()), (Some(4), None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

        #[test]
        fn every_key_comes_once_in_the_order_of_its_payer_unless_it_was_taken_out(
            steps in proptest::collection::vec((0u8..5, 0u64..4, 0u32..12), 0..120),
        ) {
            let mut queue = FairQueue::default();
            let mut lines: HashMap<u64, VecDeque<u32>> = HashMap::new();
            for (what, payer, key) in steps {
                let waits = lines.values().any(|line| line.contains(&key));
                match what {
                    0 | 1 => {
                        queue.push(Payer::of(payer), key);
                        if !waits {
                            lines.entry(payer).or_default().push_back(key);
                        }
                    }
                    2 => {
                        queue.remove(&key);
                        lines.values_mut().for_each(|line| line.retain(|other| *other != key));
                    }
                    3 => {
                        let popped = queue.pop_of(Payer::of(payer));
                        prop_assert_eq!(popped, lines.get_mut(&payer).and_then(VecDeque::pop_front));
                    }
                    _ => {
                        let popped = queue.pop();
                        let fronts: Vec<_> = lines.values().filter_map(|line| line.front().copied()).collect();
                        prop_assert_eq!(popped.is_none(), fronts.is_empty());
                        if let Some(key) = popped {
                            prop_assert!(fronts.contains(&key));
                            lines.values_mut().for_each(|line| line.retain(|other| *other != key));
                        }
                    }
                }
                prop_assert_eq!(queue.turns.len(), queue.lines.len(), "a payer has one turn while it wants something");
                prop_assert_eq!(queue.members.len(), lines.values().map(VecDeque::len).sum::<usize>());
            }
        }
    }
}
