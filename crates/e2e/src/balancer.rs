//! A balancer within a test, which knows which nodes are ready.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::http::request;
use crate::node::Node;
use crate::wait::pace;

/// Picks nodes as a load balancer does: round robin over those whose `/readyz` said 200 when it last looked.
#[derive(Debug)]
pub struct Balancer {
    pub(crate) backends: Arc<Backends>,
    poller: Option<JoinHandle<()>>,
}

/// The nodes, and which of them were ready: what the balancer shares with those who ask it.
#[derive(Debug)]
pub(crate) struct Backends {
    /// Where each serves clients, and where it tells its readiness.
    nodes: Vec<(SocketAddr, SocketAddr)>,
    ready: Vec<AtomicBool>,
    turn: AtomicUsize,
    stop: AtomicBool,
}

impl Balancer {
    /// Looks at the health of `nodes` every `interval`; in between it knows nothing new, as real ones do.
    pub fn over(nodes: &[&Node], interval: Duration) -> Self {
        let backends = Arc::new(Backends {
            nodes: nodes.iter().map(|node| (node.address(), node.admin_address())).collect(),
            ready: nodes.iter().map(|_| AtomicBool::new(true)).collect(),
            turn: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let polled = Arc::clone(&backends);
        let poller = std::thread::spawn(move || {
            while !polled.stop.load(Ordering::Relaxed) {
                for (index, (_, admin)) in polled.nodes.iter().enumerate() {
                    let reply = request(*admin, "GET", "/readyz", &[], b"");
                    polled.ready[index].store(reply.is_ok_and(|reply| reply.status() == 200), Ordering::Relaxed);
                }
                pace(interval);
            }
        });
        Self { backends, poller: Some(poller) }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.backends.stop.store(true, Ordering::Relaxed);
        if let Some(poller) = self.poller.take() {
            let _ = poller.join();
        }
    }
}

impl Backends {
    /// The index of the next ready node, or of the next node at all.
    pub(crate) fn pick(&self) -> usize {
        let count = self.nodes.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let ready = |index: &usize| self.ready[*index].load(Ordering::Relaxed);
        (0..count).map(|step| (turn + step) % count).find(ready).unwrap_or(turn % count)
    }

    /// Where that node serves clients.
    pub(crate) fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].0
    }
}
