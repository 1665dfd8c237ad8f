//! What comes of tickets that clients bring.

use fanfare_log::stats::Cell;

/// What became of a ticket that was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketUse {
    /// It was used for the first time.
    First,
    /// It was used before, and is good yet.
    Again,
    /// It is over.
    Over,
    /// The store does not know it.
    Unknown,
    /// The store could not be asked.
    Unasked,
}

impl TicketUse {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::First, Self::Again, Self::Over, Self::Unknown, Self::Unasked];

    /// As metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Again => "again",
            Self::Over => "over",
            Self::Unknown => "unknown",
            Self::Unasked => "unasked",
        }
    }
}

/// How often each came of one.
#[derive(Debug, Default)]
pub struct TicketUseCells([Cell; TicketUse::ALL.len()]);

impl TicketUseCells {
    /// The counter of one.
    #[must_use]
    pub const fn of(&self, what: TicketUse) -> &Cell {
        &self.0[what as usize]
    }
}
