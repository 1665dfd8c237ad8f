//! What tests do to the in-process store: faults on request, and what an operator or a failover would do to its data.

use fanfare_protocol::{EntryId, Event, LogName, Push};

use super::faults::Fate;
use super::kept_readers::KeptReaders;
use super::memory_store::{MemoryStore, epoch};
use super::store::Store;
use crate::feed::FeedEvent;

/// How a producer that writes a stream by itself tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bell {
    /// Not at all.
    Silent,
    /// By an empty message.
    Doorbell,
    /// By a keyspace notification.
    Keyspace,
}

/// The store's data at some time, to fail over to.
#[derive(Debug, Clone)]
pub struct Checkpoint(Store);

impl MemoryStore {
    /// Chooses the fate of one message to come, the same on every link. Several calls concern several messages, in order.
    pub fn next_push(&self, fate: Fate) {
        self.lock().faults.next.push_back(fate);
    }

    /// Chooses the fate of every message from now on, separately for each link.
    pub fn on_push(&self, decide: impl FnMut(&LogName) -> Fate + Send + 'static) {
        self.lock().faults.decide = Some(Box::new(decide));
    }

    /// Undoes [`MemoryStore::on_push`] and [`MemoryStore::next_push`]. Messages that were delayed or held arrive now.
    pub fn heal_pushes(&self) {
        let mut state = self.lock();
        state.faults.decide = None;
        state.faults.next.clear();
        state.links.release();
    }

    /// `XADD` by a producer that does not know this gateway: no `prev`, no trimming.
    pub fn xadd(&self, channel: impl Into<LogName>, event: Event, bell: Bell) -> EntryId {
        let channel = &channel.into();
        let (mut state, now) = self.at_now(channel);
        let id = state.store.append(channel, None, event, now).id;
        let channel = channel.clone();
        match bell {
            Bell::Silent => {}
            Bell::Doorbell => {
                state.deliver(&channel.clone(), &FeedEvent::Push { channel, push: Push::Doorbell });
            }
            Bell::Keyspace => state.deliver(&channel.clone(), &FeedEvent::KeyspaceAdd { channel }),
        }
        id
    }

    /// `XTRIM key MAXLEN keep`.
    pub fn trim(&self, channel: impl Into<LogName>, keep: usize) {
        let channel = &channel.into();
        if let Some(stream) = self.at_now(channel).0.store.stream_mut(channel) {
            stream.trim(keep, usize::MAX);
        }
    }

    /// `XDEL`. Returns whether the entry was there.
    pub fn xdel(&self, channel: impl Into<LogName>, id: EntryId) -> bool {
        let channel = &channel.into();
        self.at_now(channel).0.store.stream_mut(channel).is_some_and(|stream| stream.remove(id))
    }

    /// `DEL`. Returns whether the key was there.
    pub fn delete(&self, channel: impl Into<LogName>) -> bool {
        let channel = &channel.into();
        self.at_now(channel).0.store.delete(channel)
    }

    /// `FLUSHALL`: everything goes, the epoch key too, and the nodes set another.
    pub fn flush_all(&self) {
        let mut state = self.lock();
        state.faults.flushes += 1;
        state.store = Store::new(epoch(self.now_ms(), state.faults.flushes));
        state.readers = KeptReaders::default();
    }

    /// A copy of the data as it is now.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint(self.lock().store.clone())
    }

    /// The data is what it was then: a failover to a replica that was behind. See [`MemoryStore::disconnect_all`] for the
    /// other half of a failover.
    pub fn restore(&self, checkpoint: &Checkpoint) {
        self.lock().store = checkpoint.0.clone();
    }

    /// Breaks the link of every node. Attachments connect again at once.
    pub fn disconnect_all(&self) {
        self.lock().links.disconnect();
    }

    /// Breaks every link and refuses everything until it is set back.
    pub fn set_offline(&self, offline: bool) {
        let mut state = self.lock();
        state.faults.offline = offline;
        if offline {
            state.links.disconnect();
        }
        state.links.poke();
    }

    /// Whether no probe of any link comes back. Messages are not concerned ([`MemoryStore::on_push`]), and no link breaks.
    pub fn set_unproven(&self, unproven: bool) {
        self.lock().faults.unproven = unproven;
    }

    /// Whether the store says that it may evict keys.
    pub fn set_evicts(&self, evicts: bool) {
        self.lock().faults.evicts = evicts;
    }

    /// Whether the store is so slow that no page arrives, although tips do.
    pub fn set_slow(&self, slow: bool) {
        self.lock().faults.slow = slow;
    }

    /// Whether an entry does not arrive, however few are asked for.
    pub fn set_unreadable(&self, channel: impl Into<LogName>, id: EntryId, unreadable: bool) {
        let (mut state, entry) = (self.lock(), (channel.into(), id));
        if unreadable {
            state.faults.unreadable.insert(entry);
        } else {
            state.faults.unreadable.remove(&entry);
        }
    }

    /// Lets the next `count` reads of the archive fail (each tip counts as one).
    pub fn fail_reads(&self, count: usize) {
        self.lock().faults.failing_reads = count;
    }
}
