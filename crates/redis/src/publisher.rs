//! Publishing through this node: `FCALL`, or the same text as a script where there are no functions.

use std::sync::Arc;
use std::time::Duration;

use fanfare_log::{AppendRequest, Permanence, PublishError, PublishRequest, Published, Publisher, Ttl};
use fanfare_protocol::{EntryId, LogName};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Script, Value};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::error::Error;
use crate::functions::{Presence, SCRIPT, is_denied_command, is_not_found};
use crate::keys::Keys;
use crate::own_log::append_over;
use crate::publish_error::publish_error;
use crate::refusal_log::RefusalLog;
use crate::shared_connection::SharedConnection;
use crate::value::entry_id;

/// Publishes in flight at once; others wait, within their deadline.
const IN_FLIGHT_MAX: usize = 256;

/// Publishes durable events. Cloning shares the connection.
#[derive(Debug, Clone)]
pub struct RedisPublisher(Arc<Inner>);

struct Inner {
    connection: SharedConnection,
    permits: Semaphore,
    keys: Keys,
    deadline: Duration,
    script: Script,
    /// Whether `FCALL` finds the function.
    presence: Arc<Presence>,
    permanence: Permanence,
    refusals: RefusalLog,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisPublisher").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl RedisPublisher {
    pub(crate) fn new(
        connection: SharedConnection,
        keys: Keys,
        presence: Arc<Presence>,
        deadline: Duration,
        permanence: Permanence,
    ) -> Self {
        Self(Arc::new(Inner {
            connection,
            permits: Semaphore::new(IN_FLIGHT_MAX),
            keys,
            deadline,
            script: Script::new(SCRIPT),
            presence,
            permanence,
            refusals: RefusalLog::of("Redis refuses an event that this node publishes; nothing was published"),
        }))
    }
}

impl Publisher for RedisPublisher {
    async fn publish(&self, request: PublishRequest) -> Result<Published, PublishError> {
        let outcome = self.0.publish(&request).await;
        if let Err(PublishError::Denied(reason) | PublishError::Refused(reason)) = &outcome {
            self.0.refusals.note(reason);
        }
        outcome
    }

    async fn append(&self, request: AppendRequest) -> Result<EntryId, PublishError> {
        let deadline = Instant::now() + self.0.deadline;
        let connection = self.0.connection.get(deadline).await;
        let mut connection = connection.ok_or_else(|| unreachable("not connected to Redis"))?;
        let appended = timeout_at(deadline, append_over(&mut connection, &self.0.keys, &request)).await;
        appended.unwrap_or_else(|_| Err(publish_error(Error::Timeout(self.0.deadline))))
    }
}

impl Inner {
    async fn publish(&self, request: &PublishRequest) -> Result<Published, PublishError> {
        if request.ttl.is_some() && self.permanence.is_promised() {
            let reason = "this node publishes nothing with a ttl: redis.streams_expire is false, the promise that streams do not expire";
            return Err(PublishError::Rejected(reason.to_owned()));
        }
        let deadline = Instant::now() + self.deadline;
        let _permit = match timeout_at(deadline, self.permits.acquire()).await {
            Ok(permit) => permit.map_err(|_| unreachable("the node is stopping"))?,
            Err(_) => return Err(unreachable("too many publishes wait for Redis")),
        };
        let mut connection =
            self.connection.get(deadline).await.ok_or_else(|| unreachable("not connected to Redis"))?;
        // From here on no answer means that nobody knows.
        let reply = timeout_at(deadline, self.call(&mut connection, request)).await;
        let reply = reply.unwrap_or(Err(Error::Timeout(self.deadline))).map_err(publish_error)?;
        // The library says "known already" by the type of its reply.
        let duplicate = matches!(reply, Value::SimpleString(_));
        let no_id = || PublishError::Unavailable("sse_publish did not reply with an id".to_owned());
        Ok(Published { id: entry_id(reply).ok_or_else(no_id)?, duplicate })
    }

    /// Each step to the next way is taken only when Redis has said that nothing was executed.
    async fn call(&self, connection: &mut MultiplexedConnection, request: &PublishRequest) -> Result<Value, Error> {
        if !self.presence.is_missing() {
            let mut command = redis::cmd("FCALL");
            command.arg("sse_publish");
            match query(connection, self.arguments(command, request)).await {
                Err(Error::Reply(text)) if is_not_found(&text) => self.presence.miss(),
                Err(error) if error.is_absent_command() => self.presence.give_up(),
                // A user who may run scripts but no functions.
                Err(Error::Denied(text)) if is_denied_command(&text, "fcall") => self.presence.give_up(),
                other => return other,
            }
        }
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.get_hash());
        match query(connection, self.arguments(command, request)).await {
            Err(Error::Reply(text)) if text.starts_with("NOSCRIPT") => {
                // The library may be back as well.
                self.presence.try_again();
                let mut command = redis::cmd("EVAL");
                command.arg(SCRIPT);
                query(connection, self.arguments(command, request)).await
            }
            other => other,
        }
    }

    fn arguments(&self, mut command: Cmd, request: &PublishRequest) -> Cmd {
        command.arg(1).arg(self.keys.stream(&LogName::from(&request.channel))).arg("DATA").arg(&request.event.data[..]);
        if let Some(name) = &request.event.name {
            command.arg("EVENT").arg(name.as_str());
        }
        if let Some(entries) = request.max_len {
            command.arg("MAXLEN").arg(entries);
        }
        if let Some(Ttl { lasts, ends_permanence }) = request.ttl {
            // A part of a second is not cut off a life.
            command.arg("TTL").arg(lasts.as_secs() + u64::from(lasts.subsec_nanos() > 0));
            if ends_permanence {
                command.arg("EXPIRES").arg(1);
            }
        }
        if let Some(key) = &request.dedup {
            command.arg("DEDUP").arg(key);
        }
        command
    }
}

async fn query(connection: &mut MultiplexedConnection, command: Cmd) -> Result<Value, Error> {
    Ok(command.query_async(connection).await?)
}

fn unreachable(reason: &str) -> PublishError {
    PublishError::Unreachable(reason.to_owned())
}
