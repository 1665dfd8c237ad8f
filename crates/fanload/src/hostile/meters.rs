//! What the node and Redis say of themselves.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::console::Console;
use crate::admin;
use crate::reading::{Cpu, Reading};

/// Between two looks at the node's memory.
const GLANCE: Duration = Duration::from_millis(20);

/// Readings at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meters {
    /// Bytes of the node's resident memory.
    pub(super) rss: u64,
    /// CPU of the node.
    pub(super) cpu: Cpu,
    /// Bytes that Redis has sent.
    pub(super) redis_sent: u64,
    /// How often the node has opened its feed.
    pub(super) feed_connects: f64,
}

impl Meters {
    /// # Errors
    /// When the node or Redis does not answer.
    pub(super) fn read(pid: u32, admin: SocketAddr, redis: SocketAddr) -> Result<Self> {
        let feed_connects = admin::sum(&[admin], "fanfare_feed_connects_total")?.context("no node to ask")?;
        let redis_sent = Console::connect(redis)?.sent_bytes()?;
        let reading = Reading::take(&[pid])?;
        Ok(Self { rss: reading.rss, cpu: reading.cpu, redis_sent, feed_connects })
    }
}

/// The most memory that the node had at any look until `done`, in bytes.
///
/// # Errors
/// When the node has ended.
pub(super) fn most_memory(pid: u32, done: &AtomicBool) -> Result<u64> {
    let mut most = 0;
    while !done.load(Ordering::Relaxed) {
        most = most.max(Reading::take(&[pid])?.rss);
        std::thread::sleep(GLANCE);
    }
    Ok(most)
}
