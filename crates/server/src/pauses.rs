//! How often it was not known lately what is revoked, for the log of the node.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// The time in which they are counted, and in which operators are told once.
const WINDOW: Duration = Duration::from_secs(60);

/// So many in that time are no accident.
const MANY: u32 = 10;

/// How often it was not known within [`WINDOW`] what is revoked.
#[derive(Debug)]
pub(crate) struct Pauses {
    began: Cell<Instant>,
    count: Cell<u32>,
}

impl Pauses {
    /// None yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { began: Cell::new(now), count: Cell::new(0) }
    }

    /// It is not known now, and something has changed since the last time. Returns whether operators are to be told.
    pub(crate) fn note(&self, now: Instant) -> bool {
        if now.saturating_duration_since(self.began.get()) >= WINDOW {
            self.began.set(now);
            self.count.set(0);
        }
        self.count.set(self.count.get().saturating_add(1));
        self.count.get() == MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when a few are told, and when operators are told more often than once in the time.
    #[test]
    fn operators_are_told_once_in_a_minute_and_only_of_many() {
        let began = Instant::now();
        let told = |every: Duration| {
            let pauses = Pauses::new(began);
            let told = (1..=600).filter(|number| pauses.note(began + every * *number)).count();
            (told, (every * 600).as_secs() / 60)
        };
        assert_eq!(told(Duration::from_secs(7)).0, 0, "eight in a minute");
        let (told, minutes) = told(Duration::from_secs(1));
        assert!(told as u64 + 1 >= minutes && told as u64 <= minutes, "{told} times in {minutes} minutes");
    }
}
