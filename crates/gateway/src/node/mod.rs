//! One node: the composition root. Several run in one process, in `fanfare dev` and in tests.
//!
//! Threads of a node: one for the ingest (feed, archive reads, tails), one that accepts, one for each core of
//! connections. What they count is read by [`NodeView`]; nothing here is static.

mod memory;
mod options;
mod view;

use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use fanfare_log::{Archive, Desired, FeedSink, Hub, IngestStats, Publisher, Registry, feed, ingest};
use fanfare_protocol::limits;
use fanfare_server::{Backend, Clock, Core, CoreStats, Server};
use tokio::sync::oneshot;
use tokio::time::Instant;

pub use memory::memory;
pub use view::NodeView;

use crate::config::Config;

/// A feed on its way: runs on the ingest's thread until it is dropped.
pub type FeedTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a node stands on: Redis, or the in-process backend.
pub struct Store<A, P> {
    /// Reads of the cold part of every log.
    pub archive: A,
    /// Where the HTTP publish endpoint publishes.
    pub publisher: P,
    /// Makes the feed. Called once, within the ingest's runtime.
    pub feed: Box<dyn FnOnce(Desired, FeedSink) -> FeedTask + Send>,
    /// What the store is called on the status page: its address, without a password.
    pub name: String,
    /// What went wrong last, while it is wrong.
    pub trouble: Box<dyn Fn() -> Option<String> + Send + Sync>,
}

/// A running node. Dropping it ends it at once.
pub struct Node {
    server: Server,
    view: Arc<NodeView>,
    ingest: Ingest,
}

struct Ingest {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Node {
    /// Starts every thread of the node. The store need not be reachable.
    ///
    /// # Errors
    /// The address cannot be listened on, or a thread cannot be started. Nothing is left running then.
    pub fn start<A: Archive, P: Publisher>(config: &Config, store: Store<A, P>) -> anyhow::Result<Self> {
        let began = Instant::now();
        let options = options::server(config)?;
        let hub = Arc::new(Hub::new(options.core_count()));
        let cores: Arc<[Arc<CoreStats>]> = (0..hub.cores()).map(|_| Arc::default()).collect();
        let ingest_stats = Arc::new(IngestStats::default());
        let backend = Backend::new(store.archive.clone(), store.publisher);

        let make_core = {
            let (hub, cores, delivery) = (Arc::clone(&hub), Arc::clone(&cores), options::delivery(config));
            move |core: usize| {
                Core::new(Arc::clone(&hub), core, delivery.clone(), Arc::clone(&cores[core]), Clock::system())
            }
        };
        let server = Server::start(options, backend, make_core)?;
        let view = NodeView::new(config, &server, &store.name, store.trouble, began, Arc::clone(&ingest_stats), cores);

        let desired = Desired::new();
        let seed = Clock::system().wall_ms() ^ u64::from(server.local_addr().port());
        let registry =
            Registry::new(options::log(config, seed), Arc::clone(&hub), desired.clone(), ingest_stats, began);
        let ingest = Ingest::start(registry, hub, store.archive, store.feed, desired)?;
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

impl Ingest {
    fn start<A: Archive>(
        registry: Registry,
        hub: Arc<Hub>,
        archive: A,
        make_feed: Box<dyn FnOnce(Desired, FeedSink) -> FeedTask + Send>,
        desired: Desired,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let body = move || {
            // Dropped when the thread ends, however it ends.
            let _end = end;
            let (sink, source) = feed(limits::FEED_QUEUE_BYTES_MAX);
            runtime.block_on(async {
                let feed = make_feed(desired, sink);
                let stop = async { drop(stopped.await) };
                let mut feeds = tokio::task::JoinSet::new();
                feeds.spawn(feed);
                ingest::run(registry, hub, source, archive, stop).await;
                feeds.shutdown().await;
            });
        };
        let thread =
            std::thread::Builder::new().name("fanfare-ingest".into()).spawn(body).context("the ingest thread")?;
        Ok(Self { stop: Some(stop), thread: Some(thread), ended: Some(ended) })
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ingest thread panicked");
        }
    }
}
