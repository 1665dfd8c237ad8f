//! Numbers that differ between nodes and runs. Not for secrets.

use std::hash::{BuildHasher, RandomState};

/// A random number. The standard library keys its hashers from the operating system's randomness.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
