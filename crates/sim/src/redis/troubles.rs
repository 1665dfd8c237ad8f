//! What keeps nodes from hearing, or from being answered, and until when.

use tokio::time::Instant;

use crate::NODES;

/// What has gone wrong on one connection. That it was mended before its time counts for nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble {
    /// Until then something did not arrive in one of the directions.
    pub(super) any_until: Instant,
    /// Until then nothing arrived at the node.
    pub(super) mute_until: Instant,
}

impl Trouble {
    pub(super) fn none(now: Instant) -> Self {
        Self { any_until: now, mute_until: now }
    }

    pub(super) fn note_deaf(&mut self, until: Instant) {
        self.any_until = self.any_until.max(until);
    }

    pub(super) fn note_mute(&mut self, until: Instant) {
        self.note_deaf(until);
        self.mute_until = self.mute_until.max(until);
    }
}

/// What has gone wrong on all connections, and what is known of those that are no more.
#[derive(Debug)]
pub(super) struct Troubles {
    /// Until then nobody heard anything, or could connect.
    pub(super) of_all_until: Instant,
    /// When each node lost a connection last.
    lost: [Instant; NODES],
    /// Whatever is asked is answered at once.
    is_punctual: bool,
}

impl Troubles {
    pub(super) fn new(now: Instant, is_punctual: bool) -> Self {
        Self { of_all_until: now, lost: [now; NODES], is_punctual }
    }

    /// Until then nobody hears anything, or can connect.
    pub(super) fn note_silence(&mut self, until: Instant) {
        self.of_all_until = self.of_all_until.max(until);
    }

    /// A connection of a node has ended.
    pub(super) fn note_end(&mut self, node: usize) {
        self.lost[node] = Instant::now();
    }

    /// From now on something that is asked may be refused for a while.
    pub(super) fn note_refusals(&mut self) {
        self.is_punctual = false;
    }

    /// Whether a node is answered at once, and has not lost a connection since then.
    pub(super) fn has_lost_none_since(&self, node: usize, since: Instant) -> bool {
        self.is_punctual && self.lost[node] <= since
    }
}
