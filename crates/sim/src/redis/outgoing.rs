//! What a connection has to send.

use tokio::time::Instant;

/// What a connection's task has to do now, and when it has more to do.
pub(crate) struct Outgoing {
    /// Bytes for the node.
    pub(crate) write: Vec<u8>,
    /// Then the connection ends.
    pub(crate) close: bool,
    /// When more is due; `None`: when the connection changes.
    pub(crate) again_at: Option<Instant>,
}
