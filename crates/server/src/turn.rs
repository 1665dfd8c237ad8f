//! How many readers a connection thread wakes at a time.

use std::time::Duration;

use fanfare_protocol::limits::{WAKE_TURN_TARGET, WAKES_PER_TURN_MAX, WAKES_PER_TURN_MIN};

/// The size of a thread's turns. It follows what readers cost: a turn that writes large events to many sockets takes longer than
/// one of small events, and those who wait behind it feel milliseconds, not numbers of readers.
#[derive(Debug)]
pub(crate) struct TurnSize(usize);

impl Default for TurnSize {
    fn default() -> Self {
        Self(WAKES_PER_TURN_MAX)
    }
}

impl TurnSize {
    /// The most readers to wake in the next turn.
    pub(crate) fn get(&self) -> usize {
        self.0
    }

    /// Learns how long a turn of this size took, with all that came in between.
    pub(crate) fn took(&mut self, time: Duration) {
        if time > WAKE_TURN_TARGET {
            self.0 = (self.0 / 2).max(WAKES_PER_TURN_MIN);
        } else if time < WAKE_TURN_TARGET / 2 {
            self.0 = (self.0 * 2).min(WAKES_PER_TURN_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_that_take_long_become_smaller_and_quick_ones_larger_within_bounds() {
        let mut size = TurnSize::default();
        size.took(WAKE_TURN_TARGET);
        assert_eq!(size.get(), WAKES_PER_TURN_MAX);
        (0..10).for_each(|_| size.took(WAKE_TURN_TARGET * 3));
        assert_eq!(size.get(), WAKES_PER_TURN_MIN);
        size.took(WAKE_TURN_TARGET * 3 / 4);
        assert_eq!(size.get(), WAKES_PER_TURN_MIN, "that is as it should be");
        (0..10).for_each(|_| size.took(Duration::ZERO));
        assert_eq!(size.get(), WAKES_PER_TURN_MAX);
    }
}
