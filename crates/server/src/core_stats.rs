//! What one connection thread counts of its sessions. Written by that thread alone, read at scrape.

use fanfare_log::stats::{Cell, Durations, GapCells};

use crate::end::EndCells;
use crate::lag::Lag;

/// Sessions of which something waits. Each is looked at once per heartbeat, and a round of sweeps looks at all.
#[derive(Debug, Default)]
pub struct Lagging {
    /// In the last round: whose sockets took nothing when something was last written.
    pub blocked: Cell,
    /// In the last round: who had not got everything that the logs of its channels held.
    pub behind: Cell,
    /// The same two, so far in this round.
    counting: [Cell; 2],
}

impl Lagging {
    /// Looks at a session.
    pub(crate) fn count(&self, is_blocked: bool, is_behind: bool) {
        self.counting[0].add(u64::from(is_blocked));
        self.counting[1].add(u64::from(is_behind));
    }

    /// A round is over.
    pub(crate) fn begin_round(&self) {
        for (last, counting) in [&self.blocked, &self.behind].into_iter().zip(&self.counting) {
            last.set(counting.get());
            counting.set(0);
        }
    }
}

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
    /// Sessions that have not got everything.
    pub lagging: Lagging,
    /// From a subscription to the beginning of its stream.
    pub primes: Durations,
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
