//! Addresses for servers that are about to be started.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, bail};

/// Ports that servers are given: below those that Linux gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port of 127.0.0.1 on which no process listens now.
///
/// # Errors
/// When a thousand attempts found none.
pub(super) fn free() -> Result<SocketAddr> {
    for _ in 0..1_000 {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), fastrand::u16(PORTS));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}
