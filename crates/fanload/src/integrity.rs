//! What was right and wrong with everything that clients received.

use serde::{Deserialize, Serialize};

use crate::thousands::grouped;

/// Counts over all connections and channels. A breach is anything that the guarantee forbids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integrity {
    /// Events received, each once per connection.
    pub delivered: u64,
    /// Events that are missing between two that came, and that no `$gap` announced. A breach.
    pub lost: u64,
    /// Events that had come already. A breach.
    pub doubled: u64,
    /// Events that came after a later one. A breach.
    pub out_of_order: u64,
    /// Events whose data is shorter or longer than what was published, or of a channel that the connection did not ask for. A breach.
    pub damaged: u64,
    /// Pairs of connection and channel that did not get the last event within the deadline. A breach.
    pub silent: u64,
    /// `$gap` events.
    pub gaps: u64,
    /// Events that are missing, but were announced by a `$gap`.
    pub announced: u64,
    /// Events that are missing, but that Redis does not have, or perhaps not: the connection over which they were published
    /// broke (see [`Breaks`](crate::publish::Breaks)).
    pub excused: u64,
    /// Data that was not published by us.
    pub foreign: u64,
}

impl Integrity {
    /// Whether the guarantee was kept.
    pub fn holds(&self) -> bool {
        self.lost + self.doubled + self.out_of_order + self.damaged + self.silent == 0
    }

    /// What is wrong, in a few words; empty when nothing is.
    pub fn faults(&self) -> String {
        let faults = [
            (self.lost, "lost"),
            (self.doubled, "doubled"),
            (self.out_of_order, "out of order"),
            (self.damaged, "damaged"),
            (self.silent, "silent"),
        ];
        let faults = faults.iter().filter(|(count, _)| *count > 0);
        faults.map(|(count, word)| format!("{} {word}", grouped(*count as f64, 0))).collect::<Vec<_>>().join(", ")
    }

    /// Adds what another part of the clients saw.
    pub fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
        self.damaged += other.damaged;
        self.silent += other.silent;
        self.gaps += other.gaps;
        self.announced += other.announced;
        self.excused += other.excused;
        self.foreign += other.foreign;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when a kind of breach has no word.
    #[test]
    fn whatever_is_a_breach_has_a_word() {
        let all =
            Integrity { lost: 14_380, doubled: 1, out_of_order: 2, damaged: 3, silent: 4, ..Integrity::default() };
        assert_eq!(all.faults(), "14,380 lost, 1 doubled, 2 out of order, 3 damaged, 4 silent");
        assert_eq!(Integrity { announced: 7, excused: 8, foreign: 9, ..Integrity::default() }.faults(), "");
    }
}
