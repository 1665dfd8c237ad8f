//! Something that a node has written to a client. Its times are milliseconds since the world began.

/// Bytes that a node has put on their way to a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery<'a> {
    /// For whoever reads of a breach.
    pub(super) what: &'a str,
    pub(super) is_event: bool,
    pub(super) node: usize,
    /// When that node began.
    pub(super) node_began_ms: u64,
    /// When its first byte was written. It may have been earlier by the rest of a block before it.
    pub(super) first_ms: u64,
    /// When its last byte was written.
    pub(super) last_ms: u64,
    /// When it was published; `None`: that is not known, or it is no event.
    pub(super) published_ms: Option<u64>,
}
