//! The two permits: of a socket, from the accept call to its end, and of a session. An HTTP/1 session has one of each; an
//! HTTP/2 connection will have one of its socket and as many of sessions as it has streams. Dropping a permit is the only
//! way to give its place back.

use std::sync::Arc;

use super::address::AddressKey;
use super::load::Load;

/// One socket's place.
#[derive(Debug)]
pub struct SocketPermit {
    load: Arc<Load>,
    key: AddressKey,
}

impl SocketPermit {
    /// Counts a socket, which the caller has already counted by its address.
    pub(super) fn new(load: &Arc<Load>, key: AddressKey) -> Self {
        load.add_socket();
        Self { load: Arc::clone(load), key }
    }

    /// The core that serves this socket.
    #[must_use]
    pub fn core(&self) -> usize {
        usize::from(self.load.core)
    }

    /// Who has it.
    pub(crate) const fn key(&self) -> AddressKey {
        self.key
    }

    /// Counts a session over this socket, which was admitted.
    pub(super) fn session(&self) -> SessionPermit {
        self.load.add_session();
        SessionPermit { load: Arc::clone(&self.load) }
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        self.load.remove_socket();
        if let Some(addresses) = &self.load.addresses {
            addresses.leave(self.key);
        }
    }
}

/// One session's place, from its admission to its end: a subscription whose decision is awaited has it already. What is
/// bounded by subject or by channels is to be given back here.
#[derive(Debug)]
pub struct SessionPermit {
    load: Arc<Load>,
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        self.load.remove_session();
    }
}
