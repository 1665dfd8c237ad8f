//! What one connection must receive next on one of its channels.

/// One channel of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// The number of the event that must come next.
    pub(crate) next: u64,
    pub(crate) doubt: Doubt,
}

impl Cell {
    pub(crate) const NEW: Self = Self { next: 1, doubt: Doubt::None };
}

/// Why a later event than the next one may be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It may not.
    None,
    /// A `$gap` that moved the client's position has said that something is missing.
    Gap,
    /// A `$gap` without an `id:` has said so, and its entry has not come yet. When the connection ends first, the next one
    /// has to repeat it.
    GapBeforeEntry,
    /// The client came back to a server that does not resume.
    Fresh,
}
