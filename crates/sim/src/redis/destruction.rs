//! What an administrator, or a full memory, does to a stream.

/// Ways of losing entries on purpose.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Destruction {
    Retract,
    Trim,
    Delete,
    Evict,
    /// The same against a promise, of a stream of which perhaps nobody has heard.
    EvictUnseen,
    FlushAll,
}
