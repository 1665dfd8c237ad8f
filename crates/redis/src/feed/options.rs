//! What the feed is told when the node starts.

use std::sync::Arc;
use std::time::Duration;

use fanfare_log::Random;

use crate::connect::Connector;
use crate::keys::Keys;
use crate::primary::Primary;
use crate::pushes::Pushes;
use crate::topology::Topology;
use crate::witness::Witness;

/// What the feed needs to know.
pub(crate) struct FeedOptions {
    /// Where Redis is, with credentials.
    pub(crate) topology: Topology,
    /// How connections are made.
    pub(crate) connector: Connector,
    /// Told which server feeds.
    pub(crate) primary: Primary,
    /// Told what pushes name.
    pub(crate) witness: Arc<Witness>,
    /// For the jitter of reconnects.
    pub(crate) random: Random,
    /// How logs are named in Redis.
    pub(crate) keys: Keys,
    /// Listen to keyspace notifications too.
    pub(crate) keyspace_notifications: bool,
    /// What is believed of messages that bring an entry.
    pub(crate) pushes: Pushes,
    /// How often the path is proven.
    pub(crate) probe_interval: Duration,
    /// A probe that is not back by then means a dead connection.
    pub(crate) probe_timeout: Duration,
    /// Deadline of every command, and of connecting.
    pub(crate) command_timeout: Duration,
    /// Largest data of an event, in bytes.
    pub(crate) max_event_bytes: usize,
    /// Names this node's probe channel: unique among nodes.
    pub(crate) node: Arc<str>,
}

impl FeedOptions {
    /// The number of the database, which keyspace notifications carry. (Pub/Sub itself knows no databases.)
    pub(super) fn database(&self) -> i64 {
        self.topology.database()
    }

    /// Of a feed that connects to nothing: of a node with the prefix `sse:`, on database 3.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn offline(max_event_bytes: usize) -> Self {
        let options =
            crate::options::Options { url: "redis://localhost/3".into(), ..crate::options::Options::default() };
        Self {
            topology: Topology::Standalone(Box::new(options.connection().expect("the URL is one"))),
            connector: Connector::Network,
            primary: Primary::new(),
            witness: Arc::default(),
            random: Random::seeded(1),
            keys: Keys::new("sse:"),
            keyspace_notifications: true,
            pushes: Pushes::Trusted,
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_secs(1),
            max_event_bytes,
            node: Arc::from("n"),
        }
    }
}
