//! What is open on one core.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::address::AddressKey;
use super::counts::Counts;

/// Open sockets and sessions of one core. Written by the acceptor and by the core, rarely: never per frame.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) core: u16,
    sockets: AtomicUsize,
    sessions: AtomicUsize,
    /// Where the sockets are counted by address, too, if there is a bound for each.
    pub(super) addresses: Option<Arc<Counts<AddressKey>>>,
}

impl Load {
    pub(super) fn new(core: u16, addresses: Option<Arc<Counts<AddressKey>>>) -> Self {
        Self { core, sockets: AtomicUsize::new(0), sessions: AtomicUsize::new(0), addresses }
    }

    pub(super) fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    pub(super) fn add_socket(&self) {
        self.sockets.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_socket(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn add_session(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_session(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}
