//! Publishing through this node: `FCALL`, or the same text as a script where there are no functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare_log::{PublishError, PublishRequest, Published, Publisher};
use fanfare_protocol::LogName;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Script, Value};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::timeout;

use crate::error::Error;
use crate::functions::SCRIPT;
use crate::keys::Keys;
use crate::value::entry_id;

/// Publishes in flight at once; others wait, within their deadline.
const IN_FLIGHT_MAX: usize = 256;

/// How long a publish waits for a connection that is just being made.
const CONNECTION_WAIT: Duration = Duration::from_secs(1);

/// Publishes durable events. Cloning shares the connection.
#[derive(Debug, Clone)]
pub struct RedisPublisher(Arc<Inner>);

struct Inner {
    publish_connection: watch::Receiver<Option<MultiplexedConnection>>,
    /// Held by the one who waits for the connection, so that those who came first publish first: a `watch` wakes its waiters in
    /// an order of its own choice.
    turn: Mutex<()>,
    permits: Semaphore,
    keys: Keys,
    deadline: Duration,
    script: Script,
    /// The last `FCALL` found no function. Tried again on every new connection.
    without_function: AtomicBool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisPublisher").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl RedisPublisher {
    pub(crate) fn new(
        publish_connection: watch::Receiver<Option<MultiplexedConnection>>,
        keys: Keys,
        deadline: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            publish_connection,
            turn: Mutex::new(()),
            permits: Semaphore::new(IN_FLIGHT_MAX),
            keys,
            deadline,
            script: Script::new(SCRIPT),
            without_function: AtomicBool::new(false),
        }))
    }
}

impl Publisher for RedisPublisher {
    async fn publish(&self, request: PublishRequest) -> Result<Published, PublishError> {
        match timeout(self.0.deadline, self.0.publish(&request)).await {
            Ok(result) => result,
            Err(_) => Err(PublishError::Unavailable(Error::Timeout(self.0.deadline).to_string())),
        }
    }
}

impl Inner {
    async fn publish(&self, request: &PublishRequest) -> Result<Published, PublishError> {
        let unavailable = |text: &str| PublishError::Unavailable(text.to_owned());
        let _permit = self.permits.acquire().await.map_err(|_| unavailable("the node is stopping"))?;
        let mut connection = self.connection().await?;
        let reply = self.call(&mut connection, request).await.map_err(publish_error)?;
        // The library says "known already" by the type of its reply.
        let duplicate = matches!(reply, Value::SimpleString(_));
        let id = entry_id(reply).ok_or_else(|| unavailable("sse_publish did not reply with an id"))?;
        Ok(Published { id, duplicate })
    }

    async fn connection(&self) -> Result<MultiplexedConnection, PublishError> {
        let mut publish_connection = self.publish_connection.clone();
        let connected = async {
            let _turn = self.turn.lock().await;
            publish_connection.wait_for(Option::is_some).await.ok().and_then(|connection| connection.clone())
        };
        match timeout(CONNECTION_WAIT.min(self.deadline), connected).await {
            Ok(Some(connection)) => Ok(connection),
            _ => Err(PublishError::Unavailable("not connected to Redis".into())),
        }
    }

    /// Each step to the next way is taken only when Redis has said that nothing was executed.
    async fn call(&self, connection: &mut MultiplexedConnection, request: &PublishRequest) -> Result<Value, Error> {
        if !self.without_function.load(Ordering::Relaxed) {
            let mut command = redis::cmd("FCALL");
            command.arg("sse_publish");
            match query(connection, self.arguments(command, request)).await {
                Err(Error::Reply(text)) if is_missing_function(&text) => {}
                // A user who may run scripts but no functions.
                Err(Error::Denied(text)) if text.contains("'fcall' command") => {}
                other => return other,
            }
            self.without_function.store(true, Ordering::Relaxed);
        }
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.get_hash());
        match query(connection, self.arguments(command, request)).await {
            Err(Error::Reply(text)) if text.starts_with("NOSCRIPT") => {
                // The library may be back as well.
                self.without_function.store(false, Ordering::Relaxed);
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
        if let Some(ttl) = request.ttl {
            // A part of a second is not cut off a life.
            command.arg("TTL").arg(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0));
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

fn is_missing_function(text: &str) -> bool {
    text.contains("Function not found") || text.contains("unknown command")
}

fn publish_error(error: Error) -> PublishError {
    match error {
        Error::Reply(text) if text.contains("fanfare: ") && text.contains(", not a stream") => {
            PublishError::Denied(text)
        }
        Error::Reply(text) => match text.strip_prefix("ERR fanfare: ") {
            Some(reason) => PublishError::Rejected(reason.to_owned()),
            None => PublishError::Unavailable(text),
        },
        Error::Denied(text) | Error::WrongType(text) => PublishError::Denied(text),
        error => PublishError::Unavailable(error.to_string()),
    }
}
