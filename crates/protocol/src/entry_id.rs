//! The id of a stream entry.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The id of an entry of a Redis Stream (<https://redis.io/docs/latest/develop/data-types/streams/>):
/// milliseconds of the Redis clock, then a sequence number. Ids of one stream only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Milliseconds since the Unix epoch, by the clock of Redis.
    pub ms: u64,
    /// Counts the entries of one millisecond, from 0.
    pub seq: u64,
}

/// The text is not `<ms>-<seq>` in canonical decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an entry id looks like 1526919030474-55")]
pub struct EntryIdError;

impl EntryId {
    /// `0-0`: no entry has it; as a predecessor it means "the key did not exist".
    pub const ZERO: Self = Self { ms: 0, seq: 0 };

    /// The longest text of an id, in bytes: two 20-digit numbers and a dash.
    pub const TEXT_MAX: usize = 41;

    /// Parses the canonical text from bytes that may not even be UTF-8.
    pub(crate) fn from_ascii(text: &[u8]) -> Option<Self> {
        if text.len() > Self::TEXT_MAX {
            return None;
        }
        let dash = memchr::memchr(b'-', text)?;
        Some(Self { ms: decimal(&text[..dash])?, seq: decimal(&text[dash + 1..])? })
    }

    /// Calls `write` with the pieces of the text, without allocating.
    pub(crate) fn write_to(self, mut write: impl FnMut(&[u8])) {
        let mut buffer = itoa::Buffer::new();
        write(buffer.format(self.ms).as_bytes());
        write(b"-");
        write(buffer.format(self.seq).as_bytes());
    }

    /// Bytes of the text.
    pub(crate) fn text_len(self) -> usize {
        digits(self.ms) + 1 + digits(self.seq)
    }
}

/// Parses a canonical decimal: digits only, no sign, no leading zero, at most `u64::MAX`.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || (text[0] == b'0' && text.len() > 1) {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

fn digits(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for EntryId {
    type Err = EntryIdError;

    fn from_str(text: &str) -> Result<Self, EntryIdError> {
        Self::from_ascii(text.as_bytes()).ok_or(EntryIdError)
    }
}
