//! Publishes what the host measures, several times a second, so that every point can be accounted for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare_log::{PublishError, PublishRequest, Publisher};
use fanfare_protocol::{ChannelName, Event, EventName};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};

use super::host::{Figures, Host};

/// Time between two readings.
pub const INTERVAL: Duration = Duration::from_millis(250);
/// Points that a channel keeps for pages that come later: ten minutes.
const KEPT: u64 = 2_400;
/// The store forgets the demonstration this long after its end.
const TTL: Duration = Duration::from_secs(600);
/// Longest pause between two attempts to publish the same point.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// The four channels, with the event name of their points.
pub const CHANNELS: [(&str, &str); 4] =
    [("host.cpu", "cpu"), ("host.memory", "memory"), ("host.network", "network"), ("host.disk", "disk")];

/// One point. `run` and `seq` let a page count what it misses without trusting anything on the way.
#[derive(Serialize)]
struct Point<'a, T> {
    run: &'a str,
    seq: u64,
    /// When it was measured, in milliseconds since the Unix epoch.
    t: u64,
    #[serde(flatten)]
    figures: T,
}

/// Reads and publishes until it is dropped, or returns why the store refuses for good. A point whose fate is unknown is published again under the same dedup key
/// until the store answers, so that the numbers in each channel have no hole; readings that fall due meanwhile are
/// skipped and get no number.
pub async fn run<P: Publisher>(publisher: P) -> PublishError {
    let mut host = Host::new();
    host.read(Instant::now());
    let start = millis();
    let run = format!("{start:x}-{:x}", std::process::id());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    let mut seq = 0;
    loop {
        ticks.tick().await;
        seq += 1;
        let figures = host.read(Instant::now());
        for (index, (channel, event)) in CHANNELS.into_iter().enumerate() {
            let data = encode(index, &run, seq, &figures);
            if let Err(error) = publish(&publisher, channel, event, data, &format!("{run}-{seq}")).await {
                return error;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what the demonstration plots is real time")]
fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn encode(index: usize, run: &str, seq: u64, figures: &Figures) -> String {
    fn json(point: &impl Serialize) -> String {
        serde_json::to_string(point).unwrap_or_default()
    }
    let t = millis();
    match index {
        0 => json(&Point { run, seq, t, figures: figures.cpu }),
        1 => json(&Point { run, seq, t, figures: figures.memory }),
        2 => json(&Point { run, seq, t, figures: figures.network }),
        _ => json(&Point { run, seq, t, figures: figures.disk }),
    }
}

async fn publish<P: Publisher>(
    publisher: &P,
    channel: &str,
    event: &str,
    data: String,
    dedup: &str,
) -> Result<(), PublishError> {
    let rejected = |error: &dyn std::fmt::Display| PublishError::Rejected(error.to_string());
    let request = PublishRequest {
        channel: ChannelName::parse(channel).map_err(|error| rejected(&error))?,
        event: Event { name: Some(EventName::parse(event).map_err(|error| rejected(&error))?), data: data.into() },
        dedup: Some(dedup.to_owned()),
        max_len: Some(KEPT),
        ttl: Some(TTL.into()),
    };
    let mut pause = INTERVAL;
    loop {
        match publisher.publish(request.clone()).await {
            Ok(_) if pause > INTERVAL => {
                tracing::info!(channel, "publishing again");
                return Ok(());
            }
            Ok(_) => return Ok(()),
            Err(
                PublishError::Refused(detail) | PublishError::Unreachable(detail) | PublishError::Unavailable(detail),
            ) => {
                // One line for each outage, not for each attempt.
                if pause == INTERVAL {
                    tracing::warn!(channel, detail, "cannot publish; trying again with the same dedup key");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
            Err(error) => return Err(error),
        }
    }
}
