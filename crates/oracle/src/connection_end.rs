//! How one connection of a client ended.

use std::io;

/// How a connection of a client ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The last chunk, between two blocks: the server finished.
    Clean,
    /// The peer closed without the last chunk; whether that was at least between two blocks.
    Cut {
        /// False when a block was torn.
        between_blocks: bool,
    },
    /// The connection was reset, or failed otherwise.
    Reset(io::ErrorKind),
    /// The peer broke the protocol.
    Violation(String),
    /// The answer was no event stream.
    Status(u16),
    /// This client hung up.
    Left,
}
