//! `GET /channels/{channel}`: how many read a counted channel, on all nodes.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use fanfare_log::{Occupancy, OccupancyError, OccupancyStore, Payer};
use fanfare_protocol::limits::{
    OCCUPANCY_ASK_PAUSE, OCCUPANCY_ASKING_MAX, OCCUPANCY_ASKS_AT_ONCE_MAX, OCCUPANCY_PAYERS_MAX, OCCUPANCY_WAITING_MAX,
    STORE_ANSWER_TIMEOUT,
};
use fanfare_protocol::{ChannelName, block};
use http::StatusCode;
use tokio::time::{Instant, timeout};

use crate::answer::Answer;
use crate::http_stats::HttpStats;
use crate::options::OccupancyOptions;
use crate::payer_buckets::{Bucket, PayerBuckets};
use crate::payer_places::PayerPlaces;
use crate::payer_turns::PayerTurns;
use crate::problem::{Kind, Problem};
use crate::shared_asks::{SharedAsks, Told};

/// When to come back after a transient failure.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Answers requests for counts.
///
/// A request is answered with what the node knows of the channel, else with an answer that is under way; only one for which there is neither
/// has the store asked, at the expense of its payer: by a rate, and in turns.
#[derive(Debug)]
pub(crate) struct Counts {
    occupancy: Occupancy,
    store: Arc<dyn OccupancyStore>,
    asks: SharedAsks,
    /// Bounds how often each payer has the store asked.
    rate: PayerBuckets,
    /// Of requests that wait for their turn to ask. Never waited for: no place, no answer.
    places: Arc<PayerPlaces>,
    turns: PayerTurns,
}

impl Counts {
    pub(crate) fn new(options: OccupancyOptions, start: Instant) -> Self {
        let OccupancyOptions { occupancy, store } = options;
        let asks = Bucket { pause: OCCUPANCY_ASK_PAUSE, most: OCCUPANCY_ASKS_AT_ONCE_MAX };
        Self {
            occupancy,
            store,
            asks: SharedAsks::default(),
            rate: PayerBuckets::new(asks, OCCUPANCY_PAYERS_MAX, start),
            places: Arc::new(PayerPlaces::new(OCCUPANCY_WAITING_MAX)),
            turns: PayerTurns::new(OCCUPANCY_ASKING_MAX),
        }
    }

    /// Whether readers of this channel are counted.
    pub(crate) fn covers(&self, channel: &ChannelName) -> bool {
        self.occupancy.counts(channel)
    }

    /// How many read a channel, at the expense of this payer. Where sessions of this node watch the channel, the store need not be asked.
    pub(crate) async fn answer(
        &self,
        payer: NonZeroU64,
        channel: ChannelName,
        stats: &HttpStats,
    ) -> Result<Answer, Problem> {
        // While this node's own readers are not in it, the store's number is nobody's truth.
        if let Some(error) = self.occupancy.stats().error() {
            return Err(problem(&error));
        }
        let readers = match self.occupancy.known(&channel) {
            Some(readers) => readers,
            None => {
                let asked = timeout(STORE_ANSWER_TIMEOUT, self.ask(payer, &channel, stats)).await;
                asked.unwrap_or_else(|_| Err(problem(&OccupancyError::Unavailable("no answer in time".to_owned()))))?
            }
        };
        Ok(Answer::json(StatusCode::OK, &block::Occupancy { channel: channel.as_str(), readers }))
    }

    /// Waits for an answer that is under way, or has the store asked. Cancel-safe: of those who wait for the answer another one asks.
    async fn ask(&self, payer: NonZeroU64, channel: &ChannelName, stats: &HttpStats) -> Result<u64, Problem> {
        let mut place = None;
        loop {
            if let Some(under_way) = self.asks.join(channel) {
                if let Ok(told) = under_way.await {
                    return told.map_err(|error| problem(&error));
                }
                // Who asked has gone.
                continue;
            }
            // It pays once, however often others are faster.
            if place.is_none() {
                if !self.rate.take(payer, 1, Instant::now()) {
                    stats.refused_counts.add(1);
                    return Err(too_often());
                }
                place = Some(self.places.take(Payer::of(payer.get())).ok_or_else(too_many)?);
            }
            let _turn = self.turns.take(Payer::of(payer.get())).await;
            if let Some(ask) = self.asks.begin(channel) {
                let told: Told =
                    self.store.read(vec![channel.clone()]).await.map(|told| told.first().copied().unwrap_or_default());
                ask.tell(&told);
                return told.map_err(|error| problem(&error));
            }
        }
    }
}

fn too_often() -> Problem {
    let detail = "The store was asked for you as often as it may be for one. Streams with `occupancy=1` are told without asking.";
    Problem::new(Kind::TooManyCounts, detail).retry_after(Duration::from_secs(1))
}

fn too_many() -> Problem {
    Problem::new(Kind::Unavailable, "Too many requests for counts at once.").retry_after(RETRY_AFTER)
}

/// Where no reader of this channel is counted. To whoever asks for the number it does not exist; a subscription that wants to hear of it is
/// wrong.
pub(crate) fn not_counted(kind: Kind, channel: &ChannelName) -> Problem {
    let how = "a table [[channels]] with `occupancy = true` in the node's configuration would";
    Problem::new(kind, format!("The readers of channel `{channel}` are not counted; {how}."))
}

fn problem(error: &OccupancyError) -> Problem {
    match error {
        OccupancyError::Unavailable(_) => {
            Problem::new(Kind::StoreUnavailable, "The store does not answer at present.").retry_after(RETRY_AFTER)
        }
        // What it said is for the operator, who is told by whoever asked it, and not for every client.
        OccupancyError::Denied(_) => Problem::new(Kind::StoreRefuses, "The store refuses; the node's log says why."),
    }
}

#[cfg(test)]
mod tests;
