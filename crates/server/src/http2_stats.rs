//! What one connection thread counts of HTTP/2. Written by that thread alone, read at scrape.

use fanfare_log::stats::Cell;

/// What a client sent too much of, as metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// `RST_STREAM`.
    Reset,
    /// `SETTINGS`.
    Settings,
    /// `PING`.
    Ping,
    /// Window updates, priorities, empty or unknown frames.
    Other,
}

impl Flood {
    /// Every flood, in the order of its counters.
    pub const ALL: [Self; 4] = [Self::Reset, Self::Settings, Self::Ping, Self::Other];

    /// As metrics and logs name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Settings => "settings",
            Self::Ping => "ping",
            Self::Other => "other",
        }
    }
}

/// The error codes of `GOAWAY` that are told apart (RFC 9113 section 7), by their numbers there.
const CODES: [(u32, &str); 5] = [
    (0, "no_error"),
    (1, "protocol_error"),
    (3, "flow_control_error"),
    (9, "compression_error"),
    (11, "enhance_your_calm"),
];

/// Totals since start of one connection thread.
#[derive(Debug, Default)]
pub struct Http2Stats {
    /// Connections.
    pub connections: Cell,
    /// Requests, those included that were not answered.
    pub streams: Cell,
    /// Bytes of bodies that hyper was given and that have not left. The bounds are those of
    /// `fanfare_protocol::limits::HTTP2_UNSENT_BYTES_MAX`.
    pub unsent: Cell,
    floods: [Cell; Flood::ALL.len()],
    goaways: [Cell; CODES.len() + 1],
}

impl Http2Stats {
    /// Connections that ended because their clients sent too much of this.
    #[must_use]
    pub const fn floods(&self, flood: Flood) -> &Cell {
        &self.floods[flood as usize]
    }

    /// What clients were told at the end of their connections, by error code.
    pub fn goaways(&self) -> impl Iterator<Item = (&'static str, &Cell)> {
        let names = CODES.iter().map(|(_, name)| *name).chain(["other"]);
        names.zip(&self.goaways)
    }

    /// Counts a `GOAWAY` with this error code.
    pub(crate) fn goaway(&self, code: u32) {
        let index = CODES.iter().position(|(known, _)| *known == code).unwrap_or(CODES.len());
        self.goaways[index].add(1);
    }
}
