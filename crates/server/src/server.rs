//! The server: its threads, its beginning and its end.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fanfare_log::Random;
use fanfare_protocol::limits;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::acceptor::{Accepted, Acceptor};
use crate::acceptor_stats::AcceptorStats;
use crate::admission::Admission;
use crate::connection;
use crate::core::Core;
use crate::drain;
use crate::drainer::Drainer;
use crate::http_stats::HttpStats;
use crate::listen_address::ListenAddress;
use crate::listener::{Bound, Connected};
use crate::node_state::NodeState;
use crate::options::{ListenOptions, Options};
use crate::phase::{self, Phase, PhaseSwitch, PhaseWatch};
use crate::ranking::{self, Ranking};
use crate::routes::Handler;
use crate::store::StoreHandles;
use crate::{occupancy_teller, revocation_follower, revoker};

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on: in use, not ours, not permitted.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The configured address.
        address: ListenAddress,
        /// What the operating system says.
        source: io::Error,
    },
    /// A thread or its runtime could not be made.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// A running server. Dropping it ends it at once; [`Server::drain`] ends it politely.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<ListenAddress>,
    admission: Arc<Admission>,
    acceptor: Arc<AcceptorStats>,
    stats: Arc<Vec<HttpStats>>,
    ranking: Arc<Ranking>,
    /// Every thread watches it: `Draining` begins the end, `Stopped` is the end.
    phase: Arc<PhaseSwitch>,
    /// Ended by [`Phase::Stopped`]; the acceptor, the first one, moves to it by itself after a drain.
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds and starts all threads. `make_core` is called once on each connection thread, with its number; `random` is
    /// for the spread of retry times.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing is left running after an error.
    pub fn start<F>(options: Options, store: StoreHandles, random: Random, make_core: F) -> Result<Self, StartError>
    where
        F: Fn(usize) -> Rc<Core> + Send + Sync + 'static,
    {
        let listeners = bind(&options)?;
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.address().clone()).collect();
        let cores = options.core_count();
        let admission = Arc::new(Admission::new(options.admission.clone(), cores, random, Instant::now()));
        let stats: Arc<Vec<HttpStats>> = Arc::new((0..cores).map(|_| HttpStats::default()).collect());
        let node = Arc::new(NodeState::new(options, Arc::clone(&admission), store));
        let make_core = Arc::new(make_core);

        let (switch, watch) = phase::phase();
        let phase = Arc::new(switch);
        // Owned from here on: an early return drops it, which stops the threads that have been started.
        let acceptor = Arc::new(AcceptorStats::new(addresses.len()));
        let threads = Vec::with_capacity(cores + 1);
        let ranking = Arc::new(Ranking::new(cores));
        let mut server = Self { addresses, admission, acceptor, stats, ranking, phase, threads };
        let mut inboxes = Vec::with_capacity(cores);
        for core in 0..cores {
            // When every queue is full the acceptor waits, and the kernel's backlog holds the rest.
            let (sender, inbox) = mpsc::channel(limits::HANDOFF_MAX);
            inboxes.push(sender);
            let handler = Handler { node: Arc::clone(&node), stats: Arc::clone(&server.stats), core };
            let make_core = Arc::clone(&make_core);
            let ranking = Arc::clone(&server.ranking);
            let thread = CoreThread { handler, inbox, ranking, phase: watch.clone() };
            server.spawn(format!("fanfare-core-{core}"), move || thread.run(&*make_core))?;
        }
        let (admission, acceptor) = (Arc::clone(&server.admission), Arc::clone(&server.acceptor));
        let drain = node.options.drain.clone();
        let switch = Arc::clone(&server.phase);
        server.spawn("fanfare-accept".to_owned(), move || {
            accept(listeners, inboxes, (&admission, &acceptor), drain, watch);
            switch.advance(Phase::Stopped);
        })?;
        for address in &server.addresses {
            info!(%address, cores, "listening for clients");
        }
        Ok(server)
    }

    fn spawn(&mut self, name: String, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(std::thread::Builder::new().name(name).spawn(body)?);
        Ok(())
    }

    /// Where clients connect; tells the ports that were picked for port 0.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The first of these that is an IP address and a port.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.addresses.iter().find_map(ListenAddress::tcp)
    }

    /// Sockets, sessions and refusals.
    #[must_use]
    pub const fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Counters, one set per connection thread.
    #[must_use]
    pub const fn stats(&self) -> &Arc<Vec<HttpStats>> {
        &self.stats
    }

    /// The channels with the most readers.
    #[must_use]
    pub const fn ranking(&self) -> &Arc<Ranking> {
        &self.ranking
    }

    /// What the acceptor counts.
    #[must_use]
    pub const fn acceptor(&self) -> &Arc<AcceptorStats> {
        &self.acceptor
    }

    /// Begins to end the server politely (see [`crate::drain`]); returns at once. Calling it again does nothing.
    pub fn drain(&self) {
        self.drainer().drain();
    }

    /// For threads that do not own the server.
    #[must_use]
    pub fn drainer(&self) -> Drainer {
        Drainer::new(Arc::clone(&self.admission), Arc::clone(&self.phase))
    }

    /// Ends the server now, whatever is open.
    pub fn stop(&self) {
        self.phase.advance(Phase::Stopped);
    }

    /// The phase it is in.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase.watch().get()
    }

    /// Waits, without blocking the thread, until the server has stopped. Cancel-safe.
    pub async fn stopped(&self) {
        self.phase.watch().reached(Phase::Stopped).await;
    }

    /// Blocks until the server has stopped and all its threads have ended.
    pub fn join(mut self) {
        self.join_threads();
    }

    fn join_threads(&mut self) {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a server thread panicked");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.stop();
            self.join_threads();
        }
    }
}

/// Binds every listener.
fn bind(options: &Options) -> Result<Vec<Bound>, StartError> {
    let bind = |(number, listen): (u8, &ListenOptions)| {
        let failed = |source| StartError::Listen { address: listen.address.clone(), source };
        Bound::new(number, listen, &options.sockets).map_err(failed)
    };
    // There are as many at most as a node may have (`LISTENERS_MAX`).
    (0..).zip(&options.listeners).map(bind).collect()
}

/// The acceptor thread.
fn accept(
    listeners: Vec<Bound>,
    inboxes: Vec<mpsc::Sender<Accepted>>,
    (admission, stats): (&Arc<Admission>, &Arc<AcceptorStats>),
    drain: crate::options::DrainOptions,
    phase: PhaseWatch,
) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "the acceptor could not start"),
    };
    runtime.block_on(async {
        match Acceptor::new(listeners, inboxes, Arc::clone(admission), Arc::clone(stats)) {
            Ok(acceptor) => drain::accept_until_drained(acceptor, stats, Arc::clone(admission), drain, phase).await,
            Err(error) => tracing::error!(%error, "the acceptor could not start"),
        }
    });
}

/// Ends the sessions of one core politely once the phase says so.
async fn drain_when_asked(core: Rc<Core>, window: Duration, mut phase: PhaseWatch) {
    phase.left_running().await;
    // A stop is no drain: sessions end without a farewell.
    if phase.get() == Phase::Draining {
        core.drain(window).await;
    }
}

/// Starts what a connection thread does beside its connections. The first thread follows the log of revocations for all.
pub(crate) fn spawn_tasks(
    tasks: &mut JoinSet<()>,
    core: &Rc<Core>,
    options: &Options,
    number: usize,
    phase: &PhaseWatch,
) {
    tasks.spawn_local(Rc::clone(core).run());
    tasks.spawn_local(drain_when_asked(Rc::clone(core), options.drain.window, phase.clone()));
    if options.occupancy.is_some() {
        tasks.spawn_local(occupancy_teller::run(Rc::clone(core)));
    }
    let Some(revocations) = &options.revocations else { return };
    core.set_revocations(Arc::clone(revocations));
    tasks.spawn_local(revoker::run(Rc::clone(core), Arc::clone(revocations)));
    if number == 0 {
        tasks.spawn_local(revocation_follower::follow(Rc::clone(core), Arc::clone(revocations)));
    }
}

/// One connection thread: a runtime of its own, and nothing that another core waits for.
struct CoreThread {
    handler: Handler,
    inbox: mpsc::Receiver<Accepted>,
    ranking: Arc<Ranking>,
    phase: PhaseWatch,
}

impl CoreThread {
    fn run(self, make_core: &dyn Fn(usize) -> Rc<Core>) {
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "a connection thread could not start"),
        };
        runtime.block_on(async {
            let core = make_core(self.handler.core);
            self.serve(core).await;
        });
        // Tasks that are still there end with the runtime, at the latest now: nothing may hold a stopped server.
        runtime.shutdown_timeout(Duration::from_millis(100));
    }

    async fn serve(mut self, core: Rc<Core>) {
        // They end with the thread's, when it stops.
        let mut tasks = JoinSet::new();
        spawn_tasks(&mut tasks, &core, &self.handler.node.options, self.handler.core, &self.phase);
        let (asked, ranking, number) = (Rc::clone(&core), Arc::clone(&self.ranking), self.handler.core);
        tasks.spawn_local(async move { ranking::answer(asked, &ranking, number).await });
        let mut phase = self.phase.clone();
        loop {
            tokio::select! {
                biased;
                () = phase.reached(Phase::Stopped) => break,
                // Without an acceptor nothing comes here any more, and the phase follows.
                Some(accepted) = self.inbox.recv() => self.take(&core, accepted),
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the permit counts it until it ends, at the latest with the runtime")]
    fn take(&self, core: &Rc<Core>, accepted: Accepted) {
        let Accepted { socket, permit, identity } = accepted;
        let (handler, core, phase) = (self.handler.clone(), Rc::clone(core), self.phase.clone());
        let registered = match socket {
            Connected::Tcp(socket) => TcpStream::from_std(socket).map(|socket| {
                drop(tokio::task::spawn_local(connection::serve(handler, core, phase, socket, permit, identity)));
            }),
            Connected::Unix(socket) => UnixStream::from_std(socket).map(|socket| {
                drop(tokio::task::spawn_local(connection::serve(handler, core, phase, socket, permit, identity)));
            }),
        };
        if let Err(error) = registered {
            debug!(%error, "dropped an accepted socket");
        }
    }
}
