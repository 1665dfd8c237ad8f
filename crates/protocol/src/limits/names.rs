//! Names.

/// Longest channel name, in bytes.
pub const CHANNEL_NAME_MAX: usize = 255;
/// Longest event name, in bytes.
pub const EVENT_NAME_MAX: usize = 255;
/// Longest Redis prefix, in bytes.
pub const PREFIX_BYTES_MAX: usize = 64;
/// Longest DEDUP key of a publish, in bytes.
pub const DEDUP_KEY_BYTES_MAX: usize = 255;
