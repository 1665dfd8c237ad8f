//! Why sessions end, and the last blocks that their clients get.

use fanfare_log::stats::Cell;
use fanfare_protocol::block;

/// Why a session ended, as metrics and logs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client went away.
    Client,
    /// Writing failed (reset, timeout).
    Error,
    /// The node drained.
    Drain,
    /// The session could not begin.
    Refused,
    /// A frame that was partly written could no longer be completed.
    Broken,
    /// The client took nothing for [`stalled`](crate::DeliveryOptions::stalled), although something waited for it.
    Stalled,
    /// What the client was allowed by is over, or about to be, or is to be judged again.
    Expired,
    /// What the client was allowed by was revoked.
    Revoked,
}

impl End {
    /// Every end, in the order of its counters.
    pub const ALL: [Self; 8] = [
        Self::Client,
        Self::Error,
        Self::Drain,
        Self::Refused,
        Self::Broken,
        Self::Stalled,
        Self::Expired,
        Self::Revoked,
    ];

    /// As metrics and logs name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Error => "error",
            Self::Drain => "drain",
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::Stalled => "stalled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Why a session is ended while its client is there. Its farewell, and by [`EndReason::end`] what metrics and logs call it,
/// come from here and from nowhere else. In ascending order: of two reasons the later one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndReason {
    /// Its grant may be none any more, and is to be judged again: its client comes back for that. A session that has not begun yet begins first.
    Doubted,
    /// Its grant is about to end.
    Expired,
    /// The node drains. A client whose grant is about to end is told so by the node that takes it.
    Drain,
    /// Its grant was revoked. That is told also where the node drains: on another node its client would only be refused.
    Revoked,
    /// Its grant ends, or is in doubt, and its client has not taken the farewell.
    Overdue,
    /// Its grant was revoked, and its client has not taken the farewell.
    Cut,
}

impl EndReason {
    /// As it is counted.
    pub(crate) const fn end(self) -> End {
        match self {
            Self::Drain => End::Drain,
            Self::Doubted | Self::Expired | Self::Overdue => End::Expired,
            Self::Revoked | Self::Cut => End::Revoked,
        }
    }

    /// Whether it ends a session where it is. Otherwise the session says farewell at its next frame boundary.
    pub(crate) const fn is_at_once(self) -> bool {
        matches!(self, Self::Overdue | Self::Cut)
    }

    /// The last blocks of the stream. `retry_ms`: when a client that may come back is to do so; `position`: where it is.
    pub(crate) fn farewell(self, retry_ms: u64, position: Option<&str>) -> Vec<u8> {
        let mut blocks = Vec::new();
        match self {
            // Clients without a place lose none; the others were told theirs when the stream began.
            Self::Drain => block::retry_block(&mut blocks, retry_ms),
            Self::Doubted | Self::Expired => block::expired(&mut blocks, retry_ms, position),
            Self::Revoked => block::revoked(&mut blocks, retry_ms, position),
            Self::Overdue | Self::Cut => {}
        }
        blocks
    }
}

/// Ended sessions, counted by why.
#[derive(Debug, Default)]
pub struct EndCells([Cell; End::ALL.len()]);

impl EndCells {
    /// The counter of an end.
    #[must_use]
    pub const fn of(&self, end: End) -> &Cell {
        &self.0[end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_in_the_order_of_the_ends() {
        for (place, end) in End::ALL.into_iter().enumerate() {
            assert_eq!(place, end as usize, "{}", end.as_str());
        }
    }
}
