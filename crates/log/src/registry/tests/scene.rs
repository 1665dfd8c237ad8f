//! A node over the in-process store, for tests of the registry.

use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::{ChannelName, Decoded, EntryId, Event, LogName, Position};

use super::super::*;
use crate::archive::Snapshot;
use crate::core_log::{CoreLog, ViewKey};
use crate::cursor::{Cursor, Start};
use crate::feed::{FeedEvent, FeedSource, feed};
use crate::memory::{Link, MemoryStore};
use crate::pages::Served;
use crate::payer::Payer;
use crate::publish::PublishRequest;
use crate::view::Next;

pub(super) const STEP: Duration = Duration::from_millis(10);
pub(super) const PAGE_BYTES: usize = 16 << 10;
pub(super) const PER_SECOND: usize = 64 << 10;

/// A node over the in-process store under made-up instants, and one connection thread.
pub(super) struct Scene {
    pub(super) store: MemoryStore,
    pub(super) registry: Registry,
    pub(super) hub: Arc<Hub>,
    pub(super) desired: Desired,
    link: Link,
    source: FeedSource,
    pub(super) core: CoreLog,
    pub(super) now: Instant,
    /// Subscriptions acknowledged so far.
    pub(super) subscriptions: usize,
}

impl Scene {
    pub(super) fn new(options: Options) -> Self {
        let (store, now) = (MemoryStore::default(), Instant::now());
        let (hub, desired) = (Arc::new(Hub::with_places(1, options.max_channels)), Desired::new());
        let (sink, source) = feed(1 << 20);
        Self {
            link: store.link(desired.clone(), sink),
            store,
            registry: Registry::new(
                options,
                Arc::clone(&hub),
                vec![desired.clone()],
                Arc::default(),
                Random::seeded(1),
                now,
            ),
            core: CoreLog::new(Arc::clone(&hub), 0),
            hub,
            desired,
            source,
            now,
            subscriptions: 0,
        }
    }

    /// Publishes entries of about 4 KiB. Returns the id of the first.
    pub(super) fn publish(&self, channel: &LogName, count: usize) -> EntryId {
        self.publish_all(channel, count)[0]
    }

    /// The same. Returns all ids.
    pub(super) fn publish_all(&self, channel: &LogName, count: usize) -> Vec<EntryId> {
        let event = Event { name: None, data: Bytes::from(vec![b'x'; 4_000]) };
        let request = PublishRequest { channel: channel.name().clone(), event, dedup: None, max_len: None, ttl: None };
        (0..count).map(|_| self.store.publish_now(&request).unwrap().id).collect()
    }

    /// Takes in what has arrived and says which reads to start.
    pub(super) fn turn(&mut self) -> Vec<Command> {
        self.link.tend();
        let batch = self.source.take();
        let acknowledged = batch.events.iter().map(|(_, event)| match event {
            FeedEvent::Subscribed(names) => names.len(),
            _ => 0,
        });
        self.subscriptions += acknowledged.sum::<usize>();
        self.registry.on_feed(batch, self.now);
        let mut touched = Vec::new();
        self.hub.take_touched(&mut touched);
        self.registry.on_touched(&touched, self.now);
        self.registry.on_time(self.now);
        self.registry.end_turn(self.now)
    }

    /// A probe of the feed comes back in the next turn. Returns when it began.
    pub(super) fn probe(&mut self) -> Instant {
        self.link.probe();
        let batch = self.source.take();
        let began = batch.events.iter().rev().find_map(|(_, event)| match event {
            FeedEvent::Probe { began } => Some(*began),
            _ => None,
        });
        self.registry.on_feed(batch, self.now);
        began.expect("the link is there")
    }

    /// Answers a read. Returns the bytes of data in a page and the channel's key.
    pub(super) fn answer(&mut self, command: Command) -> Option<(usize, usize)> {
        match command {
            Command::Tips { keys, names } => {
                let tips = names.iter().map(|name| self.store.tip_now(name)).collect();
                self.registry.on_tips(&keys, Ok(tips), self.now);
                None
            }
            Command::Page { key, request } => {
                let snapshot = self.store.read_now(&request).unwrap();
                let bytes = bytes_after(request.after, &snapshot);
                self.registry.on_page(key, Ok(snapshot), self.now);
                Some((bytes, key))
            }
            Command::Head { key, request } => {
                self.registry.on_head(key, self.store.read_now(&request), self.now);
                None
            }
            other => panic!("nobody asked for {other:?}"),
        }
    }

    /// Takes turns until nothing is left to do. Returns how many reads it took.
    pub(super) fn rest(&mut self) -> usize {
        let (mut reads, mut idle) = (0, 0);
        // What one turn desires is acknowledged in the next and read in the one after that.
        while idle < 3 {
            let commands = self.turn();
            self.core.sync(|_, _| {}, |_| {});
            idle = if commands.is_empty() { idle + 1 } else { 0 };
            reads += commands.len();
            for command in commands {
                self.answer(command);
            }
        }
        reads
    }

    /// The connection thread takes over what has changed.
    pub(super) fn turn_core(&self) {
        self.core.sync(|_, _| {}, |_| {});
    }

    /// A doorbell: something was published.
    pub(super) fn ring(&self, channel: &LogName) {
        self.store.publish_ephemeral(channel, Bytes::new());
    }

    /// The link to the store breaks; the next turn finds it made anew.
    pub(super) fn lose_link(&self) {
        self.link.disconnect();
    }

    pub(super) fn open(&self, channel: &LogName, start: Option<Start>) -> (ViewKey, Cursor) {
        self.core.open(channel, start, 0, Payer::NODE).unwrap()
    }

    /// Reads everything that pages have for the reader; it then wants the next one.
    pub(super) fn read(&self, (view, cursor): &mut (ViewKey, Cursor)) {
        let last = |served: &Served| served.entries().last().map(|entry| entry.id);
        while self.core.next(*view, cursor, |cursor, _, next| match next {
            Next::Page(served) => last(&served).map(|id| cursor.advance_to(Position::At(id))).is_some(),
            _ => false,
        }) {}
    }

    /// Readers at the beginning of long streams, each on a channel of its own that has nothing in memory.
    pub(super) fn readers(&mut self, channels: usize, entries: usize) -> Vec<(ViewKey, Cursor)> {
        let names: Vec<_> = (0..channels).map(|number| name(&format!("c{number}"))).collect();
        let firsts: Vec<_> = names.iter().map(|name| self.publish(name, entries)).collect();
        let start = |first: EntryId| Some(Start::At(Position::At(first)));
        let readers: Vec<_> = names.iter().zip(firsts).map(|(name, first)| self.open(name, start(first))).collect();
        self.rest();
        readers
    }
}

pub(super) fn name(text: &str) -> LogName {
    LogName::from(ChannelName::parse(text).unwrap())
}

/// The data in the entries after a position; the snapshot may begin with the entry at the position itself.
fn bytes_after(after: Position, snapshot: &Snapshot) -> usize {
    let size = |entry: &Decoded| match entry {
        Decoded::Entry(entry) if Position::At(entry.id) != after => entry.event.data.len(),
        _ => 0,
    };
    snapshot.entries.iter().map(size).sum()
}

pub(super) fn narrow(archive_concurrency: usize) -> Options {
    let archive_bytes_per_second = PER_SECOND as u64;
    Options { page_bytes: PAGE_BYTES, archive_bytes_per_second, archive_concurrency, ..Options::default() }
}

/// A narrow node whose tails hold one entry, with one long stream and a reader that keeps its channel open.
pub(super) fn behind(entries: usize) -> (Scene, Vec<EntryId>, (ViewKey, Cursor)) {
    let mut scene = Scene::new(Options { tail_entries: 1, ..narrow(1) });
    let ids = scene.publish_all(&name("long"), entries);
    let live = scene.open(&name("long"), None);
    scene.rest();
    (scene, ids, live)
}
