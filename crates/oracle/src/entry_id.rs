//! The id of an entry of a Redis Stream, read independently of the product.

use std::fmt;
use std::str::FromStr;

/// `ms-seq`, in the order of the stream.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    /// Milliseconds since the Unix epoch, as the clock of Redis told them.
    pub ms: u64,
    /// Number within that millisecond, or above it while the clock was behind the newest id.
    pub seq: u64,
}

impl EntryId {
    /// `0-0`: before every entry. No entry has this id.
    pub const ZERO: Self = Self { ms: 0, seq: 0 };
    /// Behind every entry.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// The greatest id below this one; [`EntryId::ZERO`] has none and stays.
    pub fn before(self) -> Self {
        match self {
            Self::ZERO => self,
            Self { ms, seq: 0 } => Self { ms: ms - 1, seq: u64::MAX },
            Self { ms, seq } => Self { ms, seq: seq - 1 },
        }
    }

    /// The least id above this one that matters where ids are compared: nobody counts up to the greatest number.
    pub fn after(self) -> Self {
        Self { seq: self.seq.saturating_add(1), ..self }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// As everybody else writes it.
impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntryId;

impl FromStr for EntryId {
    type Err = NoEntryId;

    fn from_str(text: &str) -> Result<Self, NoEntryId> {
        let (ms, seq) = text.split_once('-').ok_or(NoEntryId)?;
        let number = |digits: &str| digits.parse().map_err(|_| NoEntryId);
        Ok(Self { ms: number(ms)?, seq: number(seq)? })
    }
}
