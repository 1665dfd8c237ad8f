//! What goes wrong with a store and its network, on request: for tests of what the gateway makes of it. Only with the feature
//! `testing`; the product has `faultless.rs` in its place.

use std::collections::VecDeque;
use std::fmt;

use fanfare_protocol::{EntryId, Event, LogName};

use super::store::Store;
use super::{MemoryStore, epoch};
use crate::archive::ArchiveError;
use crate::feed::{FeedEvent, FeedSink};
use fanfare_protocol::Push;

/// What becomes of a message on its way to one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Arrives.
    Arrive,
    /// Is lost.
    Lose,
    /// Arrives twice.
    Double,
    /// Arrives after the next message that arrives on the same link (or after [`super::Link::release`]).
    Delay,
}

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

type Decide = Box<dyn FnMut(&LogName) -> Fate + Send>;

#[derive(Default)]
pub(super) struct Faults {
    offline: bool,
    evicts: bool,
    failing_reads: usize,
    /// Times that everything went: each store after that has another epoch.
    flushes: u32,
    next: VecDeque<Fate>,
    /// The fate of the present message on every link, if it was chosen.
    chosen: Option<Fate>,
    decide: Option<Decide>,
}

impl Faults {
    pub(super) fn is_offline(&self) -> bool {
        self.offline
    }

    pub(super) fn evicts(&self) -> bool {
        self.evicts
    }

    pub(super) fn on_read(&mut self) -> Result<(), ArchiveError> {
        if self.offline {
            return Err(ArchiveError::Unavailable("the store is offline".into()));
        }
        if self.failing_reads > 0 {
            self.failing_reads -= 1;
            return Err(ArchiveError::Timeout);
        }
        Ok(())
    }

    /// A message sets out on every link.
    pub(super) fn begin_message(&mut self) {
        self.chosen = self.next.pop_front();
    }

    /// The fate of the present message on one link.
    fn fate(&mut self, channel: &LogName) -> Fate {
        self.chosen.unwrap_or_else(|| self.decide.as_mut().map_or(Fate::Arrive, |decide| decide(channel)))
    }
}

/// The way of messages to one node.
#[derive(Debug, Default)]
pub(super) struct Lane {
    delayed: Vec<FeedEvent>,
}

impl Lane {
    pub(super) fn carry(&mut self, channel: &LogName, event: &FeedEvent, faults: &mut Faults, to: &FeedSink) {
        let times = match faults.fate(channel) {
            Fate::Lose => return,
            Fate::Delay => return self.delayed.push(event.clone()),
            Fate::Arrive => 1,
            Fate::Double => 2,
        };
        (0..times).for_each(|_| to.send(event.clone()));
        self.release(to);
    }

    pub(super) fn release(&mut self, to: &FeedSink) {
        self.delayed.drain(..).for_each(|event| to.send(event));
    }

    pub(super) fn clear(&mut self) {
        self.delayed.clear();
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("offline", &self.offline).field("evicts", &self.evicts).finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// Chooses the fate of one message to come, the same on every link. Several calls concern several messages, in order.
    pub fn next_push(&self, fate: Fate) {
        self.lock().faults.next.push_back(fate);
    }

    /// Chooses the fate of every message from now on, separately for each link.
    pub fn on_push(&self, decide: impl FnMut(&LogName) -> Fate + Send + 'static) {
        self.lock().faults.decide = Some(Box::new(decide));
    }

    /// Undoes [`MemoryStore::on_push`] and [`MemoryStore::next_push`]. Delayed messages arrive now.
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
        state.store = Store::new(epoch((self.0.options.clock)(), state.faults.flushes));
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

    /// Whether the store says that it may evict keys.
    pub fn set_evicts(&self, evicts: bool) {
        self.lock().faults.evicts = evicts;
    }

    /// Lets the next `count` reads of the archive fail (each tip counts as one).
    pub fn fail_reads(&self, count: usize) {
        self.lock().faults.failing_reads = count;
    }
}
