//! The feed: Redis Pub/Sub, with a supervisor of our own.
//!
//! One RESP3 connection carries the subscriptions, and its pushes go from the client library's reader straight into the
//! [`FeedSink`]: there is no queue in between that could drop or grow. The connection is believed dead as soon as a message
//! that the node publishes to itself does not come back in time, whatever TCP says. A dead connection is dropped, and
//! everything is subscribed anew from [`Desired`], which is the only list of subscriptions that there is.

mod push;
mod subscribe;

use std::sync::Arc;
use std::time::Duration;

use fanfare_log::{Desired, FeedEvent, FeedSink};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisError};
use tokio::time::{Instant, interval_at, sleep, timeout};

use crate::backoff::Backoff;
use push::Receiver;

/// What the feed needs to know.
#[derive(Debug, Clone)]
pub(crate) struct FeedOptions {
    /// Where Redis is, with credentials.
    pub(crate) connection: redis::ConnectionInfo,
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

/// Feeds `sink` for ever. Dropping the future ends the connection.
pub(crate) async fn run(options: FeedOptions, desired: Desired, sink: FeedSink, observer: Arc<dyn FeedObserver>) {
    let mut backoff = Backoff::default();
    // A change of state is logged once, however long it lasts.
    let mut reported_down = false;
    loop {
        let receiver = Receiver::new(&options, sink.clone());
        match connect(&options, &receiver).await {
            Ok(connection) => {
                tracing::info!("the feed is connected to Redis");
                observer.connected();
                sink.send(FeedEvent::Connected);
                let began = Instant::now();
                let reason = follow(&options, connection, &receiver, &desired, &sink, &*observer).await;
                receiver.close();
                sink.send(FeedEvent::Disconnected);
                observer.disconnected(&reason);
                observer.subscribed(0);
                tracing::warn!(reason, "the feed lost Redis; reconnecting");
                reported_down = true;
                if began.elapsed() > options.probe_timeout {
                    backoff = Backoff::default();
                }
            }
            Err(error) => {
                receiver.close();
                let reason = error.to_string();
                observer.disconnected(&reason);
                if !std::mem::replace(&mut reported_down, true) {
                    tracing::warn!(reason, "the feed cannot connect to Redis; trying again until it can");
                }
            }
        }
        sleep(backoff.next()).await;
    }
}

async fn connect(options: &FeedOptions, receiver: &Receiver) -> Result<MultiplexedConnection, RedisError> {
    let settings = options.connection.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = redis::Client::open(options.connection.clone().set_redis_settings(settings))?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(options.command_timeout))
        .set_response_timeout(Some(options.command_timeout))
        .set_push_sender(receiver.sender());
    // The library's own timeout does not cover the handshake on a frozen server.
    match timeout(options.command_timeout * 2, client.get_multiplexed_async_connection_with_config(&config)).await {
        Ok(result) => result,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// Follows the desired channels on one connection until it is dead. Returns why it is.
async fn follow(
    options: &FeedOptions,
    connection: MultiplexedConnection,
    receiver: &Receiver,
    desired: &Desired,
    sink: &FeedSink,
    observer: &dyn FeedObserver,
) -> String {
    tokio::select! {
        error = subscribe::keep(options, connection.clone(), desired, sink, observer) => error.to_string(),
        reason = probe(options, connection, receiver, sink, observer) => reason,
        () = receiver.disconnected() => "the connection was closed".to_owned(),
    }
}

/// Proves the path of pushes again and again. Returns why it could not.
async fn probe(
    options: &FeedOptions,
    mut connection: MultiplexedConnection,
    receiver: &Receiver,
    sink: &FeedSink,
    observer: &dyn FeedObserver,
) -> String {
    let channel = receiver.probe_channel();
    let mut publishes = true;
    if let Err(error) = connection.subscribe(channel).await {
        if error.code() != Some("NOPERM") {
            return error.to_string();
        }
        publishes = false;
    }
    let mut ticks = interval_at(Instant::now(), options.probe_interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut number = 0u64;
    loop {
        ticks.tick().await;
        number += 1;
        let round_trip = async {
            if publishes {
                redis::cmd("PUBLISH").arg(channel).arg(number).query_async::<()>(&mut connection).await?;
                receiver.probe_seen(number).await;
                return Ok(());
            }
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        match timeout(options.probe_timeout, round_trip).await {
            Ok(Ok(())) => {
                observer.probed();
                sink.send(FeedEvent::Probe);
            }
            Ok(Err(error)) if publishes && error.code() == Some("NOPERM") => {
                publishes = false;
                tracing::warn!(
                    channel,
                    "the ACL forbids publishing to the probe channel: a PING proves the connection, but not that messages arrive"
                );
                ticks.reset_immediately();
            }
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("a probe did not come back within {:?}", options.probe_timeout),
        }
    }
}
