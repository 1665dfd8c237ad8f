//! A node as those see it who talk to it while the fault runner kills, freezes and starts it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fanfare_e2e::{Node, pace, request_within};

use crate::bounds::{ADMIN_WITHIN, NODE_MEMORY_MAX, START_WITHIN};
use crate::resource_usage::resident;
use crate::run::Run;

/// Pause between two looks at a node.
const INTERVAL: Duration = Duration::from_millis(200);
/// What is asked of it, in turns.
const PATHS: [&str; 4] = ["/livez", "/readyz", "/metrics", "/status"];

/// Where a node is, and whether it can be expected to answer.
#[derive(Debug)]
pub(crate) struct WatchedNode {
    /// Where it serves clients.
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    life: Option<Life>,
    lives: u64,
}

/// A time in which a process runs and nobody keeps it from answering. Two of them differ in their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pid: u32,
    since: Instant,
    number: u64,
}

impl WatchedNode {
    /// A node that runs.
    pub(crate) fn new(node: &Node) -> Self {
        let watched = Self { address: node.address(), admin: node.admin_address(), state: Mutex::default() };
        watched.begins(node.pid());
        watched
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the process runs.
    pub(crate) fn begins(&self, pid: u32) {
        let mut state = self.lock();
        state.lives += 1;
        state.life = Some(Life { pid, since: Instant::now(), number: state.lives });
    }

    /// From now on it is frozen, on its way to its end, or dead. To be said before it is.
    pub(crate) fn ends(&self) {
        self.lock().life = None;
    }

    /// `None`: it need not answer now.
    pub(crate) fn life(&self) -> Option<Life> {
        self.lock().life
    }

    /// Asks its admin port and looks at its memory until the run is over.
    pub(crate) fn watch(&self, run: &Run, index: usize) {
        let mut answered = None;
        for path in PATHS.iter().cycle() {
            if run.over.load(Ordering::Acquire) {
                return;
            }
            pace(INTERVAL);
            let Some(life) = self.life() else { continue };
            run.counters.node_memory.most(resident(&life.pid.to_string()));
            if !self.question(run, index, path, life, &mut answered) {
                // One breach tells as much as a hundred.
                pace(ADMIN_WITHIN);
            }
        }
    }

    /// False: what the node is bound to was not kept.
    fn question(&self, run: &Run, index: usize, path: &str, life: Life, answered: &mut Option<u64>) -> bool {
        let asked = Instant::now();
        let reply = request_within(ADMIN_WITHIN, self.admin, "GET", path, &[], b"");
        let (took, memory) = (asked.elapsed(), resident(&life.pid.to_string()));
        if self.life() != Some(life) {
            return true;
        }
        if memory > NODE_MEMORY_MAX {
            let (mib, most) = (memory >> 20, NODE_MEMORY_MAX >> 20);
            run.counters.breach(|| format!("node {index} has {mib} MiB of memory, and {most} MiB are its bound"));
            return false;
        }
        match reply {
            Ok(_) if took <= ADMIN_WITHIN => {
                run.counters.admin_ms.most(took.as_millis() as u64);
                *answered = Some(life.number);
                true
            }
            Err(_) if *answered != Some(life.number) && life.since.elapsed() < START_WITHIN => true,
            reply => {
                let how = reply.map_or_else(|error| error.to_string(), |reply| format!("status {}", reply.status()));
                run.counters
                    .breach(|| format!("the admin port of node {index} did not answer {path}: {how}, {took:?}"));
                false
            }
        }
    }
}
