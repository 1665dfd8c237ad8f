//! The proof that messages arrive: the node publishes to a channel of its own and waits for the message to come back
//! on the very connection that carries the subscriptions.

use fanfare_log::{FeedEvent, FeedSink};
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::observer::FeedObserver;
use super::options::FeedOptions;
use super::push::Receiver;
use super::warnings::Warnings;
use crate::error::Error;

/// Proves the path of pushes again and again. Returns why it could not.
pub(super) async fn run(
    options: &FeedOptions,
    mut connection: MultiplexedConnection,
    receiver: &Receiver,
    sink: &FeedSink,
    observer: &dyn FeedObserver,
    warnings: &Warnings,
) -> String {
    let channel = receiver.probe_channel();
    let mut publishes = match connection.subscribe(channel).await.map_err(Error::from) {
        Ok(()) => true,
        Err(Error::Denied(_)) => {
            warnings.probe_refused(channel);
            false
        }
        Err(error) => return error.to_string(),
    };
    let mut ticks = interval_at(Instant::now(), options.probe_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0u64;
    loop {
        ticks.tick().await;
        number += 1;
        let began = Instant::now();
        let round_trip = async {
            if publishes {
                receiver.expect_probe(number, began);
                redis::cmd("PUBLISH")
                    .arg(channel)
                    .arg(receiver.probe_text(number))
                    .query_async::<()>(&mut connection)
                    .await?;
                receiver.probe_seen(number).await;
                return Ok(());
            }
            ping(&mut connection).await
        };
        match timeout(options.probe_timeout, round_trip).await {
            Ok(Ok(())) => {
                observer.probed();
                // The receiver has told of a message that came back, in its place among the others. So does an answer come after all of them.
                if !publishes {
                    sink.send(FeedEvent::Probe { began });
                }
            }
            Ok(Err(Error::Denied(_))) if publishes => {
                publishes = false;
                warnings.probe_refused(channel);
                ticks.reset_immediately();
            }
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("a probe did not come back within {:?}", options.probe_timeout),
        }
    }
}

/// A refused PING is an answer too.
async fn ping(connection: &mut MultiplexedConnection) -> Result<(), Error> {
    match redis::cmd("PING").query_async::<()>(connection).await.map_err(Error::from) {
        Err(Error::Denied(_)) => Ok(()),
        other => other,
    }
}
