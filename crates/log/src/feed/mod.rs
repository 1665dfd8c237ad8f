//! The seam between a feed (Redis Pub/Sub, or the in-process store) and the ingest.
//!
//! Two small shared objects make it: [`Desired`], the channels that one feed is to follow, written by the registry and read by
//! the feed; and the pair [`FeedSink`] / [`FeedSource`], a queue bounded in bytes that all feeds of a node fill without ever
//! waiting. A message that does not fit is dropped, and its channel is remembered: the ingest then reads that channel from its
//! archive, so that an overflow costs a read and never an event.

mod desired;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use fanfare_protocol::{Event, LogName, Push, limits};
use tokio::sync::Notify;

pub use desired::{Changes, Desired};

/// Names a feed of a node: one connection to one server of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId(u16);

impl FeedId {
    /// The first feed of a node, and today the only one.
    pub const FIRST: Self = Self(0);

    /// The feed with this number among those of the node.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }
}

/// What a feed tells the ingest.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// A connection is up; acknowledgements of its subscriptions follow.
    Connected,
    /// The connection is gone: nothing arrives until the next `Connected`.
    Disconnected,
    /// The server acknowledged these subscriptions on the current connection.
    Subscribed(Vec<LogName>),
    /// The server refused these subscriptions (an ACL, say). The feed goes on trying by itself.
    Refused {
        /// The channels refused.
        channels: Vec<LogName>,
        /// The server's words, for the log and for the client's error.
        detail: String,
    },
    /// A message on a channel.
    Push {
        /// Where it was published.
        channel: LogName,
        /// What it says.
        push: Push,
    },
    /// A keyspace notification `xadd` for the channel's stream. It usually precedes the push of the same entry.
    KeyspaceAdd {
        /// The channel whose stream grew.
        channel: LogName,
    },
    /// A round trip through the very path that pushes take has just been proven.
    Probe,
}

/// What an event costs beside its payload and its names: queue slot, reference counts, allocator overhead.
const EVENT_OVERHEAD: usize = 256;

impl FeedEvent {
    /// Bytes that the event holds, at least.
    fn cost(&self) -> usize {
        let name = |event: &Event| event.name.as_ref().map_or(0, |name| name.as_str().len());
        let payload = match self {
            Self::Push { push: Push::Entry(entry), .. } => entry.event.data.len() + name(&entry.event),
            Self::Push { push: Push::Ephemeral(event), .. } => event.data.len() + name(event),
            Self::Subscribed(names) | Self::Refused { channels: names, .. } => names.len() * 32,
            _ => 0,
        };
        payload + self.droppable().map_or(0, |log| log.name().as_str().len()) + EVENT_OVERHEAD
    }

    /// The channel that must be read from its archive when this event is dropped; `None` marks an event that may not be
    /// dropped (there are only a handful of those at a time).
    fn droppable(&self) -> Option<&LogName> {
        match self {
            Self::Push { channel, .. } | Self::KeyspaceAdd { channel } => Some(channel),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<(FeedId, FeedEvent)>,
    bytes: usize,
    overflowed: BTreeSet<LogName>,
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

/// Makes the queue between the feeds of a node and the ingest, with the sink of the first feed. `max_bytes` bounds payload plus bookkeeping and
/// [`limits::FEED_QUEUE_MESSAGES_MAX`] the number of messages; both are hard bounds for everything that a publisher can
/// cause.
#[must_use]
pub fn feed(max_bytes: usize) -> (FeedSink, FeedSource) {
    let shared = Arc::new(QueueShared { queue: Mutex::default(), notify: Notify::new(), max_bytes });
    (FeedSink { feed: FeedId::FIRST, shared: Arc::clone(&shared) }, FeedSource(shared))
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

    /// Hands an event to the ingest. When the queue is full a push is dropped and its channel is marked for a read of the
    /// archive instead.
    pub fn send(&self, event: FeedEvent) {
        let cost = event.cost();
        let mut queue = self.shared.lock();
        match event.droppable() {
            Some(channel)
                if queue.bytes + cost > self.shared.max_bytes
                    || queue.events.len() >= limits::FEED_QUEUE_MESSAGES_MAX =>
            {
                let channel = channel.clone();
                queue.overflowed.insert(channel);
            }
            _ => {
                queue.bytes += cost;
                queue.events.push_back((self.feed, event));
            }
        }
        drop(queue);
        self.shared.notify.notify_one();
    }
}

/// The ingest's end of the queue.
#[derive(Debug)]
pub struct FeedSource(Arc<QueueShared>);

/// Everything that had arrived when the ingest looked.
#[derive(Debug, Default)]
pub struct FeedBatch {
    /// In order of arrival, each with the feed that it comes from.
    pub events: VecDeque<(FeedId, FeedEvent)>,
    /// Channels of which at least one push was dropped.
    pub overflowed: BTreeSet<LogName>,
}

impl FeedBatch {
    /// What one feed says, and nothing of it dropped.
    #[must_use]
    pub fn of(feed: FeedId, events: impl IntoIterator<Item = FeedEvent>) -> Self {
        let events = events.into_iter().map(|event| (feed, event)).collect();
        Self { events, overflowed: BTreeSet::new() }
    }
}

impl FeedSource {
    /// Waits for something to arrive and takes all of it. Cancel-safe.
    pub async fn recv(&mut self) -> FeedBatch {
        loop {
            let batch = self.take();
            if !batch.events.is_empty() || !batch.overflowed.is_empty() {
                return batch;
            }
            self.0.notify.notified().await;
        }
    }

    /// Takes what is there without waiting.
    pub fn take(&mut self) -> FeedBatch {
        let mut queue = self.0.lock();
        queue.bytes = 0;
        FeedBatch { events: std::mem::take(&mut queue.events), overflowed: std::mem::take(&mut queue.overflowed) }
    }
}

#[cfg(test)]
mod tests;
