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

/// The error codes of `GOAWAY` that are told apart, by their numbers (RFC 9113 section 7).
const CODES: [u32; Http2Stats::GOAWAYS.len() - 1] = [0, 1, 3, 6, 9, 11];

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
    /// What clients were told at the end of their connections, in the order of [`Self::GOAWAYS`].
    pub goaways: [Cell; Self::GOAWAYS.len()],
}

impl Http2Stats {
    /// The error codes that are told apart.
    pub const GOAWAYS: [&str; 7] = [
        "no_error",
        "protocol_error",
        "flow_control_error",
        "frame_size_error",
        "compression_error",
        "enhance_your_calm",
        "other",
    ];

    /// Connections that ended because their clients sent too much of this.
    #[must_use]
    pub const fn floods(&self, flood: Flood) -> &Cell {
        &self.floods[flood as usize]
    }

    /// Counts a `GOAWAY` with this error code.
    pub(crate) fn goaway(&self, code: u32) {
        let index = CODES.iter().position(|known| *known == code).unwrap_or(CODES.len());
        self.goaways[index].add(1);
    }
}
