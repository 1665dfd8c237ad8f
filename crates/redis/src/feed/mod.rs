//! The feed: Redis Pub/Sub, with a supervisor of our own.
//!
//! One RESP3 connection carries the subscriptions, and its pushes go from the client library's reader straight into the
//! [`FeedSink`]: there is no queue in between that could drop or grow. The connection is believed dead as soon as a message
//! that the node publishes to itself does not come back in time, whatever TCP says. A dead connection is dropped, and
//! everything is subscribed anew from [`Desired`], which is the only list of subscriptions that there is.

mod keyspace;
mod probe;
mod push;
mod subscribe;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare_log::{Desired, FeedEvent, FeedSink, Random};
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::connect::{self, Connector};
use crate::error::Error;
use crate::topology::Topology;
pub(crate) use keyspace::{HOW_TO_ENABLE, announces_xadd};
pub(crate) use push::Receiver;

/// What the feed needs to know.
pub(crate) struct FeedOptions {
    /// Where Redis is, with credentials.
    pub(crate) topology: Topology,
    /// How connections are made.
    pub(crate) connector: Connector,
    /// For the jitter of reconnects.
    pub(crate) random: Random,
    /// What every key and Pub/Sub channel begins with.
    pub(crate) prefix: Arc<str>,
    /// Listen to keyspace notifications too.
    pub(crate) keyspace_notifications: bool,
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
    fn database(&self) -> i64 {
        self.topology.database()
    }
}

/// What the feed reports of itself.
pub(crate) trait FeedObserver: Send + Sync + 'static {
    /// A connection is up.
    fn connected(&self);
    /// The connection is gone, or could not be made.
    fn disconnected(&self, reason: &str);
    /// A round trip through the path of pushes was just proven.
    fn probed(&self);
    /// Number of subscriptions acknowledged on the current connection.
    fn subscribed(&self, count: usize);
}

/// What has been logged already and need not be repeated at every reconnect.
#[derive(Default)]
struct Said {
    probe_refused: AtomicBool,
    keyspace: AtomicBool,
}

impl Said {
    fn probe_refused(&self, channel: &str) {
        if !self.probe_refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                channel,
                "the ACL forbids the probe channel: a PING proves the connection, but not that messages arrive; \
                 allow +publish and the Pub/Sub channel"
            );
        }
    }
}

/// Feeds `sink` for ever. Dropping the future ends the connection.
pub(crate) async fn run(options: FeedOptions, desired: Desired, sink: FeedSink, observer: Arc<dyn FeedObserver>) {
    let mut backoff = Backoff::new(options.random.fork());
    let said = Said::default();
    // A change of state is logged once, however long it lasts.
    let mut down_since: Option<Instant> = None;
    loop {
        let receiver = Receiver::new(&options, sink.clone());
        match open(&options, &receiver).await {
            Ok(connection) => {
                let began = Instant::now();
                let after_ms = down_since.take().map(|since| since.elapsed().as_millis());
                tracing::info!(after_ms, "the feed is connected to Redis");
                observer.connected();
                sink.send(FeedEvent::Connected);
                let reason = follow(&options, connection, &receiver, &desired, &sink, &*observer, &said).await;
                receiver.close();
                sink.send(FeedEvent::Disconnected);
                observer.disconnected(&reason);
                tracing::warn!(reason, "the feed lost Redis; reconnecting");
                down_since = Some(Instant::now());
                if began.elapsed() > options.probe_timeout {
                    backoff.reset();
                }
            }
            Err(error) => {
                receiver.close();
                let reason = error.to_string();
                observer.disconnected(&reason);
                if down_since.is_none() {
                    tracing::warn!(reason, "the feed cannot connect to Redis; trying again until it can");
                    down_since = Some(Instant::now());
                }
            }
        }
        sleep(backoff.next()).await;
    }
}

async fn open(options: &FeedOptions, receiver: &Receiver) -> Result<MultiplexedConnection, Error> {
    let info = options.topology.primary().await?;
    let config = connect::config(options.command_timeout).set_push_sender(receiver.sender());
    options.connector.connect(info, config, options.command_timeout).await
}

/// Follows the desired channels on one connection until it is dead. Returns why it is.
async fn follow(
    options: &FeedOptions,
    connection: MultiplexedConnection,
    receiver: &Receiver,
    desired: &Desired,
    sink: &FeedSink,
    observer: &dyn FeedObserver,
    said: &Said,
) -> String {
    let subscriptions = async {
        keyspace::advise(options, connection.clone(), said).await;
        subscribe::keep(options, connection.clone(), desired, sink, observer).await.to_string()
    };
    tokio::select! {
        // The cause before its consequences.
        biased;
        () = receiver.disconnected() => "the connection was closed".to_owned(),
        reason = subscriptions => reason,
        reason = probe::run(options, connection.clone(), receiver, sink, observer, said) => reason,
    }
}
