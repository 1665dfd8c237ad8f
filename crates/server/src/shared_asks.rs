//! How many read a channel is asked once for all who want to know it at the same time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fanfare_log::OccupancyError;
use fanfare_protocol::ChannelName;
use tokio::sync::oneshot;

/// What the store says.
pub(crate) type Told = Result<u64, OccupancyError>;

/// The channels of which the store is being asked, each with those who wait for the answer. They are bounded by those who ask, and who waits by
/// the requests of the node.
#[derive(Debug, Default)]
pub(crate) struct SharedAsks(Mutex<HashMap<ChannelName, Vec<oneshot::Sender<Told>>>>);

impl SharedAsks {
    /// The answer that is under way. `None`: the store is not being asked. An error of the receiver: who asked has given up.
    pub(crate) fn join(&self, channel: &ChannelName) -> Option<oneshot::Receiver<Told>> {
        let mut all = self.lock();
        let waiting = all.get_mut(channel)?;
        let (sender, receiver) = oneshot::channel();
        // Who has given up is not kept until the answer comes, nor looked for each time.
        if waiting.len() == waiting.capacity() {
            waiting.retain(|waiting| !waiting.is_closed());
        }
        waiting.push(sender);
        Some(receiver)
    }

    /// The right to ask. `None`: the store is being asked.
    pub(crate) fn begin(&self, channel: &ChannelName) -> Option<SharedAsk<'_>> {
        let mut all = self.lock();
        if all.contains_key(channel) {
            return None;
        }
        all.insert(channel.clone(), Vec::new());
        Some(SharedAsk { asks: self, channel: Some(channel.clone()) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelName, Vec<oneshot::Sender<Told>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever asks the store, for all who wait. When it is dropped, they hear that there is no answer and one of them asks.
#[derive(Debug)]
pub(crate) struct SharedAsk<'a> {
    asks: &'a SharedAsks,
    /// `None`: it was told.
    channel: Option<ChannelName>,
}

impl SharedAsk<'_> {
    /// Hands the answer on.
    pub(crate) fn tell(mut self, told: &Told) {
        let waiting = self.channel.take().and_then(|channel| self.asks.lock().remove(&channel));
        // Who does not wait any more does not hear of it.
        waiting.into_iter().flatten().for_each(|waiting| drop(waiting.send(told.clone())));
    }
}

impl Drop for SharedAsk<'_> {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            self.asks.lock().remove(&channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> ChannelName {
        ChannelName::parse("a").unwrap()
    }

    #[tokio::test]
    async fn who_comes_while_the_store_is_asked_hears_the_same() {
        let asks = SharedAsks::default();
        assert!(asks.join(&channel()).is_none(), "nobody asks");
        let ask = asks.begin(&channel()).unwrap();
        assert!(asks.begin(&channel()).is_none() && asks.begin(&ChannelName::parse("b").unwrap()).is_some());
        let waiting: Vec<_> = (0..3).map(|_| asks.join(&channel()).unwrap()).collect();
        ask.tell(&Ok(7));
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap(), Ok(7));
        }
        assert!(asks.lock().is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_one_that_gives_up_hears_so_and_who_gives_up_is_forgotten() {
        let asks = SharedAsks::default();
        let ask = asks.begin(&channel()).unwrap();
        (0..1_000).for_each(|_| drop(asks.join(&channel())));
        let waiting = asks.join(&channel()).unwrap();
        assert!(asks.lock()[&channel()].len() < 10);
        drop(ask);
        assert!(waiting.await.is_err());
        assert!(asks.begin(&channel()).is_some());
    }
}
