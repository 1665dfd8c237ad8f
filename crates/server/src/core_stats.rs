//! What one connection thread counts of its sessions. Written by that thread alone, read at scrape.

use fanfare_log::stats::{Cell, GapCells};

use crate::end::EndCells;
use crate::lag::Lag;

/// What one connection thread counts. Totals since start unless they say "now".
#[derive(Debug, Default)]
pub struct CoreStats {
    /// Sweeps: several in each heartbeat, also where there are no sessions.
    pub sweeps: Cell,
    /// Sessions now.
    pub sessions: Cell,
    /// Sessions opened (accepted and primed).
    pub opened: Cell,
    /// Subscriptions (session and channel) now.
    pub subscriptions: Cell,
    /// Channels with readers on this thread now.
    pub channels: Cell,
    /// Events handed to sockets, durable and ephemeral.
    pub deliveries: Cell,
    /// Bytes handed to sockets of sessions.
    pub bytes: Cell,
    /// Writes to sockets of sessions.
    pub writes: Cell,
    /// Writes that found the socket full.
    pub blocked: Cell,
    /// Ephemeral events seen.
    pub ephemerals: Cell,
    /// Heartbeats sent.
    pub heartbeats: Cell,
    /// Gaps announced, by reason.
    pub gaps: GapCells,
    /// Publish-to-write lag.
    pub lag: Lag,
    /// Why sessions ended.
    pub ends: EndCells,
}
