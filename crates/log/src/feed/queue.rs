//! The queue between the feeds of a node and the ingest, which live on different threads.
//!
//! A feed never waits. What it brings is put down under a short lock; the ingest takes everything that is there in one step,
//! together with what was turned away meanwhile, and hands itself a bounded part of it in each turn.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use fanfare_protocol::{LogName, limits};
use tokio::sync::Notify;

use super::event::{FeedEvent, Standing};
use super::id::FeedId;
use super::shares::Shares;

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<(FeedId, FeedEvent)>,
    shares: Shares,
    overflowed: BTreeSet<LogName>,
    shed: u64,
    /// Events that feeds have sent since the beginning, whatever became of them.
    sent: u64,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.overflowed.is_empty() && self.shed == 0
    }

    fn put(&mut self, feed: FeedId, event: FeedEvent, max_bytes: usize) {
        self.sent += 1;
        let standing = event.standing();
        match standing {
            // The channel will be read, and the read begins after all this: it brings what this event tells of.
            Standing::Read(channel) if self.overflowed.contains(channel) => return,
            _ if self.shares.admit(standing, event.cost(), max_bytes) => {}
            Standing::Read(channel) => {
                let channel = channel.clone();
                self.overflowed.insert(channel);
                return;
            }
            Standing::Shed(_) => {
                self.shed += 1;
                return;
            }
            Standing::Kept => {}
        }
        match self.events.back_mut() {
            // The later of two proofs says all that the earlier one did: an ingest that hangs does not have them pile up.
            Some((of, before @ FeedEvent::Probe { .. })) if *of == feed && matches!(event, FeedEvent::Probe { .. }) => {
                *before = event;
            }
            _ => self.events.push_back((feed, event)),
        }
    }
}

#[derive(Debug)]
struct QueueShared {
    queue: Mutex<Queue>,
    notify: Notify,
    max_bytes: usize,
}

impl QueueShared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Makes the queue between the feeds of a node and the ingest, with the sink of the first feed. `max_bytes` bounds payload plus
/// bookkeeping and [`limits::FEED_QUEUE_MESSAGES_MAX`] the number of messages; both are hard bounds for everything that a
/// publisher can cause. As much again may be with the ingest, which works on what it took last.
#[must_use]
pub fn feed(max_bytes: usize) -> (FeedSink, FeedSource) {
    let shared = Arc::new(QueueShared { queue: Mutex::default(), notify: Notify::new(), max_bytes });
    let sink = FeedSink { feed: FeedId::FIRST, shared: Arc::clone(&shared) };
    (sink, FeedSource { shared, taken: FeedBatch::default(), taken_from: 0, taken_until: 0 })
}

/// Where a feed delivers. Never blocks and never waits.
#[derive(Debug, Clone)]
pub struct FeedSink {
    feed: FeedId,
    shared: Arc<QueueShared>,
}

impl FeedSink {
    /// The sink of another feed of the node: the same queue.
    #[must_use]
    pub fn of(&self, feed: FeedId) -> Self {
        Self { feed, shared: Arc::clone(&self.shared) }
    }

    /// Hands an event to the ingest. What its channel has no room for is turned away: an ephemeral event is counted and gone;
    /// for anything else the channel is marked, to be read from the archive.
    pub fn send(&self, event: FeedEvent) {
        self.send_all([event]);
    }

    /// The same for events that arrived together, in one step.
    pub fn send_all(&self, events: impl IntoIterator<Item = FeedEvent>) {
        let mut queue = self.shared.lock();
        let was_empty = queue.is_empty();
        events.into_iter().for_each(|event| queue.put(self.feed, event, self.shared.max_bytes));
        drop(queue);
        // The ingest takes everything, so it need not hear of the second event.
        if was_empty {
            self.shared.notify.notify_one();
        }
    }
}

/// What had arrived when the ingest looked, or the next part of it.
#[derive(Debug, Default)]
pub struct FeedBatch {
    /// In order of arrival, each with the feed that it comes from.
    pub events: VecDeque<(FeedId, FeedEvent)>,
    /// Channels of which something was turned away that the archive knows. It may have come before any of `events`, and came
    /// before any of the next batch.
    pub overflowed: BTreeSet<LogName>,
    /// Ephemeral events that were turned away and are gone.
    pub shed: u64,
}

impl FeedBatch {
    /// What one feed says, and nothing of it dropped.
    #[must_use]
    pub fn of(feed: FeedId, events: impl IntoIterator<Item = FeedEvent>) -> Self {
        let events = events.into_iter().map(|event| (feed, event)).collect();
        Self { events, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.overflowed.is_empty() && self.shed == 0
    }

    /// Takes the first `count` events. What was turned away goes with the first part: nobody may look at an event before being
    /// told of one that was lost before it.
    fn take_part(&mut self, count: usize) -> Self {
        if self.events.len() <= count {
            return std::mem::take(self);
        }
        Self {
            events: self.events.drain(..count).collect(),
            overflowed: std::mem::take(&mut self.overflowed),
            shed: std::mem::take(&mut self.shed),
        }
    }
}

/// The ingest's end of the queue.
#[derive(Debug)]
pub struct FeedSource {
    shared: Arc<QueueShared>,
    /// What was taken out of the queue and not yet handed out.
    taken: FeedBatch,
    /// How many events had been sent when something was taken out before that, and when that was.
    taken_from: u64,
    taken_until: u64,
}

impl FeedSource {
    /// Waits for something to arrive and hands out at most [`limits::FEED_TURN_MESSAGES`] of it. Cancel-safe.
    pub async fn recv(&mut self) -> FeedBatch {
        loop {
            if self.taken.is_empty() {
                self.take_over();
            }
            let part = self.taken.take_part(limits::FEED_TURN_MESSAGES);
            if !part.is_empty() {
                return part;
            }
            self.shared.notify.notified().await;
        }
    }

    /// Takes all that is there without waiting.
    pub fn take(&mut self) -> FeedBatch {
        let mut batch = std::mem::take(&mut self.taken);
        self.take_over();
        let mut rest = std::mem::take(&mut self.taken);
        batch.events.append(&mut rest.events);
        batch.overflowed.append(&mut rest.overflowed);
        batch.shed += rest.shed;
        batch
    }

    /// How many events the feeds have sent by now.
    pub(crate) fn arrived(&self) -> u64 {
        self.shared.lock().sent
    }

    /// How many of them were handed out, or turned away and told.
    pub(crate) fn told(&self) -> u64 {
        if self.taken.is_empty() { self.taken_until } else { self.taken_from }
    }

    /// Takes everything out of the queue; what was taken before has been handed out.
    fn take_over(&mut self) {
        let mut shared = self.shared.lock();
        let sent = shared.sent;
        let Queue { events, overflowed, shed, .. } =
            std::mem::replace(&mut *shared, Queue { sent, ..Queue::default() });
        drop(shared);
        self.taken = FeedBatch { events, overflowed, shed };
        (self.taken_from, self.taken_until) = (self.taken_until, sent);
    }
}
