//! Calls of the library's read-only functions: as functions, or as a script of the same text where there are none.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use redis::{Pipeline, Script, Value};
use tokio::time::Instant;

use crate::error::Error;
use crate::functions::{Presence, SCRIPT, is_denied_command, is_not_found};
use crate::pool::Pool;
use crate::value::array;

/// How long a way that Redis does not have, or does not allow, is not tried again: the library may be loaded, or a right given.
const WAY_REST: Duration = Duration::from_secs(10);

/// How Redis is asked to run a function, the best one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `FCALL_RO` (Redis 7.0).
    Function,
    /// `EVALSHA_RO`, `EVAL_RO` (Redis 7.0).
    ReadOnlyScript,
    /// `EVALSHA`, `EVAL`.
    Script,
}

const WAYS: [Way; 3] = [Way::Function, Way::ReadOnlyScript, Way::Script];

/// The functions, and which ways to run them there are.
#[derive(Debug)]
pub(super) struct Functions {
    pool: Pool,
    /// The name of the script in Redis.
    hash: String,
    presence: Arc<Presence>,
    /// The ways before this one are not tried until then.
    first: Mutex<(usize, Instant)>,
}

impl Functions {
    pub(super) fn new(pool: Pool, presence: Arc<Presence>) -> Self {
        let hash = Script::new(SCRIPT).get_hash().to_owned();
        Self { pool, hash, presence, first: Mutex::new((0, Instant::now())) }
    }

    fn first(&self) -> MutexGuard<'_, (usize, Instant)> {
        self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Calls a function. `None`: this Redis or this user cannot run it, so that a transaction has to do, which also tells why
    /// if that is refused as well.
    pub(super) async fn call(
        &self,
        function: &str,
        keys: &[String],
        arguments: &[String],
    ) -> Result<Option<Value>, Error> {
        let (first, until) = *self.first();
        let first = if Instant::now() < until { first } else { 0 };
        for (index, way) in WAYS.iter().enumerate().skip(first) {
            match self.ask(*way, function, keys, arguments).await {
                Ok(value) => return Ok(Some(value)),
                Err(error) if is_missing(&error) => {
                    if matches!(&error, Error::Reply(text) if is_not_found(text)) {
                        self.presence.miss();
                    }
                    *self.first() = (index + 1, Instant::now() + WAY_REST);
                }
                // A key, or a command within the function.
                Err(Error::Denied(_) | Error::Reply(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn ask(&self, way: Way, function: &str, keys: &[String], arguments: &[String]) -> Result<Value, Error> {
        let (by_name, by_text) = match way {
            Way::Function => {
                return self.query(command("FCALL_RO", function, keys, None, arguments)).await;
            }
            Way::ReadOnlyScript => ("EVALSHA_RO", "EVAL_RO"),
            Way::Script => ("EVALSHA", "EVAL"),
        };
        match self.query(command(by_name, &self.hash, keys, Some(function), arguments)).await {
            Err(Error::Reply(text)) if text.starts_with("NOSCRIPT") => {
                self.query(command(by_text, SCRIPT, keys, Some(function), arguments)).await
            }
            other => other,
        }
    }

    async fn query(&self, command: Pipeline) -> Result<Value, Error> {
        let replies = array(self.pool.query(&command).await?).ok_or(Error::Shape("a function"))?;
        match replies.into_iter().next() {
            Some(Value::ServerError(error)) => Err(Error::from(&error)),
            Some(value) => Ok(value),
            None => Err(Error::Shape("a function")),
        }
    }
}

/// `verb what numkeys key … [function] argument …`; a script is told which function it stands for.
fn command(verb: &str, what: &str, keys: &[String], function: Option<&str>, arguments: &[String]) -> Pipeline {
    let mut commands = redis::pipe();
    commands.cmd(verb).arg(what).arg(keys.len()).arg(keys).arg(function).arg(arguments).ignore_errors();
    commands
}

/// Whether Redis has no such function or command, or does not allow this user the command.
fn is_missing(error: &Error) -> bool {
    match error {
        Error::Reply(text) => is_not_found(text) || error.is_absent_command(),
        Error::Denied(text) => ["fcall_ro", "evalsha_ro", "eval_ro", "evalsha", "eval"]
            .iter()
            .any(|command| is_denied_command(text, command)),
        _ => false,
    }
}
