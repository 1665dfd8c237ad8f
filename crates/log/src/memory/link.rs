//! The link over which the in-process store feeds one node.

use std::collections::HashSet;
use std::sync::Arc;

use fanfare_protocol::limits;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::faults::Lane;
use super::links::Wire;
use super::memory_store::MemoryStore;
use crate::feed::{Changes, Desired, FeedEvent, FeedSink};

impl MemoryStore {
    /// Connects the feed of one node. Nothing happens until the attachment runs; dropping it disconnects.
    #[must_use]
    pub fn attach(&self, desired: Desired, sink: FeedSink) -> Attachment {
        Attachment::new(self.link(desired, sink))
    }

    /// The same for a caller that wants to do every step itself.
    #[must_use]
    pub fn link(&self, desired: Desired, sink: FeedSink) -> Link {
        Link::new(self.clone(), desired, sink)
    }
}

/// One node's link, driven by hand: [`Link::tend`] does what is due. Dropping it disconnects.
#[derive(Debug)]
pub struct Link {
    store: MemoryStore,
    desired: Desired,
    key: usize,
    poke: Arc<Notify>,
}

impl Link {
    pub(super) fn new(store: MemoryStore, desired: Desired, sink: FeedSink) -> Self {
        let poke = Arc::new(Notify::new());
        let wire =
            Wire { sink, connected: false, subscribed: HashSet::new(), lane: Lane::default(), poke: Arc::clone(&poke) };
        let key = store.lock().links.0.insert(wire);
        Self { store, desired, key, poke }
    }

    /// Connects if it is not connected, and brings the subscriptions in line with what is desired. Returns whether it is
    /// connected.
    pub fn tend(&self) -> bool {
        let mut state = self.store.lock();
        let offline = state.faults.is_offline();
        let wire = &mut state.links.0[self.key];
        if offline {
            return false;
        }
        // A channel that was closed and opened again waits for its own acknowledgement.
        let acknowledged: Vec<_> = if wire.connected {
            let Changes { wanted, unwanted } = self.desired.take(usize::MAX);
            unwanted.iter().for_each(|name| _ = wire.subscribed.remove(name));
            wanted.into_iter().map(|(_, name)| name).collect()
        } else {
            wire.connected = true;
            wire.sink.send(FeedEvent::Connected);
            self.desired.snapshot()
        };
        wire.subscribed.extend(acknowledged.iter().cloned());
        if !acknowledged.is_empty() {
            wire.sink.send(FeedEvent::Subscribed(acknowledged));
        }
        true
    }

    /// The feed proves a round trip, if it is connected.
    pub fn probe(&self) {
        self.prove(Instant::now());
    }

    fn prove(&self, began: Instant) {
        let mut state = self.store.lock();
        let is_proven = !state.faults.is_unproven();
        let wire = &mut state.links.0[self.key];
        if wire.connected && is_proven {
            wire.sink.send(FeedEvent::Probe { began });
        }
    }
}

/// What tests do to one link.
#[cfg(feature = "testing")]
impl Link {
    /// The feed proves a round trip that began then, by the clock of the test, if it is connected.
    pub fn probe_begun(&self, began: Instant) {
        self.prove(began);
    }

    /// Lets delayed messages arrive.
    pub fn release(&self) {
        let mut state = self.store.lock();
        let wire = &mut state.links.0[self.key];
        wire.lane.release(&wire.sink);
    }

    /// Breaks the link. The next [`Link::tend`] connects again.
    pub fn disconnect(&self) {
        self.store.lock().links.0[self.key].disconnect();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = self.store.lock();
        state.links.0[self.key].disconnect();
        state.links.0.remove(self.key);
    }
}

/// One node's feed.
#[derive(Debug)]
pub struct Attachment(Link);

impl Attachment {
    pub(super) fn new(link: Link) -> Self {
        Self(link)
    }

    /// Feeds the node until it is dropped, which disconnects. Reconnects by itself.
    pub async fn run(self) {
        let link = self.0;
        let mut probe = tokio::time::interval(limits::REVOCATIONS_PROBE_INTERVAL);
        loop {
            if !link.tend() {
                link.poke.notified().await;
                continue;
            }
            tokio::select! {
                () = link.desired.changed() => {}
                () = link.poke.notified() => {}
                _ = probe.tick() => link.probe(),
            }
        }
    }
}
