//! The connection of the control task, as those see it who use it for commands of their own: publishes and tickets.

use std::fmt;
use std::sync::Arc;

use fanfare_protocol::limits::PUBLISH_CONNECTION_WAIT;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout_at};

/// One of the connections that a node has had, one after the other.
#[derive(Clone)]
pub(crate) struct NumberedConnection {
    /// Another one has another number.
    pub(crate) number: u64,
    pub(crate) connection: MultiplexedConnection,
}

/// A connection that comes and goes. Cloning shares it.
#[derive(Clone)]
pub(crate) struct SharedConnection {
    connection: watch::Receiver<Option<NumberedConnection>>,
    /// Held by the one who waits for the connection, so that those who came first go first: a `watch` wakes its waiters in an order of
    /// its own choice.
    turn: Arc<Mutex<()>>,
}

impl SharedConnection {
    pub(crate) fn new(connection: watch::Receiver<Option<NumberedConnection>>) -> Self {
        Self { connection, turn: Arc::default() }
    }

    /// The connection, or the next one when it is just being made anew. `None`: there is none by the deadline, or soon.
    pub(crate) async fn get(&self, deadline: Instant) -> Option<MultiplexedConnection> {
        self.get_numbered(deadline).await.map(|numbered| numbered.connection)
    }

    /// The same with its number.
    pub(crate) async fn get_numbered(&self, deadline: Instant) -> Option<NumberedConnection> {
        let mut connection = self.connection.clone();
        let connected = async {
            let _turn = self.turn.lock().await;
            connection.wait_for(Option::is_some).await.ok().and_then(|connection| connection.clone())
        };
        timeout_at(deadline.min(Instant::now() + PUBLISH_CONNECTION_WAIT), connected).await.ok().flatten()
    }
}

impl fmt::Debug for SharedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedConnection").finish_non_exhaustive()
    }
}
