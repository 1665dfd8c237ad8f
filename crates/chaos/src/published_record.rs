//! What is known about what was published, and up to when it is known completely.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use fanfare_oracle::{HistoryLimits, Ledger};

/// What is remembered of a channel: more than any stream here holds, and than any client lags behind.
const HISTORY_LIMITS: HistoryLimits = HistoryLimits { entries: 6_000, incarnations: 8, looks: 240 };
/// How long after it was observed something is judged, so that what was observed about streams at that time is known.
const LAG_MS: u64 = 800;

/// Milliseconds since the Unix epoch: the clock from which Redis, on the same machine, takes its ids.
pub(crate) fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(elapsed.as_millis()).expect("a clock before the year 500 million")
}

/// Shared by publishers, clients and the fault runner.
#[derive(Debug)]
pub(crate) struct PublishedRecord {
    pub(crate) ledger: Ledger,
    /// Read by every attempt to publish, written by whoever replaces a stream.
    gate: RwLock<()>,
    /// When each [`JudgingHold`] began that has not been dropped.
    holds: Mutex<BTreeSet<(u64, u64)>>,
    serial: AtomicU64,
    /// How often Redis was started again or replaced by its replica.
    restarts: AtomicU64,
}

/// While one is held, nothing is judged that clients see after it was taken: a publish, or a change of a stream, has an
/// outcome that is not known yet. Dropped when it is.
#[derive(Debug)]
pub(crate) struct JudgingHold<'a> {
    record: &'a PublishedRecord,
    key: (u64, u64),
}

impl PublishedRecord {
    pub(crate) fn new() -> Self {
        let (ledger, gate, holds) = (Ledger::with_limits(HISTORY_LIMITS), RwLock::default(), Mutex::default());
        Self { ledger, gate, holds, serial: AtomicU64::new(0), restarts: AtomicU64::new(0) }
    }

    /// How often Redis was started again or replaced by its replica, each time perhaps without entries of which nobody
    /// had been told.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Redis is started again, or its replica takes its place.
    pub(crate) fn note_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Holds whoever wants to replace a stream off, for the time of one attempt to publish.
    pub(crate) fn publishing(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for all attempts under way, and holds new ones off.
    pub(crate) fn replacing(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What clients see from now on is judged only when the result has been dropped.
    pub(crate) fn hold_judging(&self) -> JudgingHold<'_> {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (now_ms(), self.serial.fetch_add(1, Ordering::Relaxed));
        holds.insert(key);
        JudgingHold { record: self, key }
    }

    /// Everything that clients saw before this time can be judged.
    pub(crate) fn horizon_ms(&self) -> u64 {
        let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = holds.first().map_or(u64::MAX, |(begun, _)| *begun);
        // Two milliseconds for the different roundings of two readers of one clock.
        begun.min(now_ms() - LAG_MS).saturating_sub(2)
    }
}

impl Drop for JudgingHold<'_> {
    fn drop(&mut self) {
        self.record.holds.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
