//! `GET /channels/{channel}`: how many read a counted channel, on all nodes.

use std::sync::Arc;
use std::time::Duration;

use fanfare_log::{Occupancy, OccupancyError, OccupancyStore, Payer};
use fanfare_protocol::limits::{OCCUPANCY_ASKING_MAX, OCCUPANCY_WAITING_MAX, STORE_ANSWER_TIMEOUT};
use fanfare_protocol::{ChannelName, block};
use http::StatusCode;
use tokio::sync::Semaphore;
use tracing::warn;

use crate::answer::Answer;
use crate::options::OccupancyOptions;
use crate::payer_turns::PayerTurns;
use crate::problem::{Kind, Problem};

/// When to come back after a transient failure.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Answers requests for counts.
#[derive(Debug)]
pub(crate) struct Counts {
    occupancy: Occupancy,
    store: Arc<dyn OccupancyStore>,
    /// Of requests that wait for an answer. Never waited for: no place, no answer.
    places: Semaphore,
    turns: PayerTurns,
}

impl Counts {
    pub(crate) fn new(options: OccupancyOptions) -> Self {
        let OccupancyOptions { occupancy, store } = options;
        let places = Semaphore::new(OCCUPANCY_WAITING_MAX);
        Self { occupancy, store, places, turns: PayerTurns::new(OCCUPANCY_ASKING_MAX) }
    }

    /// Whether readers of this channel are counted.
    pub(crate) fn covers(&self, channel: &ChannelName) -> bool {
        self.occupancy.counts(channel)
    }

    /// How many read a channel, at the expense of this payer. Where sessions of this node watch the channel, the store need not be asked.
    pub(crate) async fn answer(&self, payer: Payer, channel: ChannelName) -> Result<Answer, Problem> {
        let readers = match self.occupancy.known(&channel) {
            Some(readers) => readers,
            None => self.ask(payer, channel.clone()).await?,
        };
        Ok(Answer::json(StatusCode::OK, &block::Occupancy { channel: channel.as_str(), readers }))
    }

    async fn ask(&self, payer: Payer, channel: ChannelName) -> Result<u64, Problem> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(
                Problem::new(Kind::Unavailable, "Too many requests for counts at once.").retry_after(RETRY_AFTER)
            );
        };
        let asked = async {
            let _turn = self.turns.take(payer).await;
            self.store.read(vec![channel]).await
        };
        let answer = tokio::time::timeout(STORE_ANSWER_TIMEOUT, asked).await;
        let answer = answer.unwrap_or_else(|_| Err(OccupancyError::Unavailable("no answer in time".to_owned())));
        Ok(answer.map_err(problem)?.first().copied().unwrap_or_default())
    }
}

/// Where no reader of this channel is counted. To whoever asks for the number it does not exist; a subscription that wants to hear of it is
/// wrong.
pub(crate) fn not_counted(kind: Kind, channel: &ChannelName) -> Problem {
    let how = "a table [[channels]] with `occupancy = true` in the node's configuration would";
    Problem::new(kind, format!("The readers of channel `{channel}` are not counted; {how}."))
}

fn problem(error: OccupancyError) -> Problem {
    match error {
        OccupancyError::Unavailable(_) => {
            Problem::new(Kind::StoreUnavailable, "The store does not answer at present.").retry_after(RETRY_AFTER)
        }
        // What the store said is for the operator, not for every client.
        OccupancyError::Denied(detail) => {
            warn!(%detail, "a request for a count failed at the store");
            Problem::new(Kind::StoreRefuses, "The store refuses; the node's log says why.")
        }
    }
}
