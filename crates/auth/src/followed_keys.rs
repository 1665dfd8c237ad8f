//! The keys that an issuer publishes, as they were read last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::refusal::Refusal;
use crate::unix_seconds::UnixSeconds;
use crate::verifying_key::VerifyingKey;

/// Shared by the gate, which takes keys out, and the follower, which puts them in. A lock is held for the moment of a copy.
#[derive(Debug)]
pub(crate) struct FollowedKeys {
    keys: Mutex<Arc<[VerifyingKey]>>,
    looks: watch::Sender<Looks>,
    /// Counts who wanted them to be read again.
    wants: watch::Sender<u64>,
}

/// How often keys were looked for, and how it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// Looks that came to an end.
    pub(crate) done: u64,
    /// How many of them failed.
    pub(crate) failed: u64,
    /// Why the last one failed.
    pub(crate) last_error: Option<Box<str>>,
    /// When keys were read last.
    pub(crate) read_at: Option<UnixSeconds>,
    /// The last one was a moment ago: nobody looks now.
    pub(crate) resting: bool,
}

/// Keys of an issuer that have to be read again before a token can be judged.
#[derive(Debug, Clone)]
pub struct KeysWanted {
    keys: Arc<FollowedKeys>,
    /// The looks that were done when they were wanted.
    seen: u64,
}

impl FollowedKeys {
    pub(crate) fn new() -> Arc<Self> {
        let (keys, looks, wants) = (Mutex::new(Arc::from([])), watch::Sender::default(), watch::Sender::default());
        Arc::new(Self { keys, looks, wants })
    }

    /// The keys that were read last.
    pub(crate) fn keys(&self) -> Arc<[VerifyingKey]> {
        self.lock().clone()
    }

    pub(crate) fn looks(&self) -> Looks {
        self.looks.borrow().clone()
    }

    /// What to do about a token whose key is not among them. Who looked a moment ago does not look again for it, so that tokens
    /// with invented keys cause no flood.
    pub(crate) fn unknown_key(self: &Arc<Self>) -> Result<KeysWanted, Refusal> {
        let looks = self.looks.borrow();
        if looks.resting { Err(Refusal::Unavailable) } else { Ok(KeysWanted { keys: self.clone(), seen: looks.done }) }
    }

    /// A look came to an end.
    pub(crate) fn looked(&self, found: Result<Vec<VerifyingKey>, String>, now: UnixSeconds) {
        let failed = match found {
            Ok(keys) => {
                *self.lock() = keys.into();
                None
            }
            Err(error) => Some(error),
        };
        self.looks.send_modify(|looks| {
            looks.done += 1;
            looks.resting = true;
            match failed {
                None => (looks.last_error, looks.read_at) = (None, Some(now)),
                Some(error) => (looks.last_error, looks.failed) = (Some(error.into()), looks.failed + 1),
            }
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

    fn lock(&self) -> MutexGuard<'_, Arc<[VerifyingKey]>> {
        // A pointer is stored or it is not.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeysWanted {
    /// Completes when keys have been looked for once more since they were wanted, also in vain. It has no end of its own.
    pub(crate) fn look(&self) -> impl Future<Output = ()> + Send + 'static {
        let (keys, seen) = (self.keys.clone(), self.seen);
        keys.wants.send_modify(|wants| *wants = wants.wrapping_add(1));
        async move {
            // Fails only when nobody can look any more, which `keys` itself rules out.
            let _ = keys.looks.subscribe().wait_for(|looks| looks.done > seen).await;
        }
    }

    /// What is said of a token whose key is not known even so.
    pub(crate) fn in_vain(&self) -> Refusal {
        let looks = self.keys.looks.borrow();
        if looks.done > self.seen && looks.last_error.is_none() {
            Refusal::Invalid("its issuer has no key of its `kid`")
        } else {
            Refusal::Unavailable
        }
    }
}
