//! The proof that messages arrive: the node publishes to a channel of its own and waits for the message to come back
//! on the very connection that carries the subscriptions.
//!
//! On a slow link the next message is sent before the last one is back: the age of the newest proof is one round trip and one interval at
//! most, and not two round trips.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use fanfare_log::{FeedEvent, FeedSink};
use fanfare_protocol::limits::PROBES_UNDER_WAY_MAX;
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
    let mut way = match connection.subscribe(channel).await.map_err(Error::from) {
        Ok(()) => Way::Message,
        Err(Error::Denied(_)) => {
            warnings.probe_refused(channel);
            Way::Ping
        }
        Err(error) => return error.to_string(),
    };
    let mut ticks = interval_at(Instant::now(), options.probe_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0u64;
    let mut under_way = UnderWay::default();
    loop {
        let came = tokio::select! {
            biased;
            came = under_way.next() => came,
            _ = ticks.tick(), if under_way.0.len() < PROBES_UNDER_WAY_MAX => {
                number += 1;
                let probe = Probe { number, way, began: Instant::now() };
                under_way.0.push_back(Box::pin(round_trip(probe, connection.clone(), receiver, options.probe_timeout)));
                continue;
            }
        };
        match came {
            (probe, Ok(())) => {
                observer.probed();
                // The receiver has told of a message that came back, in its place among the others. So does an answer come after all of them.
                if probe.way == Way::Ping {
                    sink.send(FeedEvent::Probe { began: probe.began });
                }
            }
            (Probe { way: Way::Message, .. }, Err(Error::Denied(_))) => {
                way = Way::Ping;
                warnings.probe_refused(channel);
                // The others are messages, too.
                under_way.0.clear();
                ticks.reset_immediately();
            }
            (_, Err(Error::Timeout(within))) => return format!("a probe did not come back within {within:?}"),
            (_, Err(error)) => return error.to_string(),
        }
    }
}

/// How the path is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By a message of the node to itself.
    Message,
    /// By an answer on the same connection, where the ACL forbids the message.
    Ping,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    number: u64,
    way: Way,
    began: Instant,
}

/// A probe, and what became of it.
type Over = (Probe, Result<(), Error>);

type RoundTrip<'a> = Pin<Box<dyn Future<Output = Over> + Send + 'a>>;

/// Sends a probe and waits until it is back, for `within` at most.
async fn round_trip(
    probe: Probe,
    mut connection: MultiplexedConnection,
    receiver: &Receiver,
    within: Duration,
) -> Over {
    let round_trip = async {
        match probe.way {
            Way::Message => {
                receiver.expect_probe(probe.number, probe.began);
                redis::cmd("PUBLISH")
                    .arg(receiver.probe_channel())
                    .arg(receiver.probe_text(probe.number))
                    .query_async::<()>(&mut connection)
                    .await?;
                receiver.probe_seen(probe.number).await;
                Ok(())
            }
            Way::Ping => ping(&mut connection).await,
        }
    };
    (probe, timeout(within, round_trip).await.unwrap_or(Err(Error::Timeout(within))))
}

/// A refused PING is an answer too.
async fn ping(connection: &mut MultiplexedConnection) -> Result<(), Error> {
    match redis::cmd("PING").query_async::<()>(connection).await.map_err(Error::from) {
        Err(Error::Denied(_)) => Ok(()),
        other => other,
    }
}

/// Probes that are not back yet, at most [`PROBES_UNDER_WAY_MAX`].
#[derive(Default)]
struct UnderWay<'a>(VecDeque<RoundTrip<'a>>);

impl UnderWay<'_> {
    /// Sends what was not sent yet, and waits for the next that is over; for ever if there is none. Cancel-safe.
    async fn next(&mut self) -> Over {
        poll_fn(|cx| {
            let is_over = |(index, probe): (usize, &mut RoundTrip<'_>)| match probe.as_mut().poll(cx) {
                Poll::Ready(over) => Some((index, over)),
                Poll::Pending => None,
            };
            let Some((index, over)) = self.0.iter_mut().enumerate().find_map(is_over) else { return Poll::Pending };
            drop(self.0.remove(index));
            Poll::Ready(over)
        })
        .await
    }
}
