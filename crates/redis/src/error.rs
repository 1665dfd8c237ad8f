//! What can go wrong between this node and Redis, in the few kinds that callers tell apart.

use std::time::Duration;

use fanfare_log::ArchiveError;
use redis::{ErrorKind, RedisError, ServerError, ServerErrorKind};

/// A failed command or connection. The text is for people and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// No answer within the deadline.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// No connection came free within the deadline, or so late that the answer had no fair chance.
    #[error("no free connection within {0:?}")]
    Crowded(Duration),
    /// `-NOPERM` and its relatives.
    #[error("{0}")]
    Denied(String),
    /// The key holds another type.
    #[error("{0}")]
    WrongType(String),
    /// Redis answers, but not yet: it reads its data (`-LOADING`), is held up by a script (`-BUSY`), or waits for its primary.
    #[error("{0}")]
    NotYet(String),
    /// Any other error reply, with its code first.
    #[error("{0}")]
    Reply(String),
    /// The connection could not be made or broke.
    #[error("{0}")]
    Link(String),
    /// A connection that worked broke before the answer was whole.
    #[error("{0}")]
    Cut(String),
    /// An answer of an undocumented shape.
    #[error("unexpected answer to {0}")]
    Shape(&'static str),
}

impl Error {
    /// Whether the answer may have been too large to arrive. A wait for a connection tells only of the commands before this one.
    pub(crate) fn may_be_size(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Cut(_))
    }

    /// Whether this Redis, or what stands before it, does not have a command, so that nothing was executed and no right would help.
    pub(crate) fn is_absent_command(&self) -> bool {
        matches!(self, Self::Reply(text) if is_absent(text))
    }

    /// Whether this Redis does not have a command, or this user may not run it.
    pub(crate) fn is_missing_command(&self) -> bool {
        matches!(self, Self::Denied(_)) || self.is_absent_command()
    }

    /// Whether Redis refuses to queue the commands of a transaction, since its memory is full (7.0).
    pub(crate) fn is_full_memory(&self) -> bool {
        matches!(self, Self::Reply(text) if text.starts_with("OOM "))
    }
}

/// Redis looks for the command before it looks at the user's rights. Services and proxies have words of their own for commands that they
/// do not pass on.
fn is_absent(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    // Redis 6.2 says the one or the other of a subcommand. What a script or the library says is about a command within, or quotes what a
    // publisher wrote.
    if ["wrong number of arguments", "from script", " script: ", "fanfare: "].iter().any(|words| reason.contains(words))
    {
        return false;
    }
    let words = ["unknown command", "unknown subcommand", "is not available", "not supported", "unsupported command"];
    words.iter().any(|words| reason.contains(words))
}

impl From<&ServerError> for Error {
    fn from(error: &ServerError) -> Self {
        let text = format!("{} {}", error.code(), error.details().unwrap_or_default());
        let inside_script = error.details().is_some_and(|details| details.contains("executing the script can't"));
        match error.code() {
            "NOPERM" | "NOAUTH" | "WRONGPASS" => Self::Denied(text),
            "WRONGTYPE" => Self::WrongType(text),
            "LOADING" | "BUSY" | "MASTERDOWN" => Self::NotYet(text),
            // EXEC tells why in its own words.
            _ if inside_script || text.contains("NOPERM") => Self::Denied(text),
            _ => Self::Reply(text),
        }
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
            return Self::Link(error.to_string());
        }
        let text = error.to_string();
        // Not only aborted transactions: a single error reply comes this way too.
        match error.into_server_errors() {
            Some(errors) => errors.first().map_or(Self::Reply(text), |(_, error)| Self::from(error)),
            None => Self::Link(text),
        }
    }
}

/// Why commands failed. Of a transaction that was not run since some of its commands were refused, which these were.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Their places in the transaction, and why each was refused.
    pub(crate) refused: Vec<(usize, Error)>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, refused: Vec::new() }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let is_aborted = error.kind() == ErrorKind::Server(ServerErrorKind::ExecAbort);
        let refused = if is_aborted { error.clone().into_server_errors() } else { None };
        let refused = refused.iter().flat_map(|errors| errors.iter());
        Self { refused: refused.map(|(place, error)| (*place, Error::from(error))).collect(), error: error.into() }
    }
}

impl From<Error> for ArchiveError {
    fn from(error: Error) -> Self {
        match error {
            Error::Timeout(_) | Error::Crowded(_) => Self::Timeout,
            Error::Denied(text) => Self::Denied(text),
            Error::WrongType(_) => Self::WrongType,
            Error::Shape(what) => Self::Corrupt(what.into()),
            Error::NotYet(text) | Error::Reply(text) | Error::Link(text) | Error::Cut(text) => Self::Unavailable(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_absent(text: &str) -> bool {
        Error::Reply(text.to_owned()).is_absent_command()
    }

    #[test]
    fn a_command_is_absent_in_the_words_of_redis_and_of_services() {
        for text in [
            "ERR unknown command 'CONFIG', with args beginning with: ",
            "ERR unknown command `FCALL`, with args beginning with: `sse_publish`, ",
            "ERR Command is not available: 'ACL'",
            "ERR the command INFO is not supported",
        ] {
            assert!(is_absent(text), "{text}");
        }
        let denied = Error::Denied("NOPERM User node has no permissions to run the 'config|get' command".into());
        assert!(denied.is_missing_command() && !denied.is_absent_command());
    }

    // Something may have been executed then.
    #[test]
    fn what_a_script_or_a_publisher_says_is_no_word_about_the_command() {
        for text in [
            "ERR wrong number of arguments for 'config|get' command",
            "ERR Unknown subcommand or wrong number of arguments for 'SETUSER'. Try ACL HELP.",
            "ERR fanfare: unknown option 'is not available'",
            "ERR Unknown command called from script script: sse_publish, on @user_function:3.",
            "ERR not supported script: sse_publish, on @user_function:3.",
        ] {
            assert!(!is_absent(text), "{text}");
        }
    }
}
