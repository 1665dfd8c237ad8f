//! A bounded pool of connections for archive reads, with a deadline for each command.

use std::pin::Pin;
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult};
use deadpool_redis::Manager as NetworkManager;
use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, Pipeline, RedisError, Value};
use tokio::time::{Instant, timeout_at};

use crate::connect::{self, Connector};
use crate::error::{Error, Failure};
use crate::primary::{Primary, RunId, identify};
use crate::status::Status;

/// A connection that answered this recently is used without being tried first.
const FRESH: Duration = Duration::from_secs(1);

/// The wait for an answer.
type Asking<'a> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;

/// Cloning shares the connections.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pool: managed::Pool<Manager>,
    primary: Primary,
    deadline: Duration,
    /// Where it is counted how long commands take.
    status: Status,
}

impl Pool {
    /// A pool of at most `size` connections, made when they are first needed. `deadline` covers the wait for a free
    /// connection, the making of one and the command.
    pub(crate) fn new(
        connector: Connector,
        info: ConnectionInfo,
        primary: Primary,
        size: usize,
        deadline: Duration,
        status: Status,
    ) -> Result<Self, RedisError> {
        let info = connect::resp3(info);
        let network = NetworkManager::new_with_config(info.clone(), connect::config(deadline))?;
        let manager = Manager { network, connector, info, deadline };
        // The one that answered last comes first: it is the least likely to have to be tried before, which takes a round trip.
        let pool = managed::Pool::builder(manager).max_size(size).queue_mode(QueueMode::Lifo).build();
        let pool = pool.expect("a pool without timeouts of its own needs no runtime");
        Ok(Self { pool, primary, deadline, status })
    }

    /// Sends commands, or one transaction, in one round trip. The reply is the array of replies; error replies are items
    /// of it when the pipeline ignores errors. The commands may be sent twice. Only the server that feeds is asked.
    pub(crate) async fn query(&self, commands: &Pipeline) -> Result<Value, Error> {
        self.ask(commands).await.map_err(|failure| failure.error)
    }

    /// The same; a transaction that was not run tells which of its commands were refused. Boxed, which costs nothing beside a round trip:
    /// whoever waits for a read of the archive is not as deep a type as all libraries beneath make it.
    pub(crate) fn ask<'a>(&'a self, commands: &'a Pipeline) -> Asking<'a> {
        Box::pin(self.ask_in_time(commands))
    }

    async fn ask_in_time(&self, commands: &Pipeline) -> Result<Value, Failure> {
        let deadline = Instant::now() + self.deadline;
        loop {
            let asked = Instant::now();
            let got = timeout_at(deadline, self.pool.get()).await;
            self.status.timings().waits.record(asked.elapsed());
            let mut connection = match got {
                Err(_) => return Err(Error::Crowded(self.deadline).into()),
                Ok(Ok(connection)) => connection,
                Ok(Err(PoolError::Backend(error))) => return Err(error.into()),
                Ok(Err(error)) => return Err(Error::Link(error.to_string()).into()),
            };
            let is_new = Object::metrics(&connection).recycle_count == 0;
            if let Err(error) = self.primary.check(&connection.server) {
                let server = Object::take(connection).server;
                if is_new {
                    return self.primary.check_new(&server).and(Err(error)).map_err(Failure::from);
                }
                continue;
            }
            // A command that got less than half of its time says little about the size of its answer.
            let is_late = deadline.saturating_duration_since(Instant::now()) < self.deadline / 2;
            let late = || if is_late { Error::Crowded(self.deadline) } else { Error::Timeout(self.deadline) };
            let sent = Instant::now();
            let answer = timeout_at(deadline, commands.query_async(&mut connection.link)).await;
            self.status.timings().commands.record(sent.elapsed());
            let answer = match answer {
                // The connection has a deadline of its own, which may be met first.
                Ok(Err(error)) if error.is_timeout() => Err(late()),
                answer => answer.map_err(|_| late()),
            };
            match answer {
                Ok(Ok(reply)) => {
                    connection.answered = Instant::now();
                    // The feed may have gone over to another one meanwhile.
                    self.primary.check(&connection.server)?;
                    return Ok(reply);
                }
                Ok(Err(error)) => {
                    let broken = error.is_unrecoverable_error() || error.is_io_error();
                    let tried = connection.tried;
                    if broken {
                        drop(Object::take(connection));
                    }
                    // The next one, at the latest a new one, may do: at most each connection of the pool is dead.
                    if tried || !broken {
                        let mut failure = Failure::from(error);
                        if let Error::Link(text) = failure.error {
                            failure.error = Error::Cut(text);
                        }
                        return Err(failure);
                    }
                }
                // Its answer may still come and would be taken for the next command's.
                Err(error) => {
                    drop(Object::take(connection));
                    return Err(error.into());
                }
            }
        }
    }

    /// Closes the connections; later requests fail.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// A connection of the pool. Nothing that is sent over one leaves a `WATCH` or a transaction behind.
#[derive(Debug)]
struct Pooled {
    link: MultiplexedConnection,
    /// Where it leads.
    server: RunId,
    /// When it last answered.
    answered: Instant,
    /// It is new, or answered right before this use.
    tried: bool,
}

/// Makes connections for the pool.
#[derive(Debug)]
struct Manager {
    network: NetworkManager,
    connector: Connector,
    info: ConnectionInfo,
    deadline: Duration,
}

impl managed::Manager for Manager {
    type Type = Pooled;
    type Error = Error;

    async fn create(&self) -> Result<Pooled, Error> {
        let mut link = match &self.connector {
            Connector::Network => managed::Manager::create(&self.network).await?,
            Connector::Over(dial) => connect::over(&**dial, &self.info, connect::config(self.deadline)).await?,
        };
        let server = identify(&mut link).await?;
        Ok(Pooled { link, server, answered: Instant::now(), tried: true })
    }

    async fn recycle(&self, connection: &mut Pooled, metrics: &Metrics) -> RecycleResult<Error> {
        connection.tried = connection.answered.elapsed() >= FRESH;
        if !connection.tried {
            return Ok(());
        }
        managed::Manager::recycle(&self.network, &mut connection.link, metrics).await.map_err(|error| match error {
            RecycleError::Message(text) => RecycleError::Message(text),
            RecycleError::Backend(error) => RecycleError::Backend(error.into()),
        })
    }
}
