//! The store itself: its options, its state behind a lock, and its faces.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanfare_protocol::{ChannelName, Entry, EntryId, Epoch, Event, LogName, Push, TicketName, encode_push, limits};
use tokio::time::Instant;

use super::faults::Faults;
use super::kept_readers::KeptReaders;
use super::kept_tickets::KeptTickets;
use super::links::Links;
use super::store::Store;
use super::stream;
use crate::archive::{Archive, ArchiveError, NewestRead, ReadRequest, Snapshot, Tip};
use crate::feed::FeedEvent;
use crate::min_lives::MinLives;
use crate::occupancy::{NodeLife, OccupancyAnswer, OccupancyError, OccupancyStore};
use crate::publish::{AppendRequest, PublishError, PublishRequest, Published, Publisher};
use crate::tickets::{HeldTicket, TicketAnswer, TicketError, TicketStore};

/// The store's clock: milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What can be chosen about a store.
#[derive(Clone)]
pub struct MemoryOptions {
    /// The store's clock.
    pub clock: Clock,
    /// Largest data of an event that is delivered, in bytes.
    pub max_event_bytes: usize,
    /// Whether every `XADD` is announced by a keyspace notification too.
    pub keyspace_notifications: bool,
    /// What is promised about the life of streams.
    pub min_lives: MinLives,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            clock: system_clock(),
            max_event_bytes: limits::EVENT_BYTES_DEFAULT,
            keyspace_notifications: false,
            min_lives: MinLives::default(),
        }
    }
}

impl fmt::Debug for MemoryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryOptions")
            .field("max_event_bytes", &self.max_event_bytes)
            .field("keyspace_notifications", &self.keyspace_notifications)
            .finish_non_exhaustive()
    }
}

/// Starts at the system's time and goes on as tokio's does, so that paused time is paused here too.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the store; tests hand in another")]
fn system_clock() -> Clock {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let start = Instant::now();
    Arc::new(move || u64::try_from((unix + start.elapsed()).as_millis()).unwrap_or(u64::MAX))
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) store: Store,
    pub(super) links: Links,
    pub(super) faults: Faults,
    tickets: KeptTickets,
    pub(super) readers: KeptReaders,
}

#[derive(Debug)]
struct Shared {
    options: MemoryOptions,
    state: Mutex<State>,
}

/// An in-process store with a feed. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct MemoryStore(Arc<Shared>);

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        let epoch = epoch((options.clock)(), 0);
        let state = State {
            store: Store::new(epoch),
            links: Links::default(),
            faults: Faults::default(),
            tickets: KeptTickets::default(),
            readers: KeptReaders::default(),
        };
        Self(Arc::new(Shared { options, state: Mutex::new(state) }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now_ms(&self) -> u64 {
        (self.0.options.clock)()
    }

    /// Locks the state as it is now: without the channel's stream if that has expired.
    pub(super) fn at_now(&self, channel: &LogName) -> (MutexGuard<'_, State>, u64) {
        let now = self.now_ms();
        let mut state = self.lock();
        state.store.expire(channel, now);
        (state, now)
    }

    /// `PUBLISH` of any payload. Without the marker of a push it is an ephemeral text; an empty one is a doorbell.
    pub fn publish_ephemeral(&self, channel: impl Into<LogName>, payload: Bytes) {
        let channel = &channel.into();
        let push = Push::parse(payload, self.0.options.max_event_bytes);
        self.lock().deliver(channel, &FeedEvent::Push { channel: channel.clone(), push });
    }

    /// As [`Publisher::publish`], without waiting.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn publish_now(&self, request: &PublishRequest) -> Result<Published, PublishError> {
        let channel = &LogName::from(&request.channel);
        let (mut state, now) = self.at_now(channel);
        if state.faults.is_offline() {
            return Err(PublishError::Unreachable("the store is offline".into()));
        }
        match state.store.publish(request, now)? {
            Err(duplicate) => Ok(duplicate),
            Ok(entry) => {
                self.announce(&mut state, channel, &entry);
                Ok(Published { id: entry.id, duplicate: false })
            }
        }
    }

    /// Does something with the tickets, if the store is there.
    fn with_tickets<T: Send + 'static>(&self, change: impl FnOnce(&mut KeptTickets, u64) -> T) -> TicketAnswer<T> {
        let now = self.now_ms();
        let mut state = self.lock();
        let outcome = if state.faults.is_offline() {
            Err(TicketError::Unavailable("the store is offline".into()))
        } else {
            Ok(change(&mut state.tickets, now))
        };
        Box::pin(std::future::ready(outcome))
    }

    /// Does something with the numbers of readers, if the store is there.
    fn with_readers<T: Send + 'static>(&self, change: impl FnOnce(&mut KeptReaders, u64) -> T) -> OccupancyAnswer<T> {
        let now = self.now_ms();
        let mut state = self.lock();
        let outcome = if state.faults.is_offline() {
            Err(OccupancyError::Unavailable("the store is offline".into()))
        } else {
            Ok(change(&mut state.readers, now))
        };
        Box::pin(std::future::ready(outcome))
    }

    /// As [`Publisher::append`], without waiting.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn append_now(&self, request: &AppendRequest) -> Result<EntryId, PublishError> {
        let log = &LogName::system(request.log.clone());
        let (mut state, now) = self.at_now(log);
        if state.faults.is_offline() {
            return Err(PublishError::Unreachable("the store is offline".into()));
        }
        let stream = state.store.stream(log);
        let oldest = stream.and_then(|stream| Some((stream.entries().count(), stream.entries().next()?.id.ms)));
        // As Redis, which drops what is old when that pays, and at the latest when the log is full.
        if let Some((entries, oldest_ms)) = oldest
            && entries >= request.max_entries
        {
            let oldest_kept_ms = now.saturating_sub(u64::try_from(request.keep.as_millis()).unwrap_or(u64::MAX));
            if oldest_ms >= oldest_kept_ms {
                return Err(PublishError::Rejected(format!("the log holds {entries} entries that are in force")));
            }
            state.store.forget_before(log, oldest_kept_ms);
        }
        let event = Event { name: None, data: request.data.clone() };
        let id = state.store.append(log, None, event, now).id;
        // As a node's own logs are never believed: a doorbell.
        state.deliver(log, &FeedEvent::Push { channel: log.clone(), push: Push::Doorbell });
        Ok(id)
    }

    pub(super) fn announce(&self, state: &mut State, channel: &LogName, entry: &Entry) {
        if self.0.options.keyspace_notifications {
            state.deliver(channel, &FeedEvent::KeyspaceAdd { channel: channel.clone() });
        }
        let push = Push::parse(encode_push(entry).into(), self.0.options.max_event_bytes);
        state.deliver(channel, &FeedEvent::Push { channel: channel.clone(), push });
    }

    /// As [`Archive::tips`] for one channel, without waiting.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn tip_now(&self, channel: impl Into<LogName>) -> Result<Tip, ArchiveError> {
        let channel = &channel.into();
        let (mut state, now) = self.at_now(channel);
        state.faults.on_read()?;
        let tip = state.store.tip(channel, state.faults.evicts(), now);
        Ok(state.store.with_min_life(tip, channel, &self.0.options.min_lives))
    }

    /// As [`Archive::read`], without waiting.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn read_now(&self, request: &ReadRequest) -> Result<Snapshot, ArchiveError> {
        let (mut state, now) = self.at_now(&request.log);
        state.faults.on_read()?;
        let mut snapshot = state.store.snapshot(request, self.0.options.max_event_bytes, state.faults.evicts(), now);
        snapshot.tip = state.store.with_min_life(snapshot.tip, &request.log, &self.0.options.min_lives);
        state.faults.on_page(request, snapshot)
    }

    /// As [`Archive::newest`], without waiting.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub fn newest_now(&self, channel: impl Into<LogName>, count: usize) -> Result<NewestRead, ArchiveError> {
        let channel = &channel.into();
        let (mut state, now) = self.at_now(channel);
        state.faults.on_read()?;
        Ok(state.store.newest(channel, count, state.faults.evicts(), now))
    }

    /// A stream's last generated id; `None` if there is no stream.
    #[must_use]
    pub fn last_id(&self, channel: impl Into<LogName>) -> Option<EntryId> {
        let channel = &channel.into();
        let (state, _) = self.at_now(channel);
        state.store.stream(channel).map(stream::Stream::last)
    }

    /// The entries that a stream holds, ascending.
    #[must_use]
    pub fn entries(&self, channel: impl Into<LogName>) -> Vec<Entry> {
        let channel = &channel.into();
        let (state, _) = self.at_now(channel);
        state.store.stream(channel).map_or_else(Vec::new, |stream| stream.entries().cloned().collect())
    }
}

impl State {
    pub(super) fn deliver(&mut self, channel: &LogName, event: &FeedEvent) {
        self.links.deliver(channel, event, &mut self.faults);
    }
}

/// The epoch of the `count`-th life of a store that was made at a time.
pub(super) fn epoch(made_ms: u64, count: u32) -> Epoch {
    Epoch::from_key(format!("{made_ms}/{count}").as_bytes())
}

impl Archive for MemoryStore {
    async fn tips(&self, logs: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, ArchiveError> {
        Ok(logs.into_iter().map(|log| self.tip_now(log)).collect())
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        self.read_now(&request)
    }

    async fn newest(&self, log: LogName, count: usize) -> Result<NewestRead, ArchiveError> {
        self.newest_now(log, count)
    }
}

impl Publisher for MemoryStore {
    async fn publish(&self, request: PublishRequest) -> Result<Published, PublishError> {
        self.publish_now(&request)
    }

    async fn append(&self, request: AppendRequest) -> Result<EntryId, PublishError> {
        self.append_now(&request)
    }
}

impl TicketStore for MemoryStore {
    fn now_ms(&self) -> TicketAnswer<u64> {
        self.with_tickets(|_, now| now)
    }

    fn make(&self, ticket: TicketName, record: Bytes, ttl: Duration) -> TicketAnswer<()> {
        self.with_tickets(|tickets, now| tickets.make(ticket, record, ttl, now))
    }

    fn find(&self, ticket: TicketName) -> TicketAnswer<HeldTicket> {
        self.with_tickets(|tickets, now| tickets.find(ticket, now))
    }

    fn use_first(&self, ticket: TicketName, record: Bytes, keep: Duration) -> TicketAnswer<Bytes> {
        self.with_tickets(|tickets, now| tickets.use_first(ticket, record, keep, now))
    }
}

impl OccupancyStore for MemoryStore {
    fn begin(&self, life: NodeLife, former: Option<NodeLife>) -> OccupancyAnswer<()> {
        self.with_readers(|readers, now| readers.begin(life, former, now))
    }

    fn renew(&self, life: NodeLife) -> OccupancyAnswer<bool> {
        self.with_readers(|readers, now| readers.renew(life, now))
    }

    fn write(&self, life: NodeLife, counts: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()> {
        self.with_readers(|readers, _| readers.write(life, counts))
    }

    fn keep(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>> {
        self.with_readers(|readers, _| channels.iter().map(|channel| readers.has(channel)).collect())
    }

    fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>> {
        self.with_readers(|readers, now| channels.iter().map(|channel| readers.read(channel, now)).collect())
    }

    fn end(&self, life: NodeLife, channels: Vec<ChannelName>) -> OccupancyAnswer<()> {
        self.with_readers(|readers, _| readers.end(life, &channels))
    }
}
