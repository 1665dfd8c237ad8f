//! A server without threads and without a listener, within the caller's `LocalSet`: a simulation runs several nodes on one
//! thread, and hands them sockets made of memory.
//!
//! Everything behind the accept call is the same: admission, hyper, detach, sessions and the drain of sessions.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use fanfare_log::Random;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::admission::{Admission, Reason};
use crate::connection;
use crate::core::Core;
use crate::http_stats::HttpStats;
use crate::node_state::NodeState;
use crate::options::Options;
use crate::phase::{self, Phase, PhaseSwitch};
use crate::routes::Handler;
use crate::server::spawn_tasks;
use crate::socket::Socket;
use crate::store::StoreHandles;

/// A server whose sockets come from the caller. Its tasks, sessions included, belong to the `LocalSet` in which it was
/// started and end with that at the latest.
#[derive(Debug)]
pub struct LocalServer {
    node: Arc<NodeState>,
    stats: Arc<Vec<HttpStats>>,
    cores: Vec<Rc<Core>>,
    phase: PhaseSwitch,
    tasks: JoinSet<()>,
}

impl LocalServer {
    /// Starts the tasks of these cores, which must be as many as their hub was made for. To be called within a `LocalSet`.
    #[must_use]
    pub fn start(options: Options, store: StoreHandles, cores: Vec<Rc<Core>>, random: Random) -> Self {
        let admission = Arc::new(Admission::new(options.admission.clone(), cores.len(), random, Instant::now()));
        let (phase, watch) = phase::phase();
        let mut tasks = JoinSet::new();
        for (number, core) in cores.iter().enumerate() {
            spawn_tasks(&mut tasks, core, &options, number, &watch);
        }
        let stats = Arc::new(cores.iter().map(|_| HttpStats::default()).collect());
        Self { node: Arc::new(NodeState::new(options, admission, store)), stats, cores, phase, tasks }
    }

    /// Serves a socket as if it had just been accepted from this address.
    ///
    /// # Errors
    /// [`Reason::Overflow`]: the socket was dropped unread.
    pub fn accept(&mut self, socket: impl Socket, peer: IpAddr) -> Result<(), Reason> {
        let permit = self.node.admission.open(peer)?;
        let number = permit.core();
        let handler = Handler { node: Arc::clone(&self.node), stats: Arc::clone(&self.stats), core: number };
        let core = Rc::clone(&self.cores[number]);
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn_local(connection::serve(handler, core, self.phase.watch(), socket, permit, None));
        Ok(())
    }

    /// Refuses new subscriptions politely and ends the old ones over the drain window. Returns at once.
    pub fn drain(&self) {
        self.node.admission.begin_drain();
        self.phase.advance(Phase::Draining);
    }

    /// Sockets, sessions and refusals.
    #[must_use]
    pub fn admission(&self) -> &Arc<Admission> {
        &self.node.admission
    }
}
