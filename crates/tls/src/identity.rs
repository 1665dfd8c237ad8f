//! What a listener shows its clients, and can be replaced while it listens.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

/// What a listener shows its clients and asks of them: certificates, versions, protocols. It is replaced as a whole; a connection keeps
/// what it began with.
pub struct Identity {
    current: ArcSwap<ServerConfig>,
}

impl Identity {
    /// An identity that shows this from now on.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self { current: ArcSwap::from_pointee(config) }
    }

    /// What a new connection is shown.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Shows this to connections that begin from now on.
    pub fn replace(&self, config: ServerConfig) {
        self.current.store(Arc::new(config));
    }
}

impl fmt::Debug for Identity {
    /// Says nothing of keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
