//! One node: everything that `fanfare serve` runs, but for its threads, its listener and its configuration file.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare_log::{IngestStats, Options as LogOptions, PublishRequest, Publisher as _, Random, assemble};
use fanfare_redis::{Options as RedisOptions, RedisPublisher, RedisStore};
use fanfare_server::{
    Clock, Core, CoreStats, DeliveryOptions, DrainOptions, LocalServer, Options as ServerOptions, StoreHandles,
};
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::Instant;

use crate::bounds::Bounds;
use crate::hardships::Hardships;
use crate::net::{self, End};
use crate::redis::FakeRedis;
use crate::rng::Rng;
use crate::{PREFIX, WALL_MS};

/// How nodes of one world are configured.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) log: LogOptions,
    pub(crate) delivery: DeliveryOptions,
    pub(crate) redis: RedisOptions,
    pub(crate) cores: usize,
    pub(crate) drain_window: Duration,
}

impl Setup {
    /// Small tails, pages and queues, so that every way through the log is taken often.
    pub(crate) fn draw(rng: &mut Rng, event_bytes: usize, keyspace: bool) -> Self {
        let tail_entries = [3, 8, 32, 1024][rng.below(4)];
        let log = LogOptions {
            linger: [Duration::ZERO, Duration::from_secs(3), LogOptions::default().linger][rng.below(3)],
            tail_entries,
            budget: [2_000, 20_000, 1 << 26][rng.below(3)],
            page_entries: [2, 7, 512][rng.below(3)],
            page_bytes: [200, 4_000, 262_144][rng.below(3)],
            archive_concurrency: [1, 4, 16][rng.below(3)],
            // As in the product, where the feed has a thread of its own.
            feed_lags: true,
            ..LogOptions::default()
        };
        let delivery = DeliveryOptions {
            coalesce: Duration::from_millis([0, 0, 5][rng.below(3)]),
            retry: Duration::from_millis(500),
            ..DeliveryOptions::default()
        };
        let redis = RedisOptions {
            prefix: PREFIX.into(),
            keyspace_notifications: keyspace,
            event_bytes,
            pool_size: [1, 3, 8][rng.below(3)],
            ..RedisOptions::default()
        };
        let cores = 1 + rng.below(2);
        let feed_bytes = [600, 1 << 20][usize::from(rng.chance(800))];
        Self { log: LogOptions { feed_bytes, ..log }, delivery, redis, cores, drain_window: Duration::from_secs(2) }
    }
}

impl Setup {
    /// What the hardships of a world change. `apart` is for what only such a world has.
    pub(crate) fn harden(&mut self, hardships: Hardships, apart: &mut Rng) {
        if hardships.short_lives {
            self.log.reconcile_interval = Duration::from_secs([1, 5, 30][apart.below(3)]);
        }
        if hardships.hostiles > 0 {
            self.log.max_channels = [48, self.log.max_channels][apart.below(2)];
            self.log.page_bytes = self.log.page_bytes.min(4_000);
            self.log.archive_bytes_per_second = 50_000;
        }
    }

    /// A page, in bytes: as many as it aims at, and one entry more.
    pub(crate) fn page_bytes_max(&self) -> usize {
        self.log.page_bytes + self.redis.event_bytes
    }
}

/// A running node.
struct Running {
    server: RefCell<LocalServer>,
    publisher: RedisPublisher,
    stats: Arc<IngestStats>,
    began: Instant,
    /// Every task of the node; dropping it ends them all at once.
    tasks: Rc<LocalSet>,
    driver: AbortHandle,
}

/// A place where a node runs, or has been killed.
pub(crate) struct Node {
    number: usize,
    setup: Setup,
    redis: FakeRedis,
    running: RefCell<Option<Running>>,
    drains: Cell<bool>,
    bounds: Bounds,
}

impl Node {
    pub(crate) fn new(number: usize, setup: Setup, redis: FakeRedis) -> Self {
        Self { number, setup, redis, running: RefCell::default(), drains: Cell::default(), bounds: Bounds::default() }
    }

    /// Starts the node, in place of the one that may be running.
    #[expect(clippy::disallowed_methods, reason = "`Node::kill` and the end of the world's `LocalSet` abort it")]
    pub(crate) fn start(&self, seed: u64) {
        self.kill();
        self.drains.set(false);
        let tasks = Rc::new(LocalSet::new());
        let within = tasks.enter();
        let random = Random::seeded(seed);
        let store = RedisStore::over(&self.setup.redis, self.redis.dial_for(self.number), &random.fork());
        let store = store.expect("the options of the simulation are valid");
        let for_cores: Vec<_> = (0..self.setup.cores).map(|_| random.fork()).collect();
        let (for_server, for_log) = (random.fork(), random.fork());
        let log = assemble(self.setup.log.clone(), self.setup.cores, for_log);
        let (archive, publisher) = (store.archive(), store.publisher());
        let (began, stats) = (log.began, Arc::clone(&log.stats));
        let clock = Clock::from_fn(move || wall_ms(began));
        let core = |(core, random)| {
            let (delivery, stats) = (self.setup.delivery.clone(), Arc::new(CoreStats::default()));
            Core::new(Arc::clone(&log.hub), core, delivery, stats, clock.clone(), random)
        };
        let options = ServerOptions {
            drain: DrainOptions { window: self.setup.drain_window, ..DrainOptions::default() },
            ..ServerOptions::default()
        };
        let cores = for_cores.into_iter().enumerate().map(core).collect();
        let handles = StoreHandles::new(archive.clone(), publisher.clone());
        let server = LocalServer::start(options, handles, cores, for_server);
        tasks.spawn_local(store.run(log.desired, log.sink));
        tasks.spawn_local(log.ingest.run(archive, std::future::pending()));
        drop(within);
        let driven = Rc::clone(&tasks);
        let driver = tokio::task::spawn_local(async move { driven.run_until(std::future::pending::<()>()).await });
        let driver = driver.abort_handle();
        let server = RefCell::new(server);
        self.running.replace(Some(Running { server, publisher, stats, began, tasks, driver }));
    }

    /// Ends the node without a word.
    pub(crate) fn kill(&self) {
        if let Some(running) = self.running.take() {
            running.driver.abort();
            self.bounds.end(&self.setup, running.began, &running.stats);
        }
    }

    /// Begins the polite end.
    pub(crate) fn drain(&self) {
        self.drains.set(true);
        if let Some(running) = &*self.running.borrow() {
            running.server.borrow().drain();
        }
    }

    /// Whether it refuses whoever comes, since it was told to end.
    pub(crate) fn drains(&self) -> bool {
        self.drains.get()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.borrow().is_some()
    }

    /// Looks at what it holds.
    pub(crate) fn look(&self) {
        self.running.borrow().iter().for_each(|running| self.bounds.look(&self.setup, &running.stats));
    }

    /// Which bounds it has exceeded.
    pub(crate) fn excesses(&self) -> Vec<String> {
        let running = self.running.borrow();
        let running = running.as_ref().map(|running| (running.began, &running.stats));
        self.bounds.verdict(&self.setup, self.redis.lock().asked_by(self.number), running)
    }

    /// Connects to the node from an address; `None`: nobody listens.
    pub(crate) fn connect(&self, room: usize, from: IpAddr) -> Option<End> {
        let running = self.running.borrow();
        let running = running.as_ref()?;
        let (theirs, ours) = net::pair(room);
        let _within = running.tasks.enter();
        running.server.borrow_mut().accept(theirs, from).ok()?;
        Some(ours)
    }

    /// Publishes through the node. Returns whether it said that the event is stored.
    pub(crate) async fn publish(&self, request: PublishRequest) -> bool {
        let publisher = self.running.borrow().as_ref().map(|running| running.publisher.clone());
        match publisher {
            Some(publisher) => publisher.publish(request).await.is_ok(),
            None => false,
        }
    }
}

/// The machine's clock.
fn wall_ms(began: Instant) -> u64 {
    WALL_MS + u64::try_from(began.elapsed().as_millis()).unwrap_or(0)
}
