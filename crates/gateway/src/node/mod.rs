//! One node: the composition root. Several run in one process, in `fanfare dev` and in tests.
//!
//! Threads of a node: one for the feed, which does nothing but read what is published; one for everything else that speaks
//! with the store; one for the ingest; one that accepts; one for each core of connections; one for what services outside are
//! asked, if any is; and one that looks at files of certificates, if there are some. What they count is read by [`NodeView`]; nothing here is static.

mod archive_probe;
mod forward_log;
mod gate;
mod histograms;
mod key_log;
mod key_sets;
mod listed_occupancy;
mod on_thread;
mod options;
mod outside;
pub(crate) mod redis;
mod store;
mod thread;
mod thread_watch;
mod timed_ask;
mod timed_publisher;
mod view;

use std::future::pending;
use std::sync::Arc;

use fanfare_log::occupancy::Reporter;
use fanfare_log::{Archive, Desired, FeedSink, MinLives, Publisher, Random, assemble};
use fanfare_server::{Clock, Core, CoreStats, KnownRevocations, RevocationsUnknown, Server, StoreHandles};
use tokio::sync::Notify;

pub use redis::{options as redis_options, redis};
pub use store::{Store, StoreReport, Task, memory};
pub use view::NodeView;

use crate::config::Config;
use crate::process::Process;
use crate::revocation_writer::RevocationWriter;
use crate::tls::Certificates;
use archive_probe::ArchiveProbe;
use key_sets::KeySets;
use listed_occupancy::ListedOccupancy;
use on_thread::OnThread;
use thread::{NodeThread, ThreadRuntime};
use timed_publisher::{PublishStats, TimedPublisher};

/// A running node. Dropping it ends it at once.
pub struct Node {
    server: Server,
    view: Arc<NodeView>,
    threads: Threads,
    /// Where tokens are asked for.
    revocations: Option<Arc<KnownRevocations>>,
    /// Asks for a look at the files of certificates.
    look: Arc<Notify>,
}

/// The threads that sessions live on. They end in this order: who reads first, then what is read from.
struct Threads {
    ingest: NodeThread,
    feed: NodeThread,
    store: NodeThread,
    /// Only where services outside are asked.
    outside: Option<NodeThread>,
    /// Only where a listener has certificates.
    certificates: Option<NodeThread>,
}

impl Node {
    /// Starts every thread of the node. `make_store` gives a store whose feed follows the channels and fills the sink, and whose
    /// archive knows what is promised of streams; the store need not be reachable.
    ///
    /// # Errors
    /// The store's options, or those of tokens, cannot work, files of certificates cannot be used, the address cannot be listened on, a thread cannot be started, or the limit of open
    /// files leaves nothing for clients. Nothing is left running then.
    pub fn start<A: Archive, P: Publisher>(
        config: &Config,
        process: &Process,
        make_store: impl FnOnce(Desired, FeedSink, MinLives) -> anyhow::Result<Store<A, P>>,
    ) -> anyhow::Result<Self> {
        let random = Random::from_entropy();
        let certificates = Certificates::load(config, Clock::system().wall_ms() / 1_000)?;
        let identities =
            certificates.as_ref().map_or_else(|| vec![None; config.listeners().len()], Certificates::identities);
        let mut options = options::server(config, identities)?;
        let places = process.descriptors.places(config, options.core_count())?;
        options.admission.max_connections = places.connections;
        options.admission.headroom = places.headroom;
        let min_lives = config.min_lives();
        let occupancy = config.occupancy();
        let log_options = options::log(config, min_lives.clone(), occupancy.clone());
        let log = assemble(log_options, options.core_count(), random.fork());
        let guard = gate::install(config, &mut options, &log.hub)?;
        let revocations = options.revocations.clone();
        let cores: Arc<[Arc<CoreStats>]> = (0..log.hub.cores()).map(|_| Arc::default()).collect();

        let [for_ingest, for_feed, for_store] = [ThreadRuntime::new()?, ThreadRuntime::new()?, ThreadRuntime::new()?];
        let store = make_store(log.desired, log.sink, min_lives.clone())?;
        let (probe, report) = (Arc::new(ArchiveProbe::default()), Arc::from(store.report));
        let listed_occupancy = Arc::new(ListedOccupancy::new(occupancy.clone()));
        let upkeep = {
            let (probe, archive, pace) = (Arc::clone(&probe), store.archive.clone(), config.redis.probe_interval.0);
            let looking = gate::watch_store(revocations.clone(), Arc::clone(&report));
            let (listed, readers) = (Arc::clone(&listed_occupancy), Arc::clone(&store.occupancy));
            async move {
                let listing = Box::pin(listed.run(readers));
                tokio::join!(Box::pin(store.upkeep), Box::pin(probe.run(archive, pace)), Box::pin(looking), listing);
            }
        };
        let archive = OnThread::new(store.archive, for_store.handle());
        let history = OnThread::new(store.history, for_store.handle());
        let publishes = Arc::new(PublishStats::default());
        let publisher = OnThread::new(store.publisher, for_store.handle());
        let publisher = TimedPublisher::new(publisher, Arc::clone(&publishes));
        options.tickets = options::tickets(config, OnThread::new(store.tickets, for_store.handle()));
        let reporter = Reporter::new(occupancy.clone(), Arc::clone(&store.occupancy), random.fork());
        options.occupancy = options::occupancy(&occupancy, OnThread::new(store.occupancy, for_store.handle()));
        let writer = revocations.as_ref().filter(|_| config.admin.revocations);
        let writer = writer.map(|_| Arc::new(RevocationWriter::new(config, publisher.clone())));

        let make_core = {
            let (hub, cores, delivery) = (log.hub, Arc::clone(&cores), options::delivery(config));
            let random = random.fork();
            move |core: usize| {
                let (hub, stats) = (Arc::clone(&hub), Arc::clone(&cores[core]));
                Core::new(hub, core, delivery.clone(), stats, Clock::system(), random.fork())
            }
        };
        let handles = StoreHandles::new(history, publisher);
        let server = Server::start(options, handles, random.fork(), make_core)?;
        let [feed_turns, store_turns] = [Arc::default(), Arc::default()];
        let turns = [Arc::clone(&feed_turns), Arc::clone(&store_turns)];
        let stats = view::Stats {
            ingest: log.stats,
            cores,
            turns,
            probe,
            publishes,
            process: process.clone(),
            min_lives,
            occupancy,
            listed_occupancy,
            key_sets: KeySets::new(guard.gate, log.began),
            forward: guard.outside.forward,
            answers: guard.outside.answers,
            revocations: revocations.clone(),
            revocation_writer: writer,
            tls: certificates.as_ref().map(|certificates| Arc::clone(certificates.status())),
        };
        let view = NodeView::new(config, &server, &store.name, report, log.began, stats);

        let (ingest, look) = (log.ingest, Arc::default());
        let threads = Threads {
            store: NodeThread::start_with_farewell("fanfare-store", for_store, store_turns, upkeep, |stop| {
                reporter.run(stop)
            })?,
            feed: NodeThread::start_for("fanfare-feed", for_feed, feed_turns, store.feed)?,
            ingest: NodeThread::start("fanfare-ingest", for_ingest, |stop| ingest.run(archive, stop))?,
            outside: guard.outside.thread,
            certificates: certificates.map(|certificates| follow(certificates, &look)).transpose()?,
        };
        Ok(Self { server, view: Arc::new(view), threads, revocations, look })
    }

    /// What operators see of the node.
    #[must_use]
    pub fn view(&self) -> &Arc<NodeView> {
        &self.view
    }

    /// The client listener and everything behind it.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Reads files of certificates again, soon and on another thread, whether they have changed or not.
    pub fn reread_certificates(&self) {
        self.look.notify_one();
    }

    /// Waits until the server has stopped after [`Server::drain`] or [`Server::stop`]. Cancel-safe.
    ///
    /// # Errors
    /// The first that Redis said is that it may evict what is revoked, where tokens are asked for. Or the ingest, the feed or the store ended by
    /// itself, which is a bug: without it the node only pretends to serve.
    pub async fn stopped(&mut self) -> anyhow::Result<()> {
        let revocations = self.revocations.as_deref();
        let Threads { ingest, feed, store, outside, certificates } = &mut self.threads;
        let name = tokio::select! {
            () = self.server.stopped() => return Ok(()),
            () = unsafe_from_the_start(revocations) => anyhow::bail!(RevocationsUnknown::MayVanish.to_string()),
            name = ingest.ended() => name,
            name = feed.ended() => name,
            name = store.ended() => name,
            name = ended(outside) => name,
            name = ended(certificates) => name,
        };
        anyhow::bail!("the thread {name} ended")
    }

    /// Ends what is left, in order: first the sessions, then what they read from. Blocks for the moment that it takes.
    pub fn shut_down(self) {
        let Self { server, view: _, threads, revocations: _, look: _ } = self;
        server.stop();
        server.join();
        drop(threads);
    }
}

/// Starts the thread that looks at files of certificates.
fn follow(certificates: Certificates, look: &Arc<Notify>) -> anyhow::Result<NodeThread> {
    let task = certificates.run(Arc::clone(look));
    NodeThread::start_for("fanfare-tls", ThreadRuntime::new()?, Arc::default(), task)
}

/// See [`KnownRevocations::unsafe_from_the_start`].
async fn unsafe_from_the_start(revocations: Option<&KnownRevocations>) {
    match revocations {
        Some(revocations) => revocations.unsafe_from_the_start().await,
        None => pending().await,
    }
}

/// Waits until a thread has ended that need not be there.
async fn ended(thread: &mut Option<NodeThread>) -> &'static str {
    match thread {
        Some(thread) => thread.ended().await,
        None => pending().await,
    }
}
