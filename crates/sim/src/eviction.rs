//! What Redis evicts in a world, and what the operator says of its streams.

use crate::hardships::Hardships;
use crate::rng::Rng;

/// Makes another seed of a seed. The number is one with which the seeds that tests keep for what they have met promise nothing.
const APART: u64 = 0x000E_71C7;

/// What Redis evicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eviction {
    Nothing,
    Anything,
    /// What expires, and the operator promises that no stream does (`redis.streams_expire = false`).
    Expiring(Promise),
}

/// How that promise is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// By everybody: streams are not evicted.
    Kept,
    /// By everybody but one publisher ([`crate::broken_promise`]).
    Broken,
}

impl Eviction {
    /// The promise of a seed; most make none.
    pub(crate) fn promised(seed: u64, hardships: Hardships) -> Option<Self> {
        match Rng::new(seed ^ APART).below(100) {
            0..6 if hardships == Hardships::default() => Some(Self::Expiring(Promise::Broken)),
            // Reads by a function take one round trip more for a promise, which the verdict about strangers does not count.
            6..14 if !hardships.short_lives && hardships.hostiles == 0 => Some(Self::Expiring(Promise::Kept)),
            _ => None,
        }
    }

    /// Whether the operator promises something.
    pub(crate) fn is_promised(self) -> bool {
        matches!(self, Self::Expiring(_))
    }

    /// Whether the promise is made and not kept.
    pub(crate) fn is_broken(self) -> bool {
        self == Self::Expiring(Promise::Broken)
    }

    /// What `INFO memory` says.
    pub(crate) fn info(self) -> String {
        let (limit, policy) = match self {
            Self::Nothing => (0, "noeviction"),
            Self::Anything => (1024, "allkeys-lru"),
            Self::Expiring(_) => (1024, "volatile-lru"),
        };
        format!("# Memory\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n")
    }
}
