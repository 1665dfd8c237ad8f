//! The seam between a feed (Redis Pub/Sub, or the in-process store) and the ingest.
//!
//! Two small shared objects make it: [`Desired`], the set of channels that the node wants to follow, written by the
//! registry and read by the feed; and the pair [`FeedSink`] / [`FeedSource`], a queue bounded in bytes that the feed
//! fills without ever waiting. A message that does not fit is dropped, and its channel is remembered: the ingest then
//! reads that channel from its archive, so that an overflow costs a read and never an event.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use fanfare_protocol::{ChannelName, Event, Push, limits};
use tokio::sync::Notify;

/// What a feed tells the ingest.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// A connection is up; acknowledgements of its subscriptions follow.
    Connected,
    /// The connection is gone: nothing arrives until the next `Connected`.
    Disconnected,
    /// The server acknowledged these subscriptions on the current connection.
    Subscribed(Vec<ChannelName>),
    /// The server refused these subscriptions (an ACL, say). The feed goes on trying by itself.
    Refused {
        /// The channels refused.
        channels: Vec<ChannelName>,
        /// The server's words, for the log and for the client's error.
        detail: String,
    },
    /// A message on a channel.
    Push {
        /// Where it was published.
        channel: ChannelName,
        /// What it says.
        push: Push,
    },
    /// A keyspace notification `xadd` for the channel's stream. It usually precedes the push of the same entry.
    KeyspaceAdd {
        /// The channel whose stream grew.
        channel: ChannelName,
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
        payload + self.droppable().map_or(0, |channel| channel.as_str().len()) + EVENT_OVERHEAD
    }

    /// The channel that must be read from its archive when this event is dropped; `None` marks an event that may not be
    /// dropped (there are only a handful of those at a time).
    fn droppable(&self) -> Option<&ChannelName> {
        match self {
            Self::Push { channel, .. } | Self::KeyspaceAdd { channel } => Some(channel),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct DesiredState {
    names: BTreeSet<ChannelName>,
    changed: BTreeSet<ChannelName>,
}

/// The channels that this node follows: the one source of truth of every subscription.
///
/// A feed keeps no second list. On a new connection it subscribes to [`Desired::snapshot`]; afterwards it asks for
/// [`Desired::take_changes`] and brings the connection in line with [`Desired::contains`]. A name among the changes that is
/// contained gets an acknowledgement ([`FeedEvent::Subscribed`]) even if the connection subscribes to it already: the
/// channel may have been closed and opened again in between, and its new log waits for one.
#[derive(Debug, Clone, Default)]
pub struct Desired(Arc<DesiredShared>);

#[derive(Debug, Default)]
struct DesiredShared {
    state: Mutex<DesiredState>,
    notify: Notify,
}

impl Desired {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, DesiredState> {
        self.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds a channel. For the owner of the set: the registry, or the test of a feed.
    pub fn insert(&self, name: &ChannelName) {
        let mut state = self.lock();
        if state.names.insert(name.clone()) {
            state.changed.insert(name.clone());
            drop(state);
            self.0.notify.notify_one();
        }
    }

    /// Takes a channel out. For the owner of the set.
    pub fn remove(&self, name: &ChannelName) {
        let mut state = self.lock();
        if state.names.remove(name) {
            state.changed.insert(name.clone());
            drop(state);
            self.0.notify.notify_one();
        }
    }

    /// Every channel in the set, in order of names. Also forgets the changes so far, since the snapshot contains them.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ChannelName> {
        let mut state = self.lock();
        state.changed.clear();
        state.names.iter().cloned().collect()
    }

    /// Whether the channel is followed now.
    #[must_use]
    pub fn contains(&self, name: &ChannelName) -> bool {
        self.lock().names.contains(name)
    }

    /// Names whose membership may have changed since the last call (each at most once).
    #[must_use]
    pub fn take_changes(&self) -> Vec<ChannelName> {
        std::mem::take(&mut self.lock().changed).into_iter().collect()
    }

    /// Number of channels followed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().names.len()
    }

    /// Whether nothing is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until membership may have changed. Cancel-safe; one waiter at a time (the feed).
    pub async fn changed(&self) {
        if !self.lock().changed.is_empty() {
            return;
        }
        self.0.notify.notified().await;
    }
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<FeedEvent>,
    bytes: usize,
    overflowed: BTreeSet<ChannelName>,
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

/// Makes the queue between a feed and the ingest. `max_bytes` bounds payload plus bookkeeping and
/// [`limits::FEED_QUEUE_MESSAGES_MAX`] the number of messages; both are hard bounds for everything that a publisher can
/// cause.
#[must_use]
pub fn feed(max_bytes: usize) -> (FeedSink, FeedSource) {
    let shared = Arc::new(QueueShared { queue: Mutex::default(), notify: Notify::new(), max_bytes });
    (FeedSink(Arc::clone(&shared)), FeedSource(shared))
}

/// Where a feed delivers. Never blocks and never waits.
#[derive(Debug, Clone)]
pub struct FeedSink(Arc<QueueShared>);

impl FeedSink {
    /// Hands an event to the ingest. When the queue is full a push is dropped and its channel is marked for a read of the
    /// archive instead.
    pub fn send(&self, event: FeedEvent) {
        let cost = event.cost();
        let mut queue = self.0.lock();
        match event.droppable() {
            Some(channel)
                if queue.bytes + cost > self.0.max_bytes || queue.events.len() >= limits::FEED_QUEUE_MESSAGES_MAX =>
            {
                let channel = channel.clone();
                queue.overflowed.insert(channel);
            }
            _ => {
                queue.bytes += cost;
                queue.events.push_back(event);
            }
        }
        drop(queue);
        self.0.notify.notify_one();
    }
}

/// The ingest's end of the queue.
#[derive(Debug)]
pub struct FeedSource(Arc<QueueShared>);

/// Everything that had arrived when the ingest looked.
#[derive(Debug, Default)]
pub struct FeedBatch {
    /// In order of arrival.
    pub events: VecDeque<FeedEvent>,
    /// Channels of which at least one push was dropped.
    pub overflowed: BTreeSet<ChannelName>,
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
