//! A bounded pool of connections for archive reads, with a deadline for each command.

use std::time::Duration;

use deadpool_redis::{Connection, Manager, PoolError};
use redis::{ConnectionInfo, Pipeline, RedisError, Value};
use tokio::time::{Instant, timeout_at};

use crate::connect;
use crate::trouble::Trouble;

/// Cloning shares the connections.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pool: deadpool_redis::Pool,
    deadline: Duration,
}

impl Pool {
    /// A pool of at most `size` connections, made when they are first needed. `deadline` covers the wait for a free
    /// connection, the making of one and the command.
    pub(crate) fn new(info: ConnectionInfo, size: usize, deadline: Duration) -> Result<Self, RedisError> {
        let manager = Manager::new_with_config(connect::resp3(info), connect::config(deadline))?;
        let pool = deadpool_redis::Pool::builder(manager).max_size(size).build();
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
        match timeout_at(deadline, commands.query_async(&mut connection)).await.map_err(late) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                if error.is_unrecoverable_error() {
                    drop(Connection::take(connection));
                }
                Err(error.into())
            }
            // Its answer may still come: nobody must have to wait behind it.
            Err(trouble) => {
                drop(Connection::take(connection));
                Err(trouble)
            }
        }
    }

    /// Closes the connections; whoever still asks gets an error.
    pub(crate) fn close(&self) {
        self.pool.close();
    }
}
