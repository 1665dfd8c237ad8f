//! When operators are told that it is again and again, or for long, not known what is revoked.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// The time in which lapses are counted, and in which operators are told once.
const WINDOW: Duration = Duration::from_secs(60);

/// So many in that time are no accident.
const MANY: u64 = 10;

/// One that lasts so long is none either.
const LONG: Duration = Duration::from_secs(10);

/// How many [lapses](crate::progress::Progress) there were within [`WINDOW`].
#[derive(Debug)]
pub(crate) struct LapseLog {
    began: Cell<Instant>,
    /// Lapses of the node when that began.
    before: Cell<u64>,
    is_told: Cell<bool>,
}

impl LapseLog {
    /// None yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { began: Cell::new(now), before: Cell::new(0), is_told: Cell::new(false) }
    }

    /// `lapses`: how many there were since the node started; `lasting`: how long this one has lasted. Returns whether operators are to be told.
    pub(crate) fn note(&self, now: Instant, lapses: u64, lasting: Duration) -> bool {
        if now.saturating_duration_since(self.began.get()) >= WINDOW {
            self.began.set(now);
            self.before.set(lapses);
            self.is_told.set(false);
        }
        let is_worth_a_line = lapses.saturating_sub(self.before.get()) >= MANY || lasting >= LONG;
        is_worth_a_line && !self.is_told.replace(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often operators are told, of 600 looks. `lapses`: how many there were by each.
    fn told(every: Duration, lapses: impl Fn(u64) -> u64) -> u64 {
        let began = Instant::now();
        let log = LapseLog::new(began);
        let told = |number: &u64| {
            log.note(began + every * u32::try_from(*number).unwrap(), lapses(*number), Duration::from_secs(1))
        };
        (1..=600).filter(told).count() as u64
    }

    // Fails when a few are told, and when operators are told more often than once in the time.
    #[test]
    fn operators_are_told_once_in_a_minute_and_only_of_many() {
        assert_eq!(told(Duration::from_secs(7), |number| number), 0, "eight in a minute");
        let ten_minutes = told(Duration::from_secs(1), |number| number);
        assert!((9..=10).contains(&ten_minutes), "{ten_minutes} times in ten minutes");
    }

    // Seen to fail when each look counts: one lapse, in which revocations are announced that cannot be read, was told as many.
    #[test]
    fn a_lapse_is_one_however_often_it_is_looked_at() {
        assert_eq!(told(Duration::from_secs(1), |_| 1), 0);
    }

    // Seen to fail when only their number counts: where Redis is too far away for any proof there is one, and it does not end.
    #[test]
    fn a_lapse_that_lasts_is_told_once_in_a_minute() {
        let began = Instant::now();
        let log = LapseLog::new(began);
        let told = |second: &u64| log.note(began + Duration::from_secs(*second), 1, Duration::from_secs(*second));
        assert_eq!((0..=65).filter(told).collect::<Vec<_>>(), [10, 60]);
    }
}
