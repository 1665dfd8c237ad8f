//! Publishing, by the function and over HTTP.

use std::time::Duration;

use super::units::{KIB, MIB, less};

/// Entries that a stream keeps (approximately) when a publish does not say MAXLEN.
pub const STREAM_MAXLEN_DEFAULT: u64 = 10_000;
/// Shortest life of a stream's key, whatever TTL a publish asks for.
pub const STREAM_TTL_MIN: Duration = Duration::from_secs(60);
/// How long after [`crate::Position::Absent`] the first entry must come for the position to prove
/// continuity: within it no key that the function created can have come and gone.
pub const ABSENCE_PROOF: Duration = STREAM_TTL_MIN;
/// How long a DEDUP key is remembered when a publish does not say.
pub const DEDUP_WINDOW_DEFAULT: Duration = Duration::from_secs(600);

/// Longest `TTL` that a publisher may ask for: the library's `SECONDS_MAX`.
pub const STREAM_TTL_MAX: Duration = Duration::from_secs(1_000_000_000);
/// How often the log repeats a refusal of Redis to publish that it has told.
pub const PUBLISH_REFUSAL_SAID_INTERVAL: Duration = Duration::from_secs(10);
/// How long a publish waits for a connection that is just being made.
pub const PUBLISH_CONNECTION_WAIT: Duration = Duration::from_secs(1);
/// After the functions were loaded they are not loaded again for so long, though somebody misses them.
pub const FUNCTIONS_LOAD_REST: Duration = Duration::from_secs(10);
/// How often an entry that a push named is looked for in its stream, at most: a read in ten seconds is no load.
pub const PUSH_LOOKED_UP_INTERVAL: Duration = Duration::from_secs(10);
/// The same after one that was not found.
pub const PUSH_LOOKED_UP_AGAIN: Duration = Duration::from_secs(1);

const _: () = {
    assert!(less(PUSH_LOOKED_UP_AGAIN, PUSH_LOOKED_UP_INTERVAL));
    assert!(less(STREAM_TTL_MIN, STREAM_TTL_MAX));
};

/// Bytes of the bodies of HTTP publishes in a node, from when a body is announced until the store has answered. One more is
/// answered 503.
pub const PUBLISH_BODIES_BYTES_MAX: usize = 64 * MIB;
/// Bytes that the body of a publish in JSON may have beyond twice the data: names, keys, braces. Twice, because of escapes.
pub const PUBLISH_ENVELOPE_BYTES: usize = 4 * KIB;

const _: () = {
    // Permits are asked for in 32 bits.
    assert!(PUBLISH_BODIES_BYTES_MAX < u32::MAX as usize);
};
