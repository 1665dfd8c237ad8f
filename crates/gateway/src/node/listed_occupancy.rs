//! How many read the channels that `/status` lists, on all nodes.
//!
//! The store is asked when somebody looks, and never otherwise: about the whole list at once, and once in [`OCCUPANCY_LISTED_PAUSE`] at
//! most, however many look. Whoever looks waits for the answer for [`OCCUPANCY_LISTED_WAIT`] at most, and not at all while the store was
//! late the last time: a store that is slow or away makes a figure unknown, and the page no later.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fanfare_log::{ChannelReaders, Occupancy, OccupancyError, OccupancyStore};
use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::{
    OCCUPANCY_LISTED_AGE_MAX, OCCUPANCY_LISTED_PAUSE, OCCUPANCY_LISTED_TIMEOUT, OCCUPANCY_LISTED_WAIT,
};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::admin::{ChannelOccupancy, ListedChannel};

/// Says how many read listed channels. [`Self::run`] asks the store, on the store's thread; [`Self::list`] is for those who look.
#[derive(Debug)]
pub(super) struct ListedOccupancy {
    occupancy: Occupancy,
    asks: watch::Sender<Asks>,
}

/// The question to the store that is under way, and what came of the one before.
#[derive(Debug, Default)]
struct Asks {
    /// The number of the last question; the first is 1.
    asked: u64,
    /// The number of the last one that came to its end. One at a time is under way.
    ended: u64,
    asked_at: Option<Instant>,
    /// What the last question is about.
    channels: Vec<ChannelName>,
    /// What came of the last one that came to its end.
    told: Option<Told>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Readers by channel, or why they are not known.
    outcome: Result<HashMap<ChannelName, u64>, OccupancyError>,
    /// Whether who looked had it in time.
    is_prompt: bool,
}

impl ListedOccupancy {
    /// Of these channels. Where none is counted, nobody is ever asked.
    pub(super) fn new(occupancy: Occupancy) -> Self {
        Self { occupancy, asks: watch::Sender::new(Asks::default()) }
    }

    /// Asks the store whenever somebody looks. Ends when it is dropped.
    pub(super) async fn run(&self, store: Arc<dyn OccupancyStore>) {
        let mut asks = self.asks.subscribe();
        loop {
            let wanted = asks.wait_for(|asks| asks.ended < asks.asked).await.map(|asks| asks.channels.clone());
            // The sender is borrowed here: it is never gone.
            let Ok(channels) = wanted else { return };
            let told = timeout(OCCUPANCY_LISTED_TIMEOUT, store.read(channels.clone())).await;
            let outcome =
                told.unwrap_or_else(|_| Err(late())).map(|readers| channels.into_iter().zip(readers).collect());
            self.asks.send_modify(|asks| asks.end(outcome, Instant::now()));
        }
    }

    /// Adds to each channel how many read it on all nodes, as far as it is known within [`OCCUPANCY_LISTED_WAIT`]. Cancel-safe.
    pub(super) async fn list(&self, channels: Vec<ChannelReaders>) -> Vec<ListedChannel> {
        let found: Vec<_> = channels.iter().map(|listed| self.find(&listed.channel)).collect();
        let unknown = channels.iter().zip(&found).filter(|(_, found)| found.is_none());
        let wanted: Vec<_> = unknown.map(|(listed, _)| listed.channel.clone()).collect();
        if !wanted.is_empty() {
            self.ask(wanted).await;
        }
        let (asks, now) = (self.asks.borrow(), Instant::now());
        let listed = channels.into_iter().zip(found).map(|(ChannelReaders { channel, readers }, found)| {
            let occupancy = found.unwrap_or_else(|| asks.occupancy(&channel, now));
            ListedChannel { channel, readers, occupancy }
        });
        listed.collect()
    }

    /// What is said of a channel without asking the store. `None`: the store knows it.
    fn find(&self, channel: &ChannelName) -> Option<ChannelOccupancy> {
        if !self.occupancy.counts(channel) {
            return Some(ChannelOccupancy::NotCounted);
        }
        // While this node's own readers are not in it, the store's number is too low.
        if let Some(error) = self.occupancy.stats().error() {
            return Some(ChannelOccupancy::Unknown(error.to_string()));
        }
        self.occupancy.known(channel).map(ChannelOccupancy::Known)
    }

    /// Has the store asked, unless it was asked a moment ago, and waits for the answer as long as that is worth it.
    async fn ask(&self, wanted: Vec<ChannelName>) {
        let (now, mut question, mut patience) = (Instant::now(), 0, Duration::ZERO);
        self.asks.send_if_modified(|asks| {
            let is_due = asks.is_due(now);
            if is_due {
                asks.begin(wanted, now);
            }
            (question, patience) = (asks.asked, asks.patience(now));
            is_due
        });
        if patience.is_zero() {
            return;
        }
        let mut asks = self.asks.subscribe();
        // In time or not, what there is is shown.
        drop(timeout(patience, asks.wait_for(|asks| asks.ended >= question)).await);
    }
}

impl Asks {
    fn is_due(&self, now: Instant) -> bool {
        self.ended == self.asked
            && self.asked_at.is_none_or(|then| now.saturating_duration_since(then) >= OCCUPANCY_LISTED_PAUSE)
    }

    fn begin(&mut self, channels: Vec<ChannelName>, now: Instant) {
        self.asked += 1;
        self.asked_at = Some(now);
        self.channels = channels;
    }

    fn end(&mut self, outcome: Result<HashMap<ChannelName, u64>, OccupancyError>, now: Instant) {
        let took = self.asked_at.map(|then| now.saturating_duration_since(then));
        let is_prompt = outcome.is_ok() && took.is_some_and(|took| took <= OCCUPANCY_LISTED_WAIT);
        self.ended = self.asked;
        self.told = Some(Told { at: now, outcome, is_prompt });
    }

    /// For how long the answer to the last question is worth a wait.
    fn patience(&self, now: Instant) -> Duration {
        let was_late = self.told_lately(now).is_some_and(|told| !told.is_prompt);
        let until = self.asked_at.filter(|_| !was_late).map(|then| then + OCCUPANCY_LISTED_WAIT);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn told_lately(&self, now: Instant) -> Option<&Told> {
        let is_recent = |told: &&Told| now.saturating_duration_since(told.at) <= OCCUPANCY_LISTED_AGE_MAX;
        self.told.as_ref().filter(is_recent)
    }

    fn occupancy(&self, channel: &ChannelName, now: Instant) -> ChannelOccupancy {
        match self.told_lately(now).map(|told| &told.outcome) {
            Some(Ok(readers)) => readers.get(channel).copied().map_or_else(
                || ChannelOccupancy::Unknown("the store was asked before the channel was in the list".to_owned()),
                ChannelOccupancy::Known,
            ),
            Some(Err(error)) => ChannelOccupancy::Unknown(error.to_string()),
            None => ChannelOccupancy::Unknown("the store has not answered yet".to_owned()),
        }
    }
}

fn late() -> OccupancyError {
    OccupancyError::Unavailable(format!("no answer in {} s", OCCUPANCY_LISTED_TIMEOUT.as_secs()))
}

#[cfg(test)]
mod tests;
