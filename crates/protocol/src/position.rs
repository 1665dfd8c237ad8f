//! Positions: what stands in `id:` and comes back in `Last-Event-ID`.

use crate::entry_id::decimal;
use crate::limits::POSITION_BYTES_MAX;
use crate::{ChannelName, EntryId, Epoch, PositionVector};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A place in one channel's stream, exact: what was delivered last, or "there was nothing".
///
/// As text: `1526919030474-55`, or `~<decimal ms>.<4 characters of epoch>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Position {
    /// The id of an entry, or a stream's last generated id.
    At(EntryId),
    /// The stream did not exist.
    Absent {
        /// When it was seen not to exist: milliseconds of the Redis clock.
        at_ms: u64,
        /// In which life of the Redis data that was.
        epoch: Epoch,
    },
}

impl Position {
    /// Whether it says that the stream did not exist.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }
}

/// The text is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PositionError {
    /// Longer than any position can be.
    #[error("a position has at most {POSITION_BYTES_MAX} bytes")]
    TooLong,
    /// Not what any node of any version wrote.
    #[error("not a position that this gateway issued")]
    Malformed,
}

/// What a client says it has seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastEventId {
    /// The position of a stream of one channel.
    One(Position),
    /// Positions of several channels.
    Many(PositionVector),
}

impl LastEventId {
    /// Parses a `Last-Event-ID`. The empty text counts as absent, which is the caller's business:
    /// here it is malformed.
    ///
    /// # Errors
    /// The text is not exactly what an encoder of this crate writes.
    pub fn parse(text: &str) -> Result<Self, PositionError> {
        if text.len() > POSITION_BYTES_MAX {
            return Err(PositionError::TooLong);
        }
        match text.as_bytes().first() {
            Some(b'0'..=b'9' | b'~') => text.parse().map(Self::One),
            _ => PositionVector::parse(text).map(Self::Many),
        }
    }

    /// The position of each requested channel, in the order of `channels` (which must not repeat a
    /// name); `None` where this id says nothing certain.
    ///
    /// The id of a one-channel stream does not name its channel, so it is taken only for a request
    /// of exactly one. Where two requested channels share a tag of the width in use, neither gets
    /// a position: a false gap is a nuisance, a foreign position would be a loss.
    #[must_use]
    pub fn resolve(&self, channels: &[ChannelName]) -> Vec<Option<Position>> {
        match self {
            Self::One(position) if channels.len() == 1 => vec![Some(*position)],
            Self::One(_) => vec![None; channels.len()],
            Self::Many(vector) => vector.resolve(channels),
        }
    }
}

/// The text that it was parsed from.
impl fmt::Display for LastEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(position) => position.fmt(f),
            Self::Many(vector) => vector.fmt(f),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(id) => id.fmt(f),
            Self::Absent { at_ms, epoch } => write!(f, "~{at_ms}.{epoch}"),
        }
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let text = text.as_bytes();
        let position = match text.strip_prefix(b"~") {
            None => EntryId::from_ascii(text).map(Self::At),
            Some(rest) => absent(rest),
        };
        position.ok_or(PositionError::Malformed)
    }
}

/// Parses `<decimal ms>.<epoch>`.
fn absent(text: &[u8]) -> Option<Position> {
    let dot = memchr::memchr(b'.', text)?;
    Some(Position::Absent { at_ms: decimal(&text[..dot])?, epoch: Epoch::read(&text[dot + 1..])? })
}
