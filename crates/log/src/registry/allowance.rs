//! Bytes that readers who are behind may cause to be read.

use std::time::Duration;

use tokio::time::Instant;

/// Refills steadily, up to what one second gives.
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
    pub(super) fn refill_at(&self) -> Option<Instant> {
        if self.bytes > 0 {
            return None;
        }
        let missing = self.bytes.unsigned_abs() + 1;
        let micros = u128::from(missing) * 1_000_000 / u128::from(self.per_second) + 1_000;
        Some(self.at + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }
}
