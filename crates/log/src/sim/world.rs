//! Nodes, one store, clients, and chance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanfare_protocol::ChannelName;
use tokio::time::Instant;

use super::destroy::Replica;
use super::node::Node;
use super::reader::Reader;
use super::rng::Rng;
use super::truth::{Client, Truth};
use crate::cursor::Start;
use crate::memory::{Fate, MemoryOptions, MemoryStore};
use crate::options::Options;
use crate::random::Random;

/// What may happen in a world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// Percent of messages that are lost, doubled or delayed.
    pub(super) faulty_pushes: usize,
    /// Producers that write streams by themselves.
    pub(super) plain: bool,
    /// Streams that expire. Not together with plain producers: those do not extend a stream's life, so that an event of
    /// theirs may expire at once, and if its message is lost too, nobody can know of it.
    pub(super) expiry: bool,
    /// Trims, retractions, deletions, expiry, flushes, failovers.
    pub(super) destruction: bool,
    /// Reads of the archive fail now and then.
    pub(super) failing_reads: bool,
    /// Tails and pages hardly fit.
    pub(super) tiny_budget: bool,
    /// The store evicts keys.
    pub(super) evicting: bool,
}

pub(super) const CALM: Weather = Weather {
    faulty_pushes: 0,
    plain: false,
    expiry: false,
    destruction: false,
    failing_reads: false,
    tiny_budget: false,
    evicting: false,
};

pub(super) const CHANNELS: usize = 2;
const NODES: usize = 2;
const CORES: usize = 2;
const CLIENTS: usize = 8;

pub(super) struct World {
    pub(super) weather: Weather,
    pub(super) rng: Rng,
    clock: Arc<AtomicU64>,
    start: Instant,
    elapsed: Duration,
    pub(super) store: MemoryStore,
    pub(super) names: Vec<ChannelName>,
    pub(super) truths: Vec<Truth>,
    pub(super) nodes: Vec<Node>,
    pub(super) readers: Vec<Option<Reader>>,
    pub(super) clients: Vec<(usize, Client)>,
    pub(super) published: u64,
    pub(super) replicas: Vec<Replica>,
    /// What happened, if only one seed runs.
    pub(super) trace: Option<Vec<String>>,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.trace.iter().flatten().for_each(|line| eprintln!("{line}"));
        }
    }
}

impl World {
    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {}", self.clock.load(Ordering::Relaxed) % 10_000_000, what()));
        }
    }

    /// A world of chance.
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        let mut rng = Rng::new(seed);
        let keyspace = rng.chance(30);
        let nodes = (0..NODES).map(|_| random_options(&mut rng, weather)).collect();
        Self::with(rng, weather, keyspace, nodes)
    }

    /// A world in which only what a test does happens.
    pub(super) fn stage(options: &Options, feed_bytes: usize) -> Self {
        Self::with(Rng::new(1), CALM, false, vec![(options.clone(), feed_bytes); NODES])
    }

    fn with(mut rng: Rng, weather: Weather, keyspace: bool, nodes: Vec<(Options, usize)>) -> Self {
        let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
        let time = Arc::clone(&clock);
        let store = MemoryStore::new(MemoryOptions {
            clock: Arc::new(move || time.load(Ordering::Relaxed)),
            keyspace_notifications: keyspace,
            ..MemoryOptions::default()
        });
        store.set_evicts(weather.evicting);
        let start = Instant::now();
        let node =
            |(options, feed_bytes)| Node::new(&store, options, feed_bytes, CORES, Random::seeded(rng.next()), start);
        let nodes = nodes.into_iter().map(node).collect();
        let names: Vec<_> = (0..CHANNELS).map(|n| ChannelName::parse(&format!("c{n}")).unwrap()).collect();
        Self {
            weather,
            clock,
            start,
            elapsed: Duration::ZERO,
            store,
            names,
            truths: (0..CHANNELS).map(|_| Truth::default()).collect(),
            nodes,
            readers: (0..CLIENTS).map(|_| None).collect(),
            clients: (0..CLIENTS).map(|client| (client % CHANNELS, Client::default())).collect(),
            published: 0,
            replicas: Vec::new(),
            trace: std::env::var_os("FANFARE_SEED").map(|_| Vec::new()),
            rng,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    pub(super) fn store_ms(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.elapsed += time;
        self.clock.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// The clock goes back.
    pub(super) fn turn_back(&mut self, time: Duration) {
        self.note(|| format!("the clock goes back by {time:?}"));
        self.clock.fetch_sub(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// The fate of messages is chance from now on.
    pub(super) fn spoil_pushes(&mut self) {
        let percent = self.weather.faulty_pushes;
        let mut rng = Rng::new(self.rng.next());
        self.store.on_push(move |_| match rng.below(100) {
            n if n >= percent => Fate::Arrive,
            n => [Fate::Lose, Fate::Double, Fate::Delay][n % 3],
        });
    }

    pub(super) fn is_refused(&mut self, client: usize) -> bool {
        let reader = self.readers[client].as_mut().unwrap();
        reader.is_refused(&self.nodes[reader.node].cores[reader.core])
    }

    pub(super) fn turn(&mut self, node: usize) {
        let now = self.now();
        let traces = self.trace.is_some();
        let started = self.nodes[node].turn(now, traces);
        self.note(|| format!("node {node} turn, starts {started}"));
    }

    /// One read of a node goes a step on.
    pub(super) fn work(&mut self, node: usize) {
        let now = self.now();
        let traces = self.trace.is_some();
        let worked = self.nodes[node].work(&mut self.rng, now, traces);
        self.note(|| format!("node {node} {worked}"));
    }

    pub(super) fn work_on_newest(&mut self, node: usize) {
        let now = self.now();
        self.nodes[node].work_on_newest(now);
    }

    /// A turn of one node, some of its reads, and one of its threads.
    pub(super) fn run_node(&mut self, node: usize) {
        self.turn(node);
        for _ in 0..self.rng.below(3) {
            self.work(node);
        }
        let core = self.rng.below(CORES);
        self.sync(node, core);
    }

    pub(super) fn sync(&mut self, node: usize, core: usize) {
        let readers = &mut self.readers;
        self.nodes[node].cores[core].sync(
            |_, _| {},
            |token| {
                if let Some(reader) = &mut readers[token as usize] {
                    reader.awake = true;
                }
            },
        );
    }

    /// One client reads, if something may be due for it.
    pub(super) fn read(&mut self, client: usize) {
        if let Some(reader) = &mut self.readers[client]
            && reader.awake
        {
            let log = &self.nodes[reader.node].cores[reader.core];
            let before = self.clients[client].1.saw.len();
            reader.read(log, &mut self.clients[client].1, &mut self.rng);
            if self.trace.is_some() {
                let saw = &self.clients[client].1.saw[before..];
                let state = format!("client {client} reads {saw:?}, now {:?}", reader.cursor);
                self.note(|| state);
            }
            self.check_client(client);
        }
    }

    pub(super) fn beat(&mut self, client: usize) {
        if let Some(reader) = &mut self.readers[client] {
            reader.beat(&self.nodes[reader.node].cores[reader.core], &mut self.clients[client].1);
            self.check_client(client);
        }
    }

    pub(super) fn connect(&mut self, client: usize) {
        if self.readers[client].is_some() {
            return;
        }
        let at = (self.rng.below(NODES), self.rng.below(CORES));
        let last = self.rng.chance(40).then(|| Start::Newest(u32::try_from(self.rng.below(5)).unwrap()));
        self.connect_to(client, at, last);
    }

    /// Connects a client to a thread of a node, from where it was, or from `place` if it is new.
    pub(super) fn connect_to(&mut self, client: usize, (node, core): (usize, usize), start: Option<Start>) {
        let (channel, seen) = &mut self.clients[client];
        let start = seen.last_event_id().map(Start::At).or(start);
        let log = &self.nodes[node].cores[core];
        let name = &self.names[*channel];
        let token = u32::try_from(client).unwrap();
        let note = format!("client {client} connects to {node}.{core} {name} at {start:?}");
        self.readers[client] = Some(Reader::connect(log, name, (node, core, *channel), start, token));
        self.note(|| note);
    }

    /// Disconnects a client, which has got everything that it was sent.
    pub(super) fn leave(&mut self, client: usize) {
        if let Some(reader) = self.readers[client].take() {
            reader.disconnect(&self.nodes[reader.node].cores[reader.core]);
            self.note(|| format!("client {client} disconnects"));
        }
    }

    /// The same, but some of it is lost on the way.
    pub(super) fn disconnect(&mut self, client: usize) {
        if self.readers[client].is_some() {
            self.leave(client);
            let lost = self.rng.below(3);
            self.clients[client].1.lose(lost);
        }
    }

    /// A client that forgets everything.
    pub(super) fn restart_client(&mut self, client: usize) {
        self.disconnect(client);
        self.clients[client] = (self.rng.below(CHANNELS), Client::default());
    }

    fn check_client(&mut self, client: usize) {
        let (channel, seen) = &mut self.clients[client];
        seen.check(&self.truths[*channel]);
    }
}

fn random_options(rng: &mut Rng, weather: Weather) -> (Options, usize) {
    let mut options = Options { page_entries: 1 + rng.below(6), ..Options::default() };
    if weather.tiny_budget {
        options.budget = 400 + rng.below(4_000);
        options.tail_entries = 1 + rng.below(8);
        options.page_bytes = 200 + rng.below(400);
        options.archive_concurrency = 1 + rng.below(3);
        options.archive_bytes_per_second = 2_000 + rng.next() % 20_000;
    }
    (options, if rng.chance(30) { 2_000 } else { 1 << 20 })
}
