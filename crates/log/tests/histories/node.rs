//! One node, driven step by step: what `ingest::run` does, without a runtime.

use std::sync::Arc;

use fanfare_log::memory::{Link, MemoryStore};
use fanfare_log::registry::Command;
use fanfare_log::{
    ArchiveError, Channel, CoreLog, Desired, FeedSource, Hub, IngestStats, NewestRead, Options, Random, Registry,
    Snapshot, Tip, feed,
};
use tokio::time::Instant;

const CORES: usize = 2;

/// A read of the archive that the registry asked for, or its answer on the way back.
#[derive(Debug)]
enum Read {
    Asked(Command),
    Tips(Vec<usize>, Vec<Result<Tip, ArchiveError>>),
    Head(usize, Result<Snapshot, ArchiveError>),
    Page(usize, Result<Snapshot, ArchiveError>),
    Newest(usize, Result<NewestRead, ArchiveError>),
}

pub(crate) struct Node {
    store: MemoryStore,
    hub: Arc<Hub>,
    registry: Registry,
    source: FeedSource,
    pub(crate) link: Link,
    pub(crate) cores: Vec<CoreLog>,
    reads: Vec<Read>,
    late: Vec<Arc<Channel>>,
    pub(crate) stats: Arc<IngestStats>,
}

impl Node {
    pub(crate) fn new(store: &MemoryStore, options: Options, feed_bytes: usize, now: Instant) -> Self {
        let hub = Arc::new(Hub::with_places(CORES, options.max_channels));
        let desired = Desired::new();
        let stats = Arc::new(IngestStats::default());
        let (sink, source) = feed(feed_bytes);
        let random = Random::seeded(1);
        Self {
            link: store.link(desired.clone(), sink),
            store: store.clone(),
            registry: Registry::new(options, Arc::clone(&hub), vec![desired], Arc::clone(&stats), random, now),
            cores: (0..CORES).map(|core| CoreLog::new(Arc::clone(&hub), core)).collect(),
            hub,
            source,
            reads: Vec::new(),
            late: Vec::new(),
            stats,
        }
    }

    /// Takes in what has arrived and starts reads.
    pub(crate) fn turn(&mut self, now: Instant) {
        self.registry.on_feed(self.source.take(), now);
        let mut touched = std::mem::take(&mut self.late);
        self.registry.on_touched(&touched, now);
        self.hub.take_touched(&mut touched);
        self.registry.on_touched(&touched, now);
        self.registry.on_time(now);
        self.reads.extend(self.registry.end_turn(now).into_iter().map(Read::Asked));
        self.registry.assert_accounts();
    }

    pub(crate) fn is_reading(&self) -> bool {
        !self.reads.is_empty()
    }

    /// Lets the oldest read reach the store, or its answer come back.
    pub(crate) fn work(&mut self, now: Instant) {
        if self.is_reading() {
            self.work_on(0, now);
        }
    }

    /// The same for the newest read, or the one that just went a step: it overtakes the others.
    pub(crate) fn work_on_newest(&mut self, now: Instant) {
        self.work_on(self.reads.len() - 1, now);
    }

    fn work_on(&mut self, index: usize, now: Instant) {
        match self.reads.swap_remove(index) {
            Read::Asked(command) => {
                let read = self.ask(command);
                self.reads.push(read);
            }
            Read::Tips(keys, answer) => self.registry.on_tips(&keys, Ok(answer), now),
            Read::Head(key, answer) => self.registry.on_head(key, answer, now),
            Read::Page(key, answer) => self.registry.on_page(key, answer, now),
            Read::Newest(key, answer) => self.registry.on_newest(key, answer, now),
        }
    }

    fn ask(&self, command: Command) -> Read {
        match command {
            Command::Tips { keys, names } => {
                let tips = names.iter().map(|name| self.store.tip_now(name)).collect();
                Read::Tips(keys, tips)
            }
            Command::Head { key, request } => Read::Head(key, self.store.read_now(&request)),
            Command::Page { key, request } => Read::Page(key, self.store.read_now(&request)),
            Command::Newest { key, name, count } => Read::Newest(key, self.store.newest_now(&name, count)),
        }
    }

    /// Does something on a thread, and keeps from the ingest which channels that touched.
    pub(crate) fn take_touched_after(&mut self, act: impl FnOnce(&CoreLog)) -> Vec<Arc<Channel>> {
        act(&self.cores[0]);
        let mut touched = Vec::new();
        self.hub.take_touched(&mut touched);
        touched
    }

    /// The ingest hears of it in its next turn.
    pub(crate) fn touch_late(&mut self, channels: Vec<Arc<Channel>>) {
        self.late.extend(channels);
    }
}
