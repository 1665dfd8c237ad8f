//! Everything that happens because time passes: linger, retries, keyspace doorbells, reconciles.

use std::cmp::Reverse;
use std::time::Duration;

use fanfare_protocol::Position;
use tokio::time::Instant;

use super::Registry;
use crate::absence;
use crate::archive::ArchiveError;

/// A reconcile interval is cut into so many sweeps, each over its share of the channels: the load is spread.
pub(super) const SWEEPS: u32 = 32;

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// What a timer is for. Timers are not cancelled: when one fires, the channel's present state decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Nobody has read for long enough.
    Linger,
    /// The push that belongs to a keyspace notification should have arrived.
    Keyspace,
    /// The archive may be asked again.
    Retry,
    /// A stream that does not exist is looked for again: its absence is a position that ages.
    Absence,
}

impl Registry {
    /// When [`Registry::on_time`] has to be called next.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let timer = self.timers.peek().map_or(self.next_sweep, |Reverse((at, _, _))| *at);
        let next = timer.min(self.next_sweep);
        if self.paging.is_empty() {
            return next;
        }
        // For those who want pages there is enough to spend again, or room again.
        [self.allowance.refill_at(), self.untaken.until()].into_iter().flatten().fold(next, Instant::min)
    }

    /// Does what is due.
    pub fn on_time(&mut self, now: Instant) {
        while let Some(&Reverse((at, key, timer))) = self.timers.peek() {
            if at > now {
                break;
            }
            self.timers.pop();
            match timer {
                Timer::Linger => self.on_linger(key, now),
                Timer::Keyspace => self.on_keyspace(key),
                Timer::Retry => self.on_retry(key),
                Timer::Absence => self.on_absence(key),
            }
        }
        if self.next_sweep <= now {
            let period = self.options.reconcile_interval / SWEEPS;
            self.next_sweep = now + self.random.spread(period);
            self.sweep();
        }
    }

    /// Compares the next share of the channels with their streams: a lost last push has no successor to reveal it.
    fn sweep(&mut self) {
        let untold = self.broken.renew();
        if untold > 0 {
            tracing::warn!(channels = untold, "history is not contiguous in more channels");
        }
        // Whole channels only: what is left over counts for the next sweep, so that each gets its turn once an interval.
        self.sweep_credit += self.by_name.len();
        let mut share = self.sweep_credit / SWEEPS as usize;
        self.sweep_credit %= SWEEPS as usize;
        while let Some(key) = self.sweep.pop_front() {
            // A closed channel takes nobody's turn.
            if !self.logs.contains_key(&key) {
                continue;
            }
            if share == 0 {
                self.sweep.push_front(key);
                break;
            }
            share -= 1;
            self.sweep.push_back(key);
            self.queue_tip(key);
        }
    }

    /// Sees to it that absences proven in this turn are renewed. One timer per channel.
    pub(super) fn renew_absences(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.absent) {
            if let Some(log) = self.logs.get_mut(&key)
                && !std::mem::replace(&mut log.renewing, true)
            {
                let at = absence::renew_at(now, self.began, self.options.reconcile_interval, &self.random);
                self.timers.push(Reverse((at, key, Timer::Absence)));
            }
        }
    }

    fn on_absence(&mut self, key: usize) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        log.renewing = false;
        let absent =
            log.channel.lock().tail.as_ref().is_some_and(|tail| matches!(tail.head(), Position::Absent { .. }));
        if absent {
            self.queue_tip(key);
        }
    }

    fn on_linger(&mut self, key: usize, now: Instant) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        log.lingering = false;
        let Some(since) = log.idle_since else { return };
        if now < since + self.options.linger {
            self.start_linger(key, since);
        } else if self.hub.forget(&log.channel) {
            self.close(key);
        }
    }

    /// Closes the channel when nobody has read for long enough. One timer per channel, however often readers come and go.
    pub(super) fn start_linger(&mut self, key: usize, since: Instant) {
        if let Some(log) = self.logs.get_mut(&key)
            && !std::mem::replace(&mut log.lingering, true)
        {
            self.timers.push(Reverse((since + self.options.linger, key, Timer::Linger)));
        }
    }

    fn on_keyspace(&mut self, key: usize) {
        if let Some(log) = self.logs.get_mut(&key)
            && std::mem::take(&mut log.awaited) > 0
        {
            self.ring_key(key);
        }
    }

    fn on_retry(&mut self, key: usize) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        log.resting = false;
        let wanting = log.is_wanting();
        if log.dirty {
            self.queue_dirty(key);
        }
        self.queue_tip(key);
        if wanting {
            self.queue_page(key);
        }
    }

    /// The archive failed for a channel: rests, longer each time, then compares and reads again. Readers keep their place.
    pub(super) fn on_failure(&mut self, key: usize, error: &ArchiveError, now: Instant) {
        self.stats.failed_reads.add(1);
        let Some(log) = self.logs.get_mut(&key) else { return };
        tracing::debug!(channel = %log.channel.name, %error, "a read of the archive failed");
        if log.channel.lock().tail.is_none()
            && let ArchiveError::WrongType | ArchiveError::Denied(_) = error
        {
            self.refuse(key, &error.to_string());
        }
        if matches!(error, ArchiveError::WrongType) {
            self.on_wrong_type(key);
        }
        let Some(log) = self.logs.get_mut(&key) else { return };
        if !log.resting {
            log.resting = true;
            let rest = (RETRY_FIRST * 2u32.saturating_pow(log.failures.min(8))).min(RETRY_LAST);
            log.failures += 1;
            self.timers.push(Reverse((now + self.random.spread(rest), key, Timer::Retry)));
        }
    }
}

/// Bytes that readers who are behind may still cause to be read.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second: u64,
    /// May be negative: the last page may cost more than is left.
    bytes: i64,
    at: Instant,
}

impl Allowance {
    pub(super) fn new(per_second: u64, now: Instant) -> Self {
        let per_second = per_second.max(1);
        Self { per_second, bytes: i64::try_from(per_second).unwrap_or(i64::MAX), at: now }
    }

    pub(super) fn is_available(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at);
        let earned = u128::from(self.per_second) * elapsed.as_micros() / 1_000_000;
        if earned > 0 {
            let cap = i64::try_from(self.per_second).unwrap_or(i64::MAX);
            self.bytes = self.bytes.saturating_add(i64::try_from(earned).unwrap_or(i64::MAX)).min(cap);
            self.at = now;
        }
        self.bytes > 0
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Gives back what was reserved and not spent.
    pub(super) fn refund(&mut self, bytes: usize) {
        let cap = i64::try_from(self.per_second).unwrap_or(i64::MAX);
        self.bytes = self.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX)).min(cap);
    }

    /// When there will be something to spend again; `None` if there is now.
    fn refill_at(&self) -> Option<Instant> {
        if self.bytes > 0 {
            return None;
        }
        let missing = self.bytes.unsigned_abs() + 1;
        let micros = u128::from(missing) * 1_000_000 / u128::from(self.per_second) + 1_000;
        Some(self.at + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }
}
