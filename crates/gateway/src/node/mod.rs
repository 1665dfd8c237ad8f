//! One node: the composition root. Several run in one process, in `fanfare dev` and in tests.
//!
//! Threads of a node: one for the ingest (feed, archive reads, tails), one that accepts, one for each core of
//! connections. What they count is read by [`NodeView`]; nothing here is static.

mod options;
mod redis;
mod store;
mod view;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use fanfare_log::{Archive, Desired, FeedSink, Publisher, Random, assemble};
use fanfare_server::{Clock, Core, CoreStats, Server, StoreHandles};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

pub use redis::{options as redis_options, redis};
pub use store::{End, Store, StoreReport, memory};
pub use view::NodeView;

use crate::config::Config;
use crate::process::Process;

/// A running node. Dropping it ends it at once.
pub struct Node {
    server: Server,
    view: Arc<NodeView>,
    ingest: IngestThread,
}

/// The thread of the ingest and of everything that speaks with the store.
struct IngestThread {
    /// Dropping it asks the thread to end.
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
    /// Resolves when the thread has ended.
    ended: Option<oneshot::Receiver<Infallible>>,
}

/// Resolves when the thread is to end.
type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Node {
    /// Starts every thread of the node. `make_store` is called within the ingest's runtime and gives a store whose feed
    /// follows the channels and fills the sink; the store need not be reachable.
    ///
    /// # Errors
    /// The store's options cannot work, the address cannot be listened on, a thread cannot be started, or the limit of open
    /// files leaves nothing for clients. Nothing is left running then.
    pub fn start<A: Archive, P: Publisher>(
        config: &Config,
        process: &Process,
        make_store: impl FnOnce(Desired, FeedSink) -> anyhow::Result<Store<A, P>>,
    ) -> anyhow::Result<Self> {
        let random = Random::from_entropy();
        let mut options = options::server(config)?;
        let places = process.descriptors.places(config, options.core_count())?;
        options.admission.max_connections = places.connections;
        options.admission.headroom = places.headroom;
        let log = assemble(options::log(config), options.core_count(), random.fork());
        let cores: Arc<[Arc<CoreStats>]> = (0..log.hub.cores()).map(|_| Arc::default()).collect();

        let runtime = IngestRuntime::new()?;
        let store = {
            let _within = runtime.0.as_ref().map(Runtime::enter);
            make_store(log.desired, log.sink)?
        };

        let make_core = {
            let (hub, cores, delivery) = (log.hub, Arc::clone(&cores), options::delivery(config));
            let random = random.fork();
            move |core: usize| {
                let (hub, stats) = (Arc::clone(&hub), Arc::clone(&cores[core]));
                Core::new(hub, core, delivery.clone(), stats, Clock::system(), random.fork())
            }
        };
        let handles = StoreHandles::new(store.archive.clone(), store.publisher);
        let server = Server::start(options, handles, random.fork(), make_core)?;
        let stats = view::Stats { ingest: log.stats, cores, process: process.clone() };
        let view = NodeView::new(config, &server, &store.name, store.report, log.began, stats);

        let (archive, end) = (store.archive, store.end);
        let ingest = log.ingest;
        let ingest = IngestThread::start(runtime, |stop| async move {
            ingest.run(archive, stop).await;
            end().await;
        })?;
        Ok(Self { server, view: Arc::new(view), ingest })
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

    /// Waits until the server has stopped after [`Server::drain`] or [`Server::stop`]. Cancel-safe.
    ///
    /// # Errors
    /// The ingest ended by itself, which is a bug: without it the node only pretends to serve.
    pub async fn stopped(&mut self) -> anyhow::Result<()> {
        let Some(ended) = &mut self.ingest.ended else { return Ok(()) };
        tokio::select! {
            () = self.server.stopped() => Ok(()),
            _ = ended => {
                self.ingest.ended = None;
                anyhow::bail!("the ingest thread ended")
            }
        }
    }

    /// Ends what is left, in order: first the sessions, then what they read from. Blocks for the moment that it takes.
    pub fn shut_down(self) {
        let Self { server, view: _, ingest } = self;
        server.stop();
        server.join();
        drop(ingest);
    }
}

/// The ingest's runtime until its thread takes it. When the node does not start it is dropped within the caller's
/// runtime, where waiting for its tasks would panic.
struct IngestRuntime(Option<Runtime>);

impl IngestRuntime {
    fn new() -> std::io::Result<Self> {
        tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| Self(Some(runtime)))
    }
}

impl Drop for IngestRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl IngestThread {
    fn start<F>(mut runtime: IngestRuntime, run: impl FnOnce(Stop) -> F + Send + 'static) -> anyhow::Result<Self>
    where
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let body = move || {
            // Dropped when the thread ends, however it ends.
            let _end = end;
            if let Some(runtime) = runtime.0.take() {
                runtime.block_on(run(Box::pin(async { drop(stopped.await) })));
            }
        };
        let thread =
            std::thread::Builder::new().name("fanfare-ingest".into()).spawn(body).context("the ingest thread")?;
        Ok(Self { stop: Some(stop), thread: Some(thread), ended: Some(ended) })
    }
}

impl Drop for IngestThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ingest thread panicked");
        }
    }
}
