//! Making a connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion, RedisError};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::dial::{Dial, RedisSocket, dial_network};
use crate::error::Error;

/// How connections are made.
#[derive(Clone, Default)]
pub(crate) enum Connector {
    /// By the client library, over TCP or a Unix socket.
    #[default]
    Network,
    /// Over streams that the caller's `Dial` makes.
    Over(Arc<dyn Dial>),
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "Network",
            Self::Over(_) => "Over",
        })
    }
}

impl Connector {
    /// Connects with RESP3 within the deadline, handshake included.
    pub(crate) async fn connect(
        &self,
        info: ConnectionInfo,
        config: AsyncConnectionConfig,
        deadline: Duration,
    ) -> Result<MultiplexedConnection, Error> {
        let info = resp3(info);
        let connecting = async {
            match self {
                Self::Network => Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await,
                Self::Over(dial) => over(&**dial, &info, config).await,
            }
        };
        // The library's own timeout leaves the handshake out, and a frozen server still accepts.
        match timeout(deadline, connecting).await {
            Ok(connection) => connection.map_err(not_connected),
            Err(_) => Err(Error::Timeout(deadline)),
        }
    }

    /// The same, and what tells of the connection's end at once: whoever holds a connection that is not in use hears nothing.
    pub(crate) async fn connect_watched(
        &self,
        info: ConnectionInfo,
        config: AsyncConnectionConfig,
        deadline: Duration,
    ) -> Result<(MultiplexedConnection, End), Error> {
        let (connection, driver) = self.driven(info, config, deadline, |stream| stream).await?;
        Ok((connection, End(driver)))
    }

    /// The same with something between the stream and the library, which sees first what arrives.
    pub(crate) async fn connect_through<S: RedisSocket + 'static>(
        &self,
        info: ConnectionInfo,
        config: AsyncConnectionConfig,
        deadline: Duration,
        between: impl FnOnce(Box<dyn RedisSocket>) -> S,
    ) -> Result<(MultiplexedConnection, Driver), Error> {
        let (connection, driver) = self.driven(info, config, deadline, between).await?;
        Ok((connection, Driver(driver)))
    }

    async fn driven<S: RedisSocket + 'static>(
        &self,
        info: ConnectionInfo,
        config: AsyncConnectionConfig,
        deadline: Duration,
        between: impl FnOnce(Box<dyn RedisSocket>) -> S,
    ) -> Result<(MultiplexedConnection, JoinHandle<()>), Error> {
        let info = resp3(info);
        let connecting = async {
            let stream = match self {
                Self::Network => dial_network(&info).await?,
                Self::Over(dial) => dial.dial().await?,
            };
            drive(between(stream), &info, config).await
        };
        match timeout(deadline, connecting).await {
            Ok(connected) => connected.map_err(not_connected),
            Err(_) => Err(Error::Timeout(deadline)),
        }
    }
}

/// Tells of the end of a connection, which lives on as long as somebody holds it.
pub(crate) struct End(JoinHandle<()>);

impl End {
    /// Returns once, when the connection is closed or broken. Cancel-safe.
    pub(crate) async fn wait(&mut self) {
        drop((&mut self.0).await);
    }
}

/// Why there is no connection. A server without `HELLO` (<https://redis.io/docs/latest/commands/hello/>) complains of a command that
/// no operator has ever typed.
fn not_connected(error: RedisError) -> Error {
    match Error::from(error) {
        Error::Reply(text) | Error::Link(text) if text.contains("HELLO") => {
            Error::Link(format!("nodes need RESP3 (Redis 6.0 or newer, HELLO not renamed): {text}"))
        }
        error => error,
    }
}

/// Ends the task that drives a connection when it is dropped, whatever the connection still waits for.
pub(crate) struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the library does for a socket of its own, with a stream that the caller's `Dial` made.
pub(crate) async fn over(
    dial: &dyn Dial,
    info: &ConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    let (connection, driver) = drive(dial.dial().await?, info, config).await?;
    drop(driver);
    Ok(connection)
}

#[expect(clippy::disallowed_methods, reason = "the driver ends when the last handle of the connection is dropped")]
async fn drive<S: RedisSocket + 'static>(
    stream: S,
    info: &ConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<(MultiplexedConnection, JoinHandle<()>), RedisError> {
    let (connection, driver) = MultiplexedConnection::new_with_config(info.redis_settings(), stream, config).await?;
    Ok((connection, tokio::task::spawn(driver)))
}

/// Every command of a connection has this deadline.
pub(crate) fn config(deadline: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(deadline)).set_response_timeout(Some(deadline))
}

/// The same server, spoken to in RESP3.
pub(crate) fn resp3(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    info.set_redis_settings(settings)
}
