//! How safe a write to Redis is.

/// How Redis syncs its append-only file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fsync {
    /// Every write, before it is acknowledged: nothing that was acknowledged is ever lost.
    Always,
    /// Once a second: a power failure takes the newest writes with it.
    Everysec,
}

impl Fsync {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
        }
    }
}
