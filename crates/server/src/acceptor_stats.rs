//! What the acceptor counts. Written by its thread alone, read at scrape.

use fanfare_log::stats::Cell;

/// Totals since start.
#[derive(Debug, Default)]
pub struct AcceptorStats {
    /// Connections accepted at each listener, in their order, those that were dropped unread included.
    pub accepted: Box<[Cell]>,
    /// Signs that the acceptor's thread takes turns: one in [`TURN_AT_LEAST`](fanfare_protocol::limits::TURN_AT_LEAST).
    pub turns: Cell,
    /// Errors of `accept` that are not about one connection: no descriptor left, no memory.
    pub errors: Cell,
}

impl AcceptorStats {
    pub(crate) fn new(listeners: usize) -> Self {
        Self { accepted: (0..listeners).map(|_| Cell::default()).collect(), ..Self::default() }
    }
}
