//! `GET /channels/{channel}`: how many read a counted channel, on all nodes.

use std::sync::Arc;
use std::time::Duration;

use fanfare_log::{Occupancy, OccupancyError, OccupancyStore, Payer};
use fanfare_protocol::limits::{OCCUPANCY_ASKING_MAX, OCCUPANCY_WAITING_MAX, STORE_ANSWER_TIMEOUT};
use fanfare_protocol::{ChannelName, block};
use http::StatusCode;

use crate::answer::Answer;
use crate::options::OccupancyOptions;
use crate::payer_places::PayerPlaces;
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
    places: Arc<PayerPlaces>,
    turns: PayerTurns,
}

impl Counts {
    pub(crate) fn new(options: OccupancyOptions) -> Self {
        let OccupancyOptions { occupancy, store } = options;
        let places = Arc::new(PayerPlaces::new(OCCUPANCY_WAITING_MAX));
        Self { occupancy, store, places, turns: PayerTurns::new(OCCUPANCY_ASKING_MAX) }
    }

    /// Whether readers of this channel are counted.
    pub(crate) fn covers(&self, channel: &ChannelName) -> bool {
        self.occupancy.counts(channel)
    }

    /// How many read a channel, at the expense of this payer. Where sessions of this node watch the channel, the store need not be asked.
    pub(crate) async fn answer(&self, payer: Payer, channel: ChannelName) -> Result<Answer, Problem> {
        // While this node's own readers are not in it, the store's number is nobody's truth.
        if let Some(error) = self.occupancy.stats().error() {
            return Err(problem(&error));
        }
        let readers = match self.occupancy.known(&channel) {
            Some(readers) => readers,
            None => self.ask(payer, channel.clone()).await?,
        };
        Ok(Answer::json(StatusCode::OK, &block::Occupancy { channel: channel.as_str(), readers }))
    }

    async fn ask(&self, payer: Payer, channel: ChannelName) -> Result<u64, Problem> {
        let Some(_place) = self.places.take(payer) else {
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
        Ok(answer.map_err(|error| problem(&error))?.first().copied().unwrap_or_default())
    }
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
mod tests {
    use std::future::pending;

    use fanfare_log::memory::MemoryStore;
    use fanfare_log::occupancy::{NodeLife, OccupancyAnswer, Reporter};
    use fanfare_log::{Options, Random};
    use fanfare_protocol::Pattern;

    use super::*;
    use crate::scene;

    /// Answers whoever asks, and takes nothing: Redis at its `maxmemory`.
    #[derive(Debug)]
    struct Full(MemoryStore);

    fn refused<T: Send + 'static>() -> OccupancyAnswer<T> {
        Box::pin(async { Err(OccupancyError::Denied("OOM".into())) })
    }

    impl OccupancyStore for Full {
        fn begin(&self, _: NodeLife, _: Option<NodeLife>) -> OccupancyAnswer<()> {
            refused()
        }

        fn renew(&self, _: NodeLife) -> OccupancyAnswer<bool> {
            refused()
        }

        fn write(&self, _: NodeLife, _: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()> {
            refused()
        }

        fn keep(&self, _: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>> {
            refused()
        }

        fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>> {
            self.0.read(channels)
        }

        fn end(&self, _: NodeLife, _: Vec<ChannelName>) -> OccupancyAnswer<()> {
            refused()
        }
    }

    // Seen to fail when the store is asked all the same: 0 for a channel that this node's own sessions read.
    #[test]
    fn what_the_store_does_not_take_is_not_answered_for_it() {
        scene::run(async {
            tokio::time::pause();
            let store = MemoryStore::default();
            let full: Arc<dyn OccupancyStore> = Arc::new(Full(store.clone()));
            let occupancy = Occupancy::new([(Pattern::parse("chat:*").unwrap(), true)]);
            scene::spawn(Reporter::new(occupancy.clone(), Arc::clone(&full), Random::seeded(1)).run(pending()));
            let core = scene::core(&store, Options { occupancy: occupancy.clone(), ..Options::default() });
            let counts = Counts::new(OccupancyOptions { occupancy, store: full });
            let name = ChannelName::parse("chat:a").unwrap();
            assert!(counts.answer(Payer::of(1), name.clone()).await.is_ok(), "nobody reads it here");
            let _open = core.log.open(&name, None, core.sessions.insert(), Payer::of(1)).unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert!(counts.answer(Payer::of(1), name).await.is_err());
        });
    }
}
