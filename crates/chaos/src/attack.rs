//! What hostile clients do to a node. Each wave is bounded in sockets and in time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A kind of hostile client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    /// Asks for channels that nobody else asks for.
    Names,
    /// Asks for channels that the nodes' user may not follow.
    RefusedNames,
    /// Asks for the newest 1,000 entries of every channel, again and again.
    Newest,
    /// Comes to every channel with a position from before everything.
    OldPositions,
    /// Goes on sending after its request.
    Garbage,
    /// Connects and says nothing.
    Silence,
}

impl Attack {
    /// The words for the report.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Names => "hostile clients: random channels",
            Self::RefusedNames => "hostile clients: channels that the ACL refuses",
            Self::Newest => "hostile clients: last=1000 of everything",
            Self::OldPositions => "hostile clients: positions from before everything",
            Self::Garbage => "hostile clients: garbage after the request",
            Self::Silence => "hostile clients: silent sockets",
        }
    }
}

/// Hostile clients of one kind at one node, for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wave {
    pub(crate) attack: Attack,
    pub(crate) node: usize,
    pub(crate) length: Duration,
}

/// Waves that no attacker has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Waves(Mutex<VecDeque<Wave>>);

/// How many of them may wait. The attackers are few, so that hostile clients never are many.
const WAITING_MAX: usize = 2;

impl Waves {
    /// `None`: too many wait already.
    pub(crate) fn begin(&self, wave: Wave) -> Option<()> {
        let mut waves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (waves.len() < WAITING_MAX).then(|| waves.push_back(wave))
    }

    pub(crate) fn next(&self) -> Option<Wave> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
