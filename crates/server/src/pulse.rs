//! What sweeps ask a session for, and how often its client wants that, in one byte: a node holds many sessions.

use crate::heartbeat::Heartbeat;
use crate::sweep::Sweep;

/// What a session is asked for by a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Beat {
    /// The node's heartbeat: to look after its client and renew its place; and for a sign of life, unless its client has a
    /// heartbeat of its own.
    pub(crate) round: bool,
    /// A sign of life, by its client's own heartbeat.
    pub(crate) own: bool,
    /// The client's own heartbeat.
    pub(crate) heartbeat: Option<Heartbeat>,
}

impl Beat {
    /// Whether the session is asked for anything.
    pub(crate) const fn is_due(self) -> bool {
        self.round || self.own
    }
}

/// The seconds of the client's own heartbeat in the low six bits, 0 for none; above them the two kinds of beats that the session
/// has been asked for and has not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pulse(u8);

const SECONDS: u8 = 63;
const ROUND: u8 = 64;
const OWN: u8 = 128;

const _: () = assert!(fanfare_protocol::limits::CLIENT_HEARTBEAT_SECONDS_MAX <= SECONDS);

impl Pulse {
    pub(crate) fn set_heartbeat(&mut self, heartbeat: Heartbeat) {
        self.0 = self.0 & !SECONDS | heartbeat.seconds();
    }

    pub(crate) fn heartbeat(self) -> Option<Heartbeat> {
        Heartbeat::of_seconds(self.0 & SECONDS)
    }

    /// Asks the session with this slot for what is due in a sweep. Returns whether anything is.
    pub(crate) fn ask(&mut self, slot: usize, sweep: Sweep) -> bool {
        let is_round = sweep.has_in_its_part(slot);
        let is_own = self.heartbeat().is_some_and(|heartbeat| heartbeat.looks_at(slot, sweep));
        self.0 |= if is_round { ROUND } else { 0 } | if is_own { OWN } else { 0 };
        is_round || is_own
    }

    /// What was asked for; it is forgotten by being told.
    pub(crate) fn take(&mut self) -> Beat {
        let beat = Beat { round: self.0 & ROUND != 0, own: self.0 & OWN != 0, heartbeat: self.heartbeat() };
        self.0 &= SECONDS;
        beat
    }
}
