//! What the acceptor counts. Written by its thread alone, read at scrape.

use fanfare_log::stats::Cell;

/// Totals since start.
#[derive(Debug, Default)]
pub struct AcceptorStats {
    /// Signs that the acceptor's thread takes turns: one in [`TURN_AT_LEAST`](fanfare_protocol::limits::TURN_AT_LEAST).
    pub turns: Cell,
    /// Errors of `accept` that are not about one connection: no descriptor left, no memory.
    pub errors: Cell,
}
