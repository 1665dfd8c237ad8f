//! How many connections are cut, and when.

use std::time::Duration;

/// Cuts come in small groups, this far apart.
pub(super) const TURN: Duration = Duration::from_millis(20);

/// How many connections are cut.
#[derive(Debug, Default)]
pub(super) struct Churn {
    per_second: f64,
    /// Cuts that are due; less than one waits for the next turn.
    due: f64,
    running: bool,
}

impl Churn {
    /// Asks for `per_second` cuts; 0 ends it. Whether a first turn has to be arranged: turns that run already go on.
    pub(super) fn set(&mut self, per_second: f64) -> bool {
        self.per_second = per_second;
        let begins = per_second > 0.0 && !self.running;
        self.running |= begins;
        begins
    }

    /// The cuts of this turn; `None` when it was the last one.
    pub(super) fn turn(&mut self) -> Option<usize> {
        if self.per_second <= 0.0 {
            self.running = false;
            return None;
        }
        self.due += self.per_second * TURN.as_secs_f64();
        let cuts = self.due.floor();
        self.due -= cuts;
        Some(cuts as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when the part of a cut that is left over is forgotten.
    #[test]
    fn cuts_add_up_to_the_rate_over_many_turns() {
        let mut churn = Churn::default();
        assert!(churn.set(60.0));
        let cuts: Vec<usize> = (0..100).map_while(|_| churn.turn()).collect();
        assert_eq!(cuts.len(), 100);
        // Two seconds; the last cut may wait for the next turn.
        let sum: usize = cuts.iter().sum();
        assert!((119..=120).contains(&sum) && cuts.iter().all(|&count| count <= 2), "{cuts:?}");
    }

    // Seen to fail when every order arranges a turn, and when turns that have ended count as running.
    #[test]
    fn turns_are_arranged_once_until_they_have_ended() {
        let mut churn = Churn::default();
        assert!(!churn.set(0.0));
        assert!(churn.set(50.0));
        assert!(!churn.set(100.0), "a turn is on its way");
        assert_eq!(churn.turn(), Some(2));
        assert!(!churn.set(0.0) && !churn.set(50.0), "the turn that is on its way goes on with the new rate");
        assert!(!churn.set(0.0));
        assert_eq!(churn.turn(), None);
        assert!(churn.set(50.0));
    }
}
