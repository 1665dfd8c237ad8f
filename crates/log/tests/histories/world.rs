//! Nodes, one store, clients, and what is done to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::memory::{Bell, Checkpoint, MemoryOptions, MemoryStore};
use fanfare_log::{Options, PublishRequest, Start, Ttl};
use fanfare_protocol::{ChannelName, EntryId, Event, Position};
use tokio::time::Instant;

use super::CHANNEL;
use super::node::Node;
use super::reader::Reader;
use super::saw::{Client, History};

const NODES: usize = 2;
const CHANNELS: usize = 2;
const CLIENTS: usize = 6;

pub(crate) struct World {
    clock: Arc<AtomicU64>,
    start: Instant,
    elapsed: Duration,
    pub(crate) store: MemoryStore,
    names: Vec<ChannelName>,
    history: History,
    pub(crate) nodes: Vec<Node>,
    readers: Vec<Option<Reader>>,
    clients: Vec<Client>,
}

impl World {
    pub(crate) fn new(options: &Options, feed_bytes: usize) -> Self {
        let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
        let time = Arc::clone(&clock);
        let store = MemoryStore::new(MemoryOptions {
            clock: Arc::new(move || time.load(Ordering::Relaxed)),
            min_lives: options.min_lives.clone(),
            ..MemoryOptions::default()
        });
        let start = Instant::now();
        Self {
            nodes: (0..NODES).map(|_| Node::new(&store, options.clone(), feed_bytes, start)).collect(),
            names: (0..CHANNELS).map(|n| ChannelName::parse(&format!("c{n}")).unwrap()).collect(),
            readers: (0..CLIENTS).map(|_| None).collect(),
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            history: History::default(),
            elapsed: Duration::ZERO,
            clock,
            start,
            store,
        }
    }

    /// The channel that the histories are about.
    pub(crate) fn name(&self) -> &ChannelName {
        &self.names[CHANNEL]
    }

    /// The entries that its stream holds.
    pub(crate) fn stream(&self) -> Vec<EntryId> {
        self.store.entries(self.name()).iter().map(|entry| entry.id).collect()
    }
}

/// Time.
impl World {
    pub(crate) fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.elapsed += time;
        self.clock.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// The clock moves on, so that no id is given twice: what the guarantee rests on.
    fn tick(&mut self) {
        self.pass(Duration::from_millis(2));
    }

    /// The store's clock goes back.
    pub(crate) fn turn_back(&mut self, time: Duration) {
        self.clock.fetch_sub(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Lets time pass while everybody acts.
    pub(crate) fn spend(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.pass(Duration::from_millis(100));
            self.settle_down();
        }
    }
}

/// What happens to the stream.
impl World {
    pub(crate) fn publish(&mut self) {
        self.publish_for(None);
    }

    /// Publishes with a time to live.
    pub(crate) fn publish_for(&mut self, ttl: Option<Duration>) {
        let (channel, event) = (self.name().clone(), Event { name: None, data: Bytes::from_static(b"event") });
        let before = self.store.last_id(self.name());
        let ttl = ttl.map(|lasts| Ttl { lasts, ends_permanence: true });
        let request = PublishRequest { channel, event, dedup: None, max_len: None, ttl };
        let id = self.store.publish_now(&request).unwrap().id;
        self.history.published(id, before);
    }

    /// Publishes on the other channel.
    pub(crate) fn publish_elsewhere(&self) {
        self.publish_elsewhere_for(None);
    }

    /// The same with a time to live.
    pub(crate) fn publish_elsewhere_for(&self, lasts: Option<Duration>) {
        let ttl = lasts.map(|lasts| Ttl { lasts, ends_permanence: true });
        let (channel, event) = (self.names[1 - CHANNEL].clone(), Event { name: None, data: Bytes::new() });
        let request = PublishRequest { channel, event, dedup: None, max_len: None, ttl };
        self.store.publish_now(&request).unwrap();
    }

    /// Writes the stream as a producer does that knows nothing of the gateway.
    pub(crate) fn xadd(&mut self, bell: Bell) {
        let before = self.store.last_id(self.name());
        let event = Event { name: None, data: Bytes::from_static(b"plain") };
        let id = self.store.xadd(self.name(), event, bell);
        self.history.published(id, before);
    }

    /// Removes the newest entry.
    pub(crate) fn retract(&mut self) {
        let id = *self.stream().last().unwrap();
        self.store.xdel(self.name(), id);
        self.history.retracted(id);
    }

    /// `XTRIM key MAXLEN keep`.
    pub(crate) fn trim(&self, keep: usize) {
        self.store.trim(self.name(), keep);
    }

    /// Deletes the stream, or evicts it: the store does the same.
    pub(crate) fn delete(&mut self) {
        self.tick();
        self.store.delete(self.name());
        self.tick();
    }

    pub(crate) fn flush(&mut self) {
        self.tick();
        self.store.flush_all();
        self.tick();
    }

    /// A replica that was behind takes over. No node is told.
    pub(crate) fn fail_over(&mut self, replica: &Checkpoint) {
        self.tick();
        self.store.restore(replica);
        self.tick();
    }
}

/// What the nodes do.
impl World {
    pub(crate) fn turn(&mut self, node: usize) {
        let now = self.now();
        self.nodes[node].turn(now);
    }

    /// The oldest read of a node goes a step on.
    pub(crate) fn work(&mut self, node: usize) {
        let now = self.now();
        self.nodes[node].work(now);
    }

    /// The newest read of a node goes a step on.
    pub(crate) fn work_on_newest(&mut self, node: usize) {
        let now = self.now();
        self.nodes[node].work_on_newest(now);
    }

    /// A turn of one node, both steps of a read, and its threads.
    pub(crate) fn run_node(&mut self, node: usize) {
        self.turn(node);
        (0..2).for_each(|_| self.work(node));
        (0..2).for_each(|core| self.sync(node, core));
    }

    pub(crate) fn sync(&mut self, node: usize, core: usize) {
        let readers = &mut self.readers;
        self.nodes[node].cores[core].sync(
            |_, _| {},
            |reader| {
                if let Some(reader) = &mut readers[reader.session as usize] {
                    reader.awake = true;
                }
            },
        );
    }

    /// Every node and client acts until none has anything to do.
    pub(crate) fn settle_down(&mut self) {
        for _ in 0..200 {
            let mut busy = false;
            for node in 0..NODES {
                self.nodes[node].link.tend();
                self.turn(node);
                while self.nodes[node].is_reading() {
                    busy = true;
                    self.work(node);
                }
                self.turn(node);
                (0..self.nodes[node].cores.len()).for_each(|core| self.sync(node, core));
            }
            for client in 0..CLIENTS {
                busy |= self.readers[client].as_ref().is_some_and(|reader| reader.awake);
                self.read(client);
            }
            if !busy {
                return;
            }
        }
        panic!("a node or a client runs in circles");
    }

    /// Reads of heads by the first node.
    pub(crate) fn head_reads(&self) -> u64 {
        self.nodes[0].stats.head_reads.get()
    }

    /// Reads of pages by the first node.
    pub(crate) fn page_reads(&self) -> u64 {
        self.nodes[0].stats.page_reads.get()
    }
}

/// What the clients do, and what they saw.
impl World {
    /// Connects a client to a thread of a node, from where it was, or from `start` if it is new.
    pub(crate) fn connect(&mut self, client: usize, at: (usize, usize), start: Option<Start>) {
        assert!(self.try_connect(client, at, start), "no place for client {client}");
    }

    /// The same for a client whose channel may have no place.
    pub(crate) fn try_connect(&mut self, client: usize, at: (usize, usize), start: Option<Start>) -> bool {
        let start = self.last_event_id(client).map(Start::At).or(start);
        let log = &self.nodes[at.0].cores[at.1];
        let name = &self.names[client % CHANNELS];
        self.readers[client] = Reader::connect(log, name, at, start, u32::try_from(client).unwrap()).ok();
        self.readers[client].is_some()
    }

    /// Disconnects a client, which has got everything that it was sent.
    pub(crate) fn leave(&mut self, client: usize) {
        if let Some(reader) = self.readers[client].take() {
            reader.disconnect(&self.nodes[reader.node].cores[reader.core]);
        }
    }

    /// A client that begins anew.
    pub(crate) fn forget(&mut self, client: usize) {
        self.leave(client);
        self.clients[client] = Client::default();
    }

    /// The client reads, if something may be due for it.
    pub(crate) fn read(&mut self, client: usize) {
        if let Some(reader) = &mut self.readers[client]
            && reader.awake
        {
            let log = &self.nodes[reader.node].cores[reader.core];
            reader.read(log, &mut self.clients[client], &self.history);
        }
    }

    /// The client gets a heartbeat.
    pub(crate) fn beat(&mut self, client: usize) {
        if let Some(reader) = &mut self.readers[client] {
            let log = &self.nodes[reader.node].cores[reader.core];
            reader.beat(log, &mut self.clients[client], &self.history);
        }
    }

    pub(crate) fn is_awake(&self, client: usize) -> bool {
        self.readers[client].as_ref().unwrap().awake
    }

    pub(crate) fn is_live(&mut self, client: usize) -> bool {
        let reader = self.readers[client].as_mut().unwrap();
        reader.is_live(&self.nodes[reader.node].cores[reader.core])
    }

    pub(crate) fn last_event_id(&self, client: usize) -> Option<Position> {
        self.clients[client].last_event_id()
    }

    /// How many entries and gaps the client saw.
    pub(crate) fn saw(&self, client: usize) -> (usize, usize) {
        (self.clients[client].entries().count(), self.clients[client].gaps())
    }

    /// Whether the client saw the newest entry.
    pub(crate) fn has_newest(&self, client: usize) -> bool {
        self.clients[client].entries().next_back() == self.stream().last().copied()
    }
}
