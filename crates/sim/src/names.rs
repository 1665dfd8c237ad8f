//! Names of channels that several parts of a world know.

/// The channel that nobody else reads.
pub(crate) const QUIET: &str = "quiet";

/// What the channels of a crowd begin with.
pub(crate) const CROWD: &str = "crowd";
