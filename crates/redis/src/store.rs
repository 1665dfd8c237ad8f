//! The handle that the composition root holds.

use std::future::Future;
use std::sync::Arc;

use fanfare_log::{Desired, FeedSink, Random};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::archive::{RedisArchive, Streams};
use crate::connect::Connector;
use crate::control::Control;
use crate::dial::Dial;
use crate::eviction::EvictionWarning;
use crate::feed::{self, FeedOptions};
use crate::functions::Presence;
use crate::occupancy::RedisOccupancy;
use crate::options::{Options, OptionsError};
use crate::pool::Pool;
use crate::primary::Primary;
use crate::publisher::RedisPublisher;
use crate::shared_connection::SharedConnection;
use crate::status::Status;
use crate::tickets::RedisTickets;
use crate::topology::Topology;
use crate::witness::{self, Witness};

/// Everything of one node that speaks Redis.
///
/// [`RedisStore::new`] needs neither a runtime nor a server. [`RedisStore::run`] is the part that lives: the feed and
/// the control connection.
pub struct RedisStore {
    options: Options,
    archive: RedisArchive,
    history: RedisArchive,
    publisher: RedisPublisher,
    tickets: RedisTickets,
    occupancy: RedisOccupancy,
    status: Status,
    pools: [Pool; 2],
    control: Control,
}

impl RedisStore {
    /// Makes the parts. Nothing connects yet.
    ///
    /// # Errors
    /// Options that cannot work, whatever Redis says.
    pub fn new(options: &Options) -> Result<Self, OptionsError> {
        Self::with(options, Connector::Network, &Random::from_entropy())
    }

    /// The same over streams that the caller's `Dial` makes, whatever address the options name, and with random numbers that
    /// repeat if `random` does: what a simulation needs.
    ///
    /// # Errors
    /// As [`RedisStore::new`].
    pub fn over(options: &Options, dial: Arc<dyn Dial>, random: &Random) -> Result<Self, OptionsError> {
        Self::with(options, Connector::Over(dial), random)
    }

    fn with(options: &Options, connector: Connector, random: &Random) -> Result<Self, OptionsError> {
        options.validate()?;
        let connection = options.connection()?;
        let keys = options.keys();
        let permanence = options.min_lives.permanence().clone();
        let status = Status::with(permanence.clone());
        let primary = Primary::new();
        let presence = Arc::new(Presence::default());
        let pool = |size| {
            let (connector, connection) = (connector.clone(), connection.clone());
            Pool::new(connector, connection, primary.clone(), size, options.command_timeout, status.clone())
                .map_err(|_| OptionsError::Url)
        };
        let pools = [pool(options.pool_size)?, pool(options.history_connections())?];
        let [for_archive, for_control, for_history] = std::array::from_fn(|_| random.fork());
        let archive = |pool: &Pool, random: &Random| {
            let min_lives = options.min_lives.clone();
            let streams = Streams::new(pool.clone(), keys.clone(), Arc::clone(&presence), &status, random, min_lives);
            RedisArchive::new(streams, status.clone(), options.event_bytes)
        };
        let (archive, history) = (archive(&pools[0], &for_archive), archive(&pools[1], &for_history));
        let (publish_connection, connections) = watch::channel(None);
        let shared = SharedConnection::new(connections);
        let tickets = RedisTickets::new(shared.clone(), keys.clone(), options.command_timeout);
        let occupancy = RedisOccupancy::new(shared.clone(), keys.clone(), options.command_timeout);
        let publisher = RedisPublisher::new(shared, keys, Arc::clone(&presence), options.command_timeout, permanence);
        let control = Control {
            topology: Topology::Standalone(Box::new(connection)),
            connector,
            primary,
            random: for_control,
            status: status.clone(),
            ping_interval: options.probe_interval,
            ping_timeout: options.probe_timeout,
            command_timeout: options.command_timeout,
            load_functions: options.load_functions,
            eviction_warning: EvictionWarning::new(options.pushes),
            presence,
            publish_connection,
        };
        Ok(Self { options: options.clone(), archive, history, publisher, tickets, occupancy, status, pools, control })
    }

    /// Reads of the archive. Works, or fails with a reason, whether or not [`RedisStore::run`] runs.
    #[must_use]
    pub fn archive(&self) -> RedisArchive {
        self.archive.clone()
    }

    /// The same for history over HTTP, over connections of its own: however many large pages its clients page through, no stream
    /// waits for them.
    #[must_use]
    pub fn history(&self) -> RedisArchive {
        self.history.clone()
    }

    /// Publishes through this node, while [`RedisStore::run`] runs.
    #[must_use]
    pub fn publisher(&self) -> RedisPublisher {
        self.publisher.clone()
    }

    /// The tickets of all nodes, while [`RedisStore::run`] runs.
    #[must_use]
    pub fn tickets(&self) -> RedisTickets {
        self.tickets.clone()
    }

    /// The readers of counted channels on all nodes, while [`RedisStore::run`] runs.
    #[must_use]
    pub fn occupancy(&self) -> RedisOccupancy {
        self.occupancy.clone()
    }

    /// What this node knows about its Redis, always up to date.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.clone()
    }

    /// Runs the feed and the control connection until the future is dropped. Redis need not be there: both keep trying,
    /// and `sink` hears of every change. All connections are closed then.
    pub fn run(self, desired: Desired, sink: FeedSink) -> impl Future<Output = ()> + Send + 'static {
        let (feed, upkeep) = self.split(desired, sink);
        async move {
            tokio::join!(upkeep, feed);
        }
    }

    /// The same in two parts, for callers who give each a thread of its own: the feed, which must never wait for anything
    /// else of the node, since Redis cuts off a subscriber that does not read; and the control connection. A connection is
    /// driven, and what arrives on it parsed, on the runtime on which it was made: that of the part it belongs to, or that of
    /// whoever read from the archive. The second part closes the archive's connections when it is dropped.
    pub fn split(
        self,
        desired: Desired,
        sink: FeedSink,
    ) -> (impl Future<Output = ()> + Send + 'static, impl Future<Output = ()> + Send + 'static) {
        let Self { options, archive, status, pools, control, .. } = self;
        let witness = Arc::new(Witness::default());
        let feed_options = FeedOptions {
            topology: control.topology.clone(),
            connector: control.connector.clone(),
            primary: control.primary.clone(),
            witness: Arc::clone(&witness),
            random: control.random.fork(),
            keys: options.keys(),
            keyspace_notifications: options.keyspace_notifications,
            pushes: options.pushes,
            probe_interval: options.feed_probe_interval(),
            probe_timeout: options.probe_timeout,
            command_timeout: options.command_timeout,
            max_event_bytes: options.event_bytes,
            node: Arc::from(format!("{:016x}", control.random.number())),
        };
        let guard = ClosesPools(pools);
        let looking_up = witness::run(witness, archive, status.clone(), control.topology.database());
        let upkeep = async move {
            let _guard = guard;
            tokio::join!(control.run(), looking_up);
        };
        (feed::run(feed_options, desired, sink, Arc::new(status)), upkeep)
    }

    /// [`RedisStore::new`] and [`RedisStore::run`] as a task of the current runtime.
    ///
    /// # Errors
    /// As [`RedisStore::new`].
    pub fn start(options: &Options, desired: Desired, sink: FeedSink) -> Result<RedisHandle, OptionsError> {
        let store = Self::new(options)?;
        let (archive, status) = (store.archive(), store.status());
        let (publisher, tickets, occupancy) = (store.publisher(), store.tickets(), store.occupancy());
        let mut tasks = JoinSet::new();
        tasks.spawn(store.run(desired, sink));
        Ok(RedisHandle { archive, publisher, tickets, occupancy, status, tasks })
    }
}

/// A running store. Dropping it ends its task at once; [`RedisHandle::stop`] also waits.
#[derive(Debug)]
pub struct RedisHandle {
    /// Reads of the archive.
    pub archive: RedisArchive,
    /// Publishes through this node.
    pub publisher: RedisPublisher,
    /// The tickets of all nodes.
    pub tickets: RedisTickets,
    /// The readers of counted channels on all nodes.
    pub occupancy: RedisOccupancy,
    /// What this node knows about its Redis, always up to date.
    pub status: Status,
    tasks: JoinSet<()>,
}

impl RedisHandle {
    /// Ends the task, waits for that and closes the connections. Reads and publishes that are under way fail.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

struct ClosesPools([Pool; 2]);

impl Drop for ClosesPools {
    fn drop(&mut self) {
        self.0.iter().for_each(Pool::close);
    }
}
