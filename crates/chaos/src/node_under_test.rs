//! A node as those see it who talk to it while the fault runner kills, freezes and starts it.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fanfare_e2e::Node;

/// Where a node is, and whether it can be expected to answer.
#[derive(Debug)]
pub(crate) struct NodeUnderTest {
    /// Where it serves clients.
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
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
    pub(crate) pid: u32,
    pub(crate) since: Instant,
    pub(crate) number: u64,
}

impl NodeUnderTest {
    /// A node that runs.
    pub(crate) fn new(node: &Node) -> Self {
        let this = Self { address: node.address(), admin: node.admin_address(), state: Mutex::default() };
        this.begins(node.pid());
        this
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
}
