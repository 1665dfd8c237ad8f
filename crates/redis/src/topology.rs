//! Which server is the primary. The one place that will know Sentinel and Cluster.

use redis::ConnectionInfo;

use crate::error::Error;

/// How the primary is found.
#[derive(Clone)]
pub(crate) enum Topology {
    /// One server with a fixed address.
    Standalone(Box<ConnectionInfo>),
}

impl Topology {
    /// Where the primary is now. Asked before every connection attempt.
    // Finding the primary behind Sentinel is a conversation, so callers wait for it already.
    #[allow(clippy::unused_async)]
    pub(crate) async fn primary(&self) -> Result<ConnectionInfo, Error> {
        match self {
            Self::Standalone(info) => Ok((**info).clone()),
        }
    }

    /// The number of the database.
    pub(crate) fn database(&self) -> i64 {
        match self {
            Self::Standalone(info) => info.redis_settings().db(),
        }
    }
}
