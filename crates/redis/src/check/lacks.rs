//! Commands that a server does not have, told from those that a user may not run.

use crate::error::Error;

/// Why a command is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    /// This user may not run it: an administrator can allow it.
    Denied(String),
    /// The server, or what stands before it, does not have it: no right would help.
    Absent(String),
}

impl Lack {
    /// The reason, if a command was refused whatever its arguments are.
    pub(super) fn of(error: Error) -> Result<Self, Error> {
        match error {
            Error::Denied(reason) => Ok(Self::Denied(reason)),
            error if error.is_absent_command() => Ok(Self::Absent(error.to_string())),
            error => Err(error),
        }
    }

    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Denied(reason) | Self::Absent(reason) => reason,
        }
    }
}
