//! What clients and publishers need to know of the thing under test, as plain data: a worker gets it as JSON.

mod protocol;
mod publish;
mod subscribe;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use protocol::{Protocol, STREAMS, Trust};
pub use publish::{Publish, RedisWay};
pub use subscribe::{Dialect, Payload, Position, Primed, Resume, Subscribe};

/// Where and how to subscribe and to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Where clients connect. Every connect and reconnect takes one of them at random. Never empty.
    pub addresses: Vec<SocketAddr>,
    /// What they speak.
    pub protocol: Protocol,
    /// How a subscription is requested.
    pub subscribe: Subscribe,
    /// How an event is published. `None`: nothing can be published, which is enough for [`Scenario::Hold`].
    ///
    /// [`Scenario::Hold`]: crate::scenario::Scenario::Hold
    pub publish: Option<Publish>,
    /// Where `/metrics` of Fanfare's nodes is, for the number of archive reads. Empty: they are not counted.
    pub admin: Vec<SocketAddr>,
}
