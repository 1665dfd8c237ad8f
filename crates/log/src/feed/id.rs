//! Which of a node's feeds.

/// Names a feed of a node: one connection to one server of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId(u16);

impl FeedId {
    /// The first feed of a node, and today the only one.
    pub const FIRST: Self = Self(0);

    /// The feed with this number among those of the node.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }
}
