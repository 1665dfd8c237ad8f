//! When operators are told that it is again and again, or for long, not known what is revoked.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// The time in which lapses are counted, and in which operators are told once.
const WINDOW: Duration = Duration::from_secs(60);

/// So many in that time are no accident.
const MANY: u64 = 10;

/// One that lasts so long on one link of the feed is none either.
const LONG: Duration = Duration::from_secs(10);

/// How many [lapses](crate::progress::Progress) there were within [`WINDOW`], and how long the present one has lasted. While the feed is away
/// nothing is told, and nothing counts for how long a lapse has lasted: that Redis is away is told elsewhere, and the log is read again after it.
#[derive(Debug)]
pub(crate) struct LapseLog {
    began: Cell<Instant>,
    /// Lapses of the node when that began.
    before: Cell<u64>,
    is_told: Cell<bool>,
    /// The feed's present link, and since when it has not been known on it what is revoked. `None`: it is known, or the feed is away.
    present: Cell<Option<(u64, Instant)>>,
}

impl LapseLog {
    /// None yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { began: Cell::new(now), before: Cell::new(0), is_told: Cell::new(false), present: Cell::new(None) }
    }

    /// It is not known what is revoked. `link`: of the feed, see [`fanfare_log::Hub::link`]; `lapses`: how many there were since the node
    /// started. Returns whether operators are to be told.
    pub(crate) fn note(&self, now: Instant, link: Option<u64>, lapses: u64) -> bool {
        if now.saturating_duration_since(self.began.get()) >= WINDOW {
            self.began.set(now);
            self.before.set(lapses);
            self.is_told.set(false);
        }
        let before = self.present.get();
        let present = link.map(|link| before.filter(|(of, _)| *of == link).unwrap_or((link, now)));
        self.present.set(present);
        let Some((_, since)) = present else { return false };
        let are_many = lapses.saturating_sub(self.before.get()) >= MANY;
        let is_long = now.saturating_duration_since(since) >= LONG;
        (are_many || is_long) && !self.is_told.replace(true)
    }

    /// It is known what is revoked.
    pub(crate) fn end(&self) {
        self.present.set(None);
    }

    /// When the present lapse is to be [noted](Self::note) again, if it lasts until then and nothing else happens: operators are told then.
    /// Later than the last time that was noted.
    pub(crate) fn due(&self) -> Option<Instant> {
        let (_, since) = self.present.get()?;
        let is_long = since + LONG;
        Some(if self.is_told.get() { is_long.max(self.began.get() + WINDOW) } else { is_long })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How often operators are told, of 600 looks at lapses of which each is over before the next look. `lapses`: how many there were by each.
    fn told(every: Duration, lapses: impl Fn(u64) -> u64) -> u64 {
        let began = Instant::now();
        let log = LapseLog::new(began);
        let told = |number: &u64| {
            let is_told = log.note(began + every * u32::try_from(*number).unwrap(), Some(1), lapses(*number));
            log.end();
            is_told
        };
        (1..=600).filter(told).count() as u64
    }

    /// In which of these seconds operators are told of one lapse. `link`: of the feed in each of them.
    fn told_in(seconds: std::ops::RangeInclusive<u32>, link: impl Fn(u32) -> Option<u64>) -> Vec<u32> {
        let began = Instant::now();
        let log = LapseLog::new(began);
        seconds.filter(|second| log.note(began + SECOND * *second, link(*second), 1)).collect()
    }

    // Fails when a few are told, and when operators are told more often than once in the time.
    #[test]
    fn operators_are_told_once_in_a_minute_and_only_of_many() {
        assert_eq!(told(7 * SECOND, |number| number), 0, "eight in a minute");
        let ten_minutes = told(SECOND, |number| number);
        assert!((9..=10).contains(&ten_minutes), "{ten_minutes} times in ten minutes");
    }

    // Seen to fail when each look counts: one lapse, in which revocations are announced that cannot be read, was told as many. Seen to fail,
    // too, when the end of a lapse is not noted: short ones count as one that lasts.
    #[test]
    fn a_lapse_is_one_however_often_it_is_looked_at() {
        assert_eq!(told(SECOND, |_| 1), 0);
    }

    // Seen to fail when only their number counts: where Redis is too far away for any proof there is one, and it does not end.
    #[test]
    fn a_lapse_that_lasts_is_told_once_in_a_minute() {
        assert_eq!(told_in(0..=65, |_| Some(1)), [10, 60]);
    }

    // Seen to fail when the time without a link counts, and when a lapse goes on from one link to the next.
    #[test]
    fn a_lapse_lasts_as_long_as_it_has_on_the_present_link() {
        let outage = |second| (second >= 20).then_some(2);
        assert_eq!(told_in(0..=40, outage), [30]);
        let other_link = |second| Some(if second < 5 { 1 } else { 2 });
        assert_eq!(told_in(0..=20, other_link), [15]);
    }

    // Seen to fail when it is never due, and when it is due again at once after it was told.
    #[test]
    fn a_lapse_is_due_when_it_is_to_be_told() {
        let began = Instant::now();
        let log = LapseLog::new(began);
        assert_eq!(log.due(), None);
        assert!(!log.note(began + SECOND, Some(1), 1));
        assert_eq!(log.due(), Some(began + 11 * SECOND));
        assert!(log.note(began + 11 * SECOND, Some(1), 1));
        assert_eq!(log.due(), Some(began + WINDOW));
        assert!(log.note(began + WINDOW, Some(1), 1));
        assert_eq!(log.due(), Some(began + 2 * WINDOW));
        log.end();
        assert_eq!(log.due(), None);
    }
}
