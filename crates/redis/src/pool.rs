//! A bounded pool of connections for archive reads, with a deadline for each command.

use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, RecycleResult};
use deadpool_redis::Manager as NetworkManager;
use redis::aio::MultiplexedConnection;
use redis::{ConnectionInfo, Pipeline, RedisError, Value};
use tokio::time::{Instant, timeout_at};

use crate::connect::{self, Connector};
use crate::trouble::Trouble;

/// Cloning shares the connections.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pool: managed::Pool<Manager>,
    deadline: Duration,
}

impl Pool {
    /// A pool of at most `size` connections, made when they are first needed. `deadline` covers the wait for a free
    /// connection, the making of one and the command.
    pub(crate) fn new(
        connector: Connector,
        info: ConnectionInfo,
        size: usize,
        deadline: Duration,
    ) -> Result<Self, RedisError> {
        let info = connect::resp3(info);
        let network = NetworkManager::new_with_config(info.clone(), connect::config(deadline))?;
        let manager = Manager { network, connector, info, deadline };
        let pool = managed::Pool::builder(manager).max_size(size).build();
        let pool = pool.expect("a pool without timeouts of its own needs no runtime");
        Ok(Self { pool, deadline })
    }

    /// Sends commands, or one transaction, in one round trip. The reply is the array of replies; error replies are items
    /// of it when the pipeline ignores errors.
    pub(crate) async fn query(&self, commands: &Pipeline) -> Result<Value, Trouble> {
        let deadline = Instant::now() + self.deadline;
        let late = |_| Trouble::Timeout(self.deadline);
        let mut connection = match timeout_at(deadline, self.pool.get()).await.map_err(late)? {
            Ok(connection) => connection,
            Err(PoolError::Backend(error)) => return Err(error.into()),
            Err(error) => return Err(Trouble::Link(error.to_string())),
        };
        match timeout_at(deadline, commands.query_async(&mut *connection)).await.map_err(late) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                if error.is_unrecoverable_error() {
                    drop(Object::take(connection));
                }
                Err(error.into())
            }
            // Its answer may still come: nobody must have to wait behind it.
            Err(trouble) => {
                drop(Object::take(connection));
                Err(trouble)
            }
        }
    }

    /// Closes the connections; whoever still asks gets an error.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
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
    type Type = MultiplexedConnection;
    type Error = RedisError;

    async fn create(&self) -> Result<MultiplexedConnection, RedisError> {
        match &self.connector {
            Connector::Network => managed::Manager::create(&self.network).await,
            Connector::Over(dial) => connect::over(&**dial, &self.info, connect::config(self.deadline)).await,
        }
    }

    async fn recycle(&self, connection: &mut MultiplexedConnection, metrics: &Metrics) -> RecycleResult<RedisError> {
        managed::Manager::recycle(&self.network, connection, metrics).await
    }
}
