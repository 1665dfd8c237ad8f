//! What the operator has promised about the life of streams, and who has seen that it was not kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fanfare_protocol::limits::MIN_LIVES_MAX;
use fanfare_protocol::{LogName, Pattern};

use crate::broken_channels::BrokenChannels;
use crate::min_life::MinLife;
use crate::permanence::Permanence;

/// The operator's promises. Cheap to clone; clones share what is known. Whoever reads streams asks here, and tells here of a stream that
/// lives shorter than was promised.
#[derive(Debug, Clone, Default)]
pub struct MinLives {
    /// By channel.
    promises: Arc<[Promise]>,
    /// When channels were last seen to break them, by the store's clock.
    broken: Arc<BrokenChannels>,
    permanence: Permanence,
}

/// One promise: no stream of a channel that matches ends sooner after its last entry.
#[derive(Debug)]
struct Promise {
    pattern: Pattern,
    min_life: Duration,
    expiries: AtomicU64,
    ends: AtomicU64,
    is_told: AtomicBool,
}

/// How a stream was seen to break a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenBy {
    /// It will expire too early (`PTTL`).
    Expiry,
    /// It has ended.
    End,
}

/// A stream that ends, as somebody has seen it. All times are those of the store's clock.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// The time of its last entry.
    pub last_ms: u64,
    /// When it ends, or was seen to have ended.
    pub end_ms: u64,
    /// When that was seen.
    pub seen_ms: u64,
    /// How it breaks the promise if it does.
    pub by: BrokenBy,
}

impl MinLives {
    /// Promises, the first that matches a channel counts. Those beyond [`MIN_LIVES_MAX`] are not looked at.
    #[must_use]
    pub fn new(promises: impl IntoIterator<Item = (Pattern, Duration)>) -> Self {
        let promise = |(pattern, min_life)| Promise {
            pattern,
            min_life,
            expiries: AtomicU64::new(0),
            ends: AtomicU64::new(0),
            is_told: AtomicBool::new(false),
        };
        let promises = promises.into_iter().take(MIN_LIVES_MAX).map(promise).collect();
        Self { promises, ..Self::default() }
    }

    /// The same with the promise that streams do not expire at all.
    #[must_use]
    pub fn permanent(self) -> Self {
        Self { permanence: Permanence::new(true), ..self }
    }

    /// Whether that is promised, and how it is kept.
    #[must_use]
    pub fn permanence(&self) -> &Permanence {
        &self.permanence
    }

    /// Whether nothing is promised about how long streams live that expire.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.promises.is_empty()
    }

    /// Whether an operator promises something about a log. Of the gateway's own none need to.
    #[must_use]
    pub fn covers(&self, log: &LogName) -> bool {
        self.promise(log).is_some()
    }

    /// How long the streams of a log live at least, by all that is known now.
    #[must_use]
    pub fn of(&self, log: &LogName) -> MinLife {
        if log.is_system() {
            return MinLife::UNENDING;
        }
        self.promise(log).map_or(MinLife::LEAST, |promise| promise.min_life(self.broken.last(log)))
    }

    /// A stream of the log ends. Counts it if that breaks the promise and was not known, and says so once for each promise.
    pub fn note(&self, log: &LogName, ending: Ending) {
        let Some(promise) = self.promise(log) else { return };
        let is_news = |known_ms| promise.min_life(known_ms).is_broken_by(ending.last_ms, ending.end_ms);
        // Somebody else may note the same at the same time.
        if !is_news(self.broken.last(log)) || !is_news(self.broken.note(log, ending.seen_ms)) {
            return;
        }
        promise.count(ending.by).fetch_add(1, Ordering::Relaxed);
        if !promise.is_told.swap(true, Ordering::Relaxed) {
            promise.tell(log, ending);
        }
    }

    /// How many streams were seen to break a promise in that way.
    #[must_use]
    pub fn broken(&self, by: BrokenBy) -> u64 {
        self.promises.iter().map(|promise| promise.count(by).load(Ordering::Relaxed)).sum()
    }

    fn promise(&self, log: &LogName) -> Option<&Promise> {
        let LogName::Channel(name) = log else { return None };
        self.promises.iter().find(|promise| promise.pattern.matches(name.as_str()))
    }
}

impl Promise {
    fn min_life(&self, broken_ms: u64) -> MinLife {
        MinLife::promised(self.min_life).broken_at(broken_ms)
    }

    fn count(&self, by: BrokenBy) -> &AtomicU64 {
        match by {
            BrokenBy::Expiry => &self.expiries,
            BrokenBy::End => &self.ends,
        }
    }

    fn tell(&self, log: &LogName, ending: Ending) {
        let lived = Duration::from_millis(ending.end_ms.saturating_sub(ending.last_ms));
        let what = match ending.by {
            BrokenBy::Expiry => "expires",
            BrokenBy::End => "ended",
        };
        tracing::warn!(
            channel = %log,
            pattern = self.pattern.as_str(),
            promised = ?self.min_life,
            ?lived,
            "the stream {what} sooner after its last entry than min_life promises; an absence of this channel from before now \
             proves something for 60 s only (told once; see fanfare_min_life_broken_total)"
        );
    }
}

#[cfg(test)]
mod tests;
