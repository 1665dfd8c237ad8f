//! How large an attack is.

use std::time::Duration;

/// How large an attack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// As the targets are meant.
    Full,
    /// A few seconds, to see whether everything works.
    Quick,
}

impl Size {
    /// The first of two sizes for a full run, the second for a quick one.
    pub(super) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }

    /// How long the other clients are measured, at least: undisturbed, and under attack.
    pub(super) fn span(self) -> Duration {
        self.pick(Duration::from_secs(8), Duration::from_secs(3))
    }
}
