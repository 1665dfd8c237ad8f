//! Where a listener is: an address of a network, or a path of this machine.

use std::fmt;
use std::net::SocketAddr;

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port. Port 0 picks a free one.
    Tcp(SocketAddr),
}

impl ListenAddress {
    /// The IP address and port, if it is one.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
        }
    }
}
