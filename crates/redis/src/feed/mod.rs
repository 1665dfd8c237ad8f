//! The feed: Redis Pub/Sub, with a supervisor of our own.
//!
//! One RESP3 connection carries the subscriptions. Its messages are taken out of the stream before the client library sees them
//! ([`sieve`]) and go straight into the [`FeedSink`]: there is no queue in between that could drop or grow. The connection is believed dead as soon as a message
//! that the node publishes to itself does not come back in time, whatever TCP says. A dead connection is dropped, and
//! everything is subscribed anew from [`Desired`], which is the only list of subscriptions that there is.

mod frame;
mod keyspace;
pub(crate) mod observer;
mod options;
mod probe;
mod push;
mod refusals;
mod served;
mod sieve;
mod subscribe;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use fanfare_log::{Desired, FeedEvent, FeedSink};
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::connect::{self, Driver};
use crate::error::Error;
use crate::primary::{RunId, identify};
pub(crate) use keyspace::{HOW_TO_ENABLE, announces_xadd};
use observer::FeedObserver;
pub(crate) use options::FeedOptions;
pub(crate) use push::Receiver;
use refusals::Refusals;
use served::Served;
pub(crate) use sieve::Sieve;
use warnings::Warnings;

/// What outlives a connection.
struct Lasting {
    warnings: Warnings,
    refusals: Refusals,
}

/// Feeds `sink` for ever. Dropping the future ends the connection.
pub(crate) async fn run(options: FeedOptions, desired: Desired, sink: FeedSink, observer: Arc<dyn FeedObserver>) {
    let mut backoff = Backoff::new(options.random.fork());
    let mut lasting = Lasting { warnings: Warnings::default(), refusals: Refusals::new(Instant::now()) };
    // A change of state is logged once, however long it lasts.
    let mut down_since: Option<Instant> = None;
    loop {
        let receiver = Receiver::new(&options, sink.clone());
        let mut pause = Duration::ZERO;
        match open(&options, &receiver).await {
            Ok((connection, server, driver)) => {
                options.primary.set(server);
                let served = Served::new(Arc::clone(&observer));
                let after_ms = down_since.take().map(|since| since.elapsed().as_millis());
                tracing::info!(after_ms, "the feed is connected to Redis");
                observer.connected();
                sink.send(FeedEvent::Connected);
                let reason = follow(&options, connection, &receiver, &desired, &sink, &served, &mut lasting).await;
                receiver.close();
                drop(driver);
                options.primary.set(None);
                sink.send(FeedEvent::Disconnected);
                observer.disconnected(&reason);
                tracing::warn!(reason, "the feed lost Redis; reconnecting");
                down_since = Some(Instant::now());
                // A server that takes connections and drops them is left alone for longer each time. One that has brought
                // something, and cuts what does not read fast enough, is gone back to at once.
                if served.is_proven() || receiver.has_carried() {
                    backoff.reset();
                    pause = served.pause();
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
        sleep(backoff.next().max(pause)).await;
    }
}

async fn open(options: &FeedOptions, receiver: &Receiver) -> Result<(MultiplexedConnection, RunId, Driver), Error> {
    let info = options.topology.primary().await?;
    let config = connect::config(options.command_timeout).set_push_sender(receiver.sender());
    let sieve = |stream| Sieve::new(stream, receiver.messages());
    let (mut connection, driver) =
        options.connector.connect_through(info, config, options.command_timeout, sieve).await?;
    let server = identify(&mut connection).await?;
    Ok((connection, server, driver))
}

/// Follows the desired channels on one connection until it is dead. Returns why it is.
async fn follow(
    options: &FeedOptions,
    connection: MultiplexedConnection,
    receiver: &Receiver,
    desired: &Desired,
    sink: &FeedSink,
    observer: &dyn FeedObserver,
    Lasting { warnings, refusals }: &mut Lasting,
) -> String {
    let subscriptions = async {
        keyspace::advise(options, connection.clone(), warnings).await;
        subscribe::keep(options, connection.clone(), desired, sink, observer, refusals).await.to_string()
    };
    tokio::select! {
        // The cause before its consequences.
        biased;
        () = receiver.disconnected() => "the connection was closed".to_owned(),
        reason = subscriptions => reason,
        reason = probe::run(options, connection.clone(), receiver, sink, observer, warnings) => reason,
    }
}
