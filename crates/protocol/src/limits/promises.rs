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
/// Channels of one promise that are remembered as having broken it; with one more the promise is worth nothing for any of them,
/// for the time until then.
pub const MIN_LIFE_BROKEN_CHANNELS_MAX: usize = 256;
/// How often a node looks again whether the data's life has to be renamed, at most, should nodes disagree about the eviction policy.
pub const EPOCH_RENAMED_INTERVAL: Duration = Duration::from_secs(60);

const _: () = {
    assert!(less(MIN_LIFE_MIN, MIN_LIFE_MAX));
};

/// Channels that a node remembers to have a stream that expires, against `redis.streams_expire`. With more the promise counts for none.
/// A name has at most [`CHANNEL_NAME_MAX`] bytes.
pub const EXPIRING_CHANNELS_MAX: usize = 256;
