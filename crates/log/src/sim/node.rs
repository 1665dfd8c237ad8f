//! One node, driven step by step: what `ingest::run` does, without a runtime.

use std::sync::Arc;

use tokio::time::Instant;

use super::rng::Rng;
use crate::archive::{ArchiveError, Newest, Snapshot, Tip};
use crate::channel::{Channel, Hub};
use crate::core_log::CoreLog;
use crate::feed::{Desired, FeedSource, feed};
use crate::memory::{Link, MemoryStore};
use crate::options::Options;
use crate::random::Random;
use crate::registry::{Command, Registry};
use crate::stats::IngestStats;

#[derive(Debug)]
enum Read {
    Asked(Command),
    Tips(Vec<usize>, Vec<Result<Tip, ArchiveError>>),
    Head(usize, Result<Snapshot, ArchiveError>),
    Page(usize, Result<Snapshot, ArchiveError>),
    Newest(usize, Result<Newest, ArchiveError>),
}

pub(super) struct Node {
    store: MemoryStore,
    hub: Arc<Hub>,
    registry: Registry,
    source: FeedSource,
    pub(super) link: Link,
    pub(super) cores: Vec<CoreLog>,
    reads: Vec<Read>,
    pub(super) stats: Arc<IngestStats>,
}

impl Node {
    pub(super) fn new(
        store: &MemoryStore,
        options: Options,
        feed_bytes: usize,
        cores: usize,
        random: Random,
        now: Instant,
    ) -> Self {
        let hub = Arc::new(Hub::new(cores));
        let desired = Desired::new();
        let stats = Arc::new(IngestStats::default());
        let (sink, source) = feed(feed_bytes);
        Self {
            link: store.link(desired.clone(), sink),
            store: store.clone(),
            registry: Registry::new(options, Arc::clone(&hub), vec![desired], Arc::clone(&stats), random, now),
            cores: (0..cores).map(|core| CoreLog::new(Arc::clone(&hub), core)).collect(),
            hub,
            source,
            reads: Vec::new(),
            stats,
        }
    }

    /// Takes in what has arrived and starts reads. Says which if asked to.
    pub(super) fn turn(&mut self, now: Instant, traces: bool) -> String {
        let batch = self.source.take();
        self.registry.on_feed(batch, now);
        let mut touched = Vec::new();
        self.hub.take_touched(&mut touched);
        self.registry.on_touched(&touched, now);
        self.registry.on_time(now);
        let commands = self.registry.settle(now);
        let started = if traces { format!("{commands:?}") } else { String::new() };
        self.reads.extend(commands.into_iter().map(Read::Asked));
        self.registry.assert_accounts();
        started
    }

    pub(super) fn is_reading(&self) -> bool {
        !self.reads.is_empty()
    }

    /// Lets one read reach the store, or its answer come back. Reads overtake each other.
    pub(super) fn work(&mut self, rng: &mut Rng, now: Instant, traces: bool) -> String {
        if self.reads.is_empty() {
            return String::new();
        }
        let index = rng.below(self.reads.len());
        self.work_on(index, now, traces)
    }

    /// The same for the newest read, or the one that just went a step.
    pub(super) fn work_on_newest(&mut self, now: Instant) {
        self.work_on(self.reads.len() - 1, now, false);
    }

    fn work_on(&mut self, index: usize, now: Instant, traces: bool) -> String {
        let read = self.reads.swap_remove(index);
        let note = if traces { format!("{read:?}") } else { String::new() };
        match read {
            Read::Asked(command) => {
                let read = self.ask(command);
                self.reads.push(read);
            }
            Read::Tips(keys, answer) => self.registry.on_tips(&keys, Ok(answer), now),
            Read::Head(key, answer) => self.registry.on_head(key, answer, now),
            Read::Page(key, answer) => self.registry.on_page(key, answer, now),
            Read::Newest(key, answer) => self.registry.on_newest(key, answer, now),
        }
        note
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

    /// Does something on a thread, and keeps from the node that it was touched.
    pub(super) fn take_touched_after(&mut self, act: impl FnOnce(&CoreLog)) -> Vec<Arc<Channel>> {
        act(&self.cores[0]);
        let mut touched = Vec::new();
        self.hub.take_touched(&mut touched);
        touched
    }

    /// Now the node hears of it.
    pub(super) fn touch(&self, channels: &[Arc<Channel>]) {
        channels.iter().for_each(|channel| self.hub.notify_ingest(channel));
    }
}
