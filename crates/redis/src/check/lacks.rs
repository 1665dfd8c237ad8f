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
            Error::Reply(reason) if is_absent(&reason) => Ok(Self::Absent(reason)),
            error => Err(error),
        }
    }

    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Denied(reason) | Self::Absent(reason) => reason,
        }
    }
}

/// Redis looks for the command before it looks at the user's rights. Services and proxies have words of their own for commands that they
/// do not pass on.
fn is_absent(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    // Redis 6.2 does not tell the two apart.
    if reason.contains("wrong number of arguments") {
        return false;
    }
    let words = ["unknown command", "unknown subcommand", "is not available", "not supported", "unsupported command"];
    words.iter().any(|words| reason.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_a_command_is_no_user_without_a_right() {
        let of = |error| Lack::of(error);
        let absent =
            ["ERR unknown command 'CONFIG', with args beginning with: ", "ERR Command is not available: 'ACL'"];
        for reason in absent {
            assert!(matches!(of(Error::Reply(reason.into())), Ok(Lack::Absent(_))), "{reason}");
        }
        let denied = "NOPERM User node has no permissions to run the 'config|get' command";
        assert!(matches!(of(Error::Denied(denied.into())), Ok(Lack::Denied(_))));
        for reason in [
            "ERR wrong number of arguments for 'config|get' command",
            "ERR Unknown subcommand or wrong number of arguments for 'SETUSER'. Try ACL HELP.",
        ] {
            let arguments = Error::Reply(reason.into());
            assert_eq!(of(arguments.clone()), Err(arguments));
        }
    }
}
