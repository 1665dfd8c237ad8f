//! One node: everything that `fanfare serve` runs, but for its threads, its listener and its configuration file.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use fanfare_log::occupancy::Reporter;
use fanfare_log::{
    AppendRequest, IngestStats, Occupancy, Permanence, PublishRequest, Publisher as _, Random, assemble,
};
use fanfare_protocol::EntryId;
use fanfare_protocol::limits::PAGES_BUDGET_PART;
use fanfare_redis::{RedisPublisher, RedisStore, RedisTickets};
use fanfare_server::{
    Clock, Core, CoreStats, DrainOptions, KnownRevocations, LocalServer, OccupancyOptions, Options as ServerOptions,
    StoreHandles,
};
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::Instant;

use crate::WALL_MS;
use crate::bounds::{Bounds, ITEM_BYTES};
use crate::net::{self, End};
use crate::redis::FakeRedis;
use crate::setup::Setup;
use crate::tokens::access::Access;

/// A running node.
struct Running {
    server: RefCell<LocalServer>,
    publisher: RedisPublisher,
    tickets: RedisTickets,
    revocations: Option<Arc<KnownRevocations>>,
    stats: Arc<IngestStats>,
    began: Instant,
    /// Every task of the node; dropping it ends them all at once.
    tasks: Rc<LocalSet>,
    driver: AbortHandle,
    promised: Permanence,
}

/// A place where a node runs, or has been killed.
pub(crate) struct Node {
    number: usize,
    setup: Setup,
    redis: FakeRedis,
    /// What it asks of clients.
    access: Option<Rc<Access>>,
    running: RefCell<Option<Running>>,
    drains: Cell<bool>,
    bounds: Bounds,
    /// On how many channels lives that are over have seen the promise broken.
    broken: Cell<u64>,
}

impl Node {
    pub(crate) fn new(number: usize, setup: Setup, redis: FakeRedis, access: Option<Rc<Access>>) -> Self {
        let (running, drains, bounds, broken) = Default::default();
        Self { number, setup, redis, access, running, drains, bounds, broken }
    }

    /// Starts the node, in place of the one that may be running.
    #[expect(clippy::disallowed_methods, reason = "`Node::kill` and the end of the world's `LocalSet` abort it")]
    pub(crate) fn start(&self, seed: u64) {
        self.kill();
        self.drains.set(false);
        let tasks = Rc::new(LocalSet::new());
        let within = tasks.enter();
        let random = Random::seeded(seed);
        let mut setup = self.setup.for_life();
        setup.redis.revocations = self.access.is_some();
        let store = RedisStore::over(&setup.redis, self.redis.dial_for(self.number), &random.fork());
        let store = store.expect("the options of the simulation are valid");
        let for_cores: Vec<_> = (0..self.setup.cores).map(|_| random.fork()).collect();
        let (for_server, for_log) = (random.fork(), random.fork());
        let occupancy = setup.log.occupancy.clone();
        let log = assemble(setup.log, setup.cores, for_log);
        let (archive, publisher) = (store.archive(), store.publisher());
        let promised = setup.redis.min_lives.permanence().clone();
        let (began, stats) = (log.began, Arc::clone(&log.stats));
        let clock =
            self.access.as_ref().map_or_else(|| Clock::from_fn(move || wall_ms(began)), |access| access.clock());
        let core = |(core, random)| {
            let (delivery, stats) = (self.setup.delivery.clone(), Arc::new(CoreStats::default()));
            Core::new(Arc::clone(&log.hub), core, delivery, stats, clock.clone(), random)
        };
        let mut options = ServerOptions {
            drain: DrainOptions { window: self.setup.drain_window, ..DrainOptions::default() },
            ..ServerOptions::default()
        };
        let tickets = store.tickets();
        let known = self.access.as_ref().map(|access| access.guard(&mut options, &log.hub, tickets.clone()));
        let reporter = count_readers(&mut options, occupancy, &store, &random);
        let cores = for_cores.into_iter().enumerate().map(core).collect();
        let handles = StoreHandles::new(archive.clone(), publisher.clone());
        let server = LocalServer::start(options, handles, cores, for_server);
        let revocations = known.clone();
        if let Some(known) = known {
            let status = store.status();
            tasks.spawn_local(async move { known.watch_store(|| status.report().evicts_any).await });
        }
        if let Some(reporter) = reporter {
            tasks.spawn_local(reporter.run(std::future::pending()));
        }
        tasks.spawn_local(store.run(log.desired, log.sink));
        tasks.spawn_local(log.ingest.run(archive, std::future::pending()));
        drop(within);
        let driven = Rc::clone(&tasks);
        let driver = tokio::task::spawn_local(async move { driven.run_until(std::future::pending::<()>()).await });
        let driver = driver.abort_handle();
        let server = RefCell::new(server);
        self.running.replace(Some(Running {
            server,
            publisher,
            tickets,
            revocations,
            stats,
            began,
            tasks,
            driver,
            promised,
        }));
    }

    /// When it began.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.running.borrow().as_ref().map(|running| running.began)
    }

    /// When it last found that the log of revocations is not what it was, in seconds since 1970.
    pub(crate) fn log_reset_at(&self) -> Option<u64> {
        let running = self.running.borrow();
        Some(running.as_ref()?.revocations.as_ref()?.reset_at()?.0)
    }

    /// Ends the node without a word.
    pub(crate) fn kill(&self) {
        if let Some(running) = self.running.take() {
            running.driver.abort();
            self.broken.set(self.broken.get() + running.promised.broken());
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

    /// On how many channels it has seen the promise broken that no stream expires, in all of its lives.
    pub(crate) fn broken(&self) -> u64 {
        self.broken.get() + self.running.borrow().as_ref().map_or(0, |running| running.promised.broken())
    }

    /// Which bounds it has exceeded.
    pub(crate) fn excesses(&self) -> Vec<String> {
        let running = self.running.borrow();
        let running = running.as_ref().map(|running| (running.began, &running.stats));
        let asked = self.redis.lock().asked_by(self.number);
        self.bounds.verdict(&self.setup, asked, running)
    }

    /// Whether as many clients may be in the middle of entries of different pages without one being read twice.
    pub(crate) fn keeps_pages_for(&self, clients: usize) -> bool {
        let log = &self.setup.log;
        let bytes = clients * (self.setup.page_bytes_max() + ITEM_BYTES);
        let may_have = if log.archive_concurrency >= clients { log.budget } else { log.budget / PAGES_BUDGET_PART };
        may_have / 2 >= bytes
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

    /// Appends to a log of the gateway's own through the node. `None`: it did not say that the entry is stored.
    pub(crate) async fn append(&self, request: AppendRequest) -> Option<EntryId> {
        let publisher = self.running.borrow().as_ref().map(|running| running.publisher.clone())?;
        publisher.append(request).await.ok()
    }

    /// Its store of tickets.
    pub(crate) fn tickets(&self) -> Option<RedisTickets> {
        self.running.borrow().as_ref().map(|running| running.tickets.clone())
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

/// Lets a node count readers, if it is to. What reports them is to be run.
fn count_readers(
    options: &mut ServerOptions,
    occupancy: Occupancy,
    store: &RedisStore,
    random: &Random,
) -> Option<Reporter> {
    if occupancy.is_off() {
        return None;
    }
    options.occupancy = Some(OccupancyOptions { occupancy: occupancy.clone(), store: Arc::new(store.occupancy()) });
    Some(Reporter::new(occupancy, Arc::new(store.occupancy()), random.fork()))
}

/// The machine's clock.
fn wall_ms(began: Instant) -> u64 {
    WALL_MS + u64::try_from(began.elapsed().as_millis()).unwrap_or(0)
}
