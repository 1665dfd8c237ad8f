//! The keys that an issuer publishes, as they were read last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare_protocol::limits::KEY_SET_MARGIN;
use tokio::sync::watch;

use crate::key_set::KeySet;
use crate::refusal::Refusal;
use crate::unix_seconds::UnixSeconds;
use crate::verifying_key::VerifyingKey;

/// Shared by the gate, which takes keys out, and the follower, which puts them in. A lock is held for the moment of a copy.
#[derive(Debug)]
pub(crate) struct FollowedKeys {
    last: Mutex<LastSet>,
    /// From when on after it was read a set is believed no more.
    max_age: Duration,
    looks: watch::Sender<Looks>,
    /// Counts who wanted them to be read again.
    wants: watch::Sender<u64>,
}

/// The set that was read last.
#[derive(Debug, Default)]
struct LastSet {
    keys: Arc<[VerifyingKey]>,
    read_at: Option<UnixSeconds>,
}

/// How often keys were looked for, and how it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// Looks that began.
    pub(crate) begun: u64,
    /// Looks that came to an end: all that began, or all but one.
    pub(crate) done: u64,
    /// How many of them failed.
    pub(crate) failed: u64,
    /// Why the last one failed, or what is wrong with what it found.
    pub(crate) last_error: Option<Box<str>>,
    /// The last one found keys.
    pub(crate) found: bool,
    /// The last one passed caches by: what it found was what the issuer published at that time.
    pub(crate) past_caches: bool,
    /// The last one was a moment ago: nobody looks now.
    pub(crate) resting: bool,
}

/// Keys of an issuer that have to be read again before a token can be judged.
#[derive(Debug, Clone)]
pub struct KeysWanted {
    keys: Arc<FollowedKeys>,
    /// The looks that had begun and those that were done when they were wanted.
    begun: u64,
    done: u64,
    /// When the token was signed, as it says.
    issued_at: Option<UnixSeconds>,
    /// What is said of the token if its key is among none of the newer keys.
    otherwise: Refusal,
}

impl FollowedKeys {
    pub(crate) fn new(max_age: Duration) -> Arc<Self> {
        let (looks, wants) = (watch::Sender::default(), watch::Sender::default());
        Arc::new(Self { last: Mutex::default(), max_age, looks, wants })
    }

    pub(crate) fn max_age(&self) -> Duration {
        self.max_age
    }

    /// The keys that were read last; none if that is too long ago.
    pub(crate) fn keys(&self, now: UnixSeconds) -> Arc<[VerifyingKey]> {
        let last = self.lock();
        let is_fresh = last.read_at.is_some_and(|read_at| now.since(read_at) < self.max_age);
        if is_fresh { last.keys.clone() } else { Arc::default() }
    }

    /// How many keys were read last, and when.
    pub(crate) fn last_read(&self) -> (usize, Option<UnixSeconds>) {
        let last = self.lock();
        (last.keys.len(), last.read_at)
    }

    pub(crate) fn looks(&self) -> Looks {
        self.looks.borrow().clone()
    }

    /// What to do about a token whose key is not among them, which is `otherwise` if no newer one fits either. Who looked a moment ago
    /// does not look again for it, so that tokens with invented keys cause no flood.
    pub(crate) fn unknown_key(
        self: &Arc<Self>,
        issued_at: Option<UnixSeconds>,
        otherwise: Refusal,
    ) -> Result<KeysWanted, Refusal> {
        let looks = self.looks.borrow();
        if looks.resting {
            return Err(if self.is_newer_than(issued_at, &looks) { otherwise } else { Refusal::Unavailable });
        }
        Ok(KeysWanted { keys: self.clone(), begun: looks.begun, done: looks.done, issued_at, otherwise })
    }

    /// Whether the last look found what was published some time after a token was signed: a key that it did not find is withdrawn, or never
    /// was one. Whoever lies about when it was signed is refused for good in any case.
    fn is_newer_than(&self, issued_at: Option<UnixSeconds>, looks: &Looks) -> bool {
        let (_, read_at) = self.last_read();
        let is_newer = |(read_at, issued_at): (UnixSeconds, _)| read_at.since(issued_at) > KEY_SET_MARGIN;
        looks.found && looks.past_caches && read_at.zip(issued_at).is_some_and(is_newer)
    }

    /// A look begins.
    pub(crate) fn look_begins(&self) {
        self.looks.send_modify(|looks| looks.begun += 1);
    }

    /// It came to an end. A set without a key of use is one too: its issuer has withdrawn the others.
    pub(crate) fn looked(&self, found: Result<KeySet, String>, past_caches: bool, now: UnixSeconds) {
        let (has_failed, error) = match &found {
            Ok(set) => (false, set.fault()),
            Err(error) => (true, Some(error.clone())),
        };
        let has_keys = found.as_ref().is_ok_and(|set| !set.keys.is_empty());
        if let Ok(set) = found {
            *self.lock() = LastSet { keys: set.keys.into(), read_at: Some(now) };
        }
        self.looks.send_modify(|looks| {
            looks.done += 1;
            looks.failed += u64::from(has_failed);
            looks.last_error = error.map(Box::from);
            looks.found = has_keys;
            looks.past_caches = past_caches;
            looks.resting = true;
        });
    }

    /// It is long enough ago.
    pub(crate) fn rested(&self) {
        self.looks.send_modify(|looks| looks.resting = false);
    }

    /// Who wants them to be read, from now on.
    pub(crate) fn wants(&self) -> watch::Receiver<u64> {
        self.wants.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, LastSet> {
        // A pointer and a time are stored, and neither can panic.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeysWanted {
    /// Completes when a look came to an end after they were wanted, also in vain. It has no end of its own.
    pub(crate) fn look(&self) -> impl Future<Output = ()> + Send + 'static {
        let (keys, seen) = (self.keys.clone(), self.done);
        keys.wants.send_modify(|wants| *wants = wants.wrapping_add(1));
        async move {
            // Fails only when nobody can look any more, which `keys` itself rules out.
            let _ = keys.looks.subscribe().wait_for(|looks| looks.done > seen).await;
        }
    }

    /// What is said of a token whose key is not known even so. A look that began after it came proves that there is none, or one after
    /// it was signed: an older one may have read what its issuer published before.
    pub(crate) fn in_vain(&self) -> Refusal {
        let looks = self.keys.looks.borrow();
        let is_proven = looks.done > self.begun && looks.found || self.keys.is_newer_than(self.issued_at, &looks);
        if is_proven { self.otherwise.clone() } else { Refusal::Unavailable }
    }
}
