//! Operators' promises about the life of streams.

use std::time::Duration;

use super::names::CHANNEL_NAME_MAX;
use super::units::less;

/// Entries of `[[channels]]` in the configuration: each name of a log is compared with all of them.
pub const MIN_LIVES_MAX: usize = 64;
/// Bytes of one of their patterns: those of the longest channel name.
pub const CHANNEL_PATTERN_BYTES_MAX: usize = CHANNEL_NAME_MAX;
/// What is not counted on of a promised life: by so much the clock of a primary may be set back, or that of the replica that takes over be
/// behind.
pub const MIN_LIFE_CLOCK_SLACK: Duration = Duration::from_secs(60);
/// The shortest life that is worth a promise.
pub const MIN_LIFE_MIN: Duration = Duration::from_secs(120);
/// The longest.
pub const MIN_LIFE_MAX: Duration = Duration::from_secs(3_650 * 86_400);
/// Places, by the hash of their names, at which a node remembers when channels were last seen to break a promise (`min_life`,
/// `redis.streams_expire`): 8 bytes each. Channels at one place share the time: where 1,000 break a promise, one in 33 of the others is not
/// believed either.
pub const BROKEN_PROMISE_PLACES: usize = 32 * 1024;
/// How often a node looks again whether the data's life has to be renamed, at most, should nodes disagree about the eviction policy.
pub const EPOCH_RENAMED_INTERVAL: Duration = Duration::from_secs(60);

const _: () = {
    assert!(less(MIN_LIFE_MIN, MIN_LIFE_MAX));
};
