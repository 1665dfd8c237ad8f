//! Making a connection.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion};
use tokio::time::timeout;

use crate::trouble::Trouble;

/// Every command of a connection has this deadline.
pub(crate) fn config(deadline: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(deadline)).set_response_timeout(Some(deadline))
}

/// Connects with RESP3 within the deadline, handshake included.
pub(crate) async fn connect(
    info: ConnectionInfo,
    config: AsyncConnectionConfig,
    deadline: Duration,
) -> Result<MultiplexedConnection, Trouble> {
    let client = Client::open(resp3(info))?;
    // The library's own timeout leaves the handshake out, and a frozen server still accepts.
    match timeout(deadline, client.get_multiplexed_async_connection_with_config(&config)).await {
        Ok(connection) => Ok(connection?),
        Err(_) => Err(Trouble::Timeout(deadline)),
    }
}

/// The same server, spoken to in RESP3.
pub(crate) fn resp3(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    info.set_redis_settings(settings)
}
