//! What was revoked, told by the fake Redis, which stores it, and by whoever got the answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_auth::{RevocationEntry, RevocationTarget, UnixSeconds};
use fanfare_protocol::EntryId;
use tokio::time::Instant;

use crate::NODES;

/// The record. Cloning shares it. Its times are milliseconds since the world began.
#[derive(Debug, Clone)]
pub(crate) struct RevokedRecord(Arc<Mutex<Known>>);

#[derive(Debug)]
struct Known {
    began: Instant,
    all: Vec<Revoked>,
    /// When the log first became another one than it was, or may have.
    set_back_ms: Option<u64>,
}

/// A revocation.
#[derive(Debug, Clone)]
pub(crate) struct Revoked {
    id: EntryId,
    pub(crate) target: RevocationTarget,
    pub(crate) stored_ms: u64,
    /// `None`: nobody was told that it is stored.
    pub(crate) acknowledged_ms: Option<u64>,
    /// The log does not hold it any more: a failover or a flush has lost it, or it was trimmed.
    lost: bool,
    /// How each node was told of it that was connected then.
    pub(crate) told: [Option<Told>; NODES],
}

/// The message by which a node hears that something was revoked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// The connection of its feed.
    pub(crate) connection: u64,
    /// When it arrives there, if nothing is wrong with the connection.
    pub(crate) arrives_ms: u64,
}

impl Revoked {
    /// The time that counts for whom it hits: that of its id.
    pub(crate) fn at(&self) -> UnixSeconds {
        UnixSeconds(self.id.ms / 1_000)
    }

    /// From when on nothing may come of what it hits, for a node that was told of it: a second after it was acknowledged, and heard.
    pub(crate) fn second_is_over_ms(&self, told: Told) -> Option<u64> {
        Some(self.acknowledged_ms?.max(told.arrives_ms) + 1_000)
    }
}

impl RevokedRecord {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Known { began: Instant::now(), all: Vec::new(), set_back_ms: None })))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry of their log was stored.
    pub(crate) fn store(&self, id: EntryId, data: &[u8]) {
        let RevocationEntry { target, .. } = RevocationEntry::parse(data).expect("what writers made");
        let mut known = self.lock();
        let stored_ms = known.ms(Instant::now());
        known.all.push(Revoked { id, target, stored_ms, acknowledged_ms: None, lost: false, told: Default::default() });
    }

    /// The message of the latest entry will arrive at a node then.
    pub(crate) fn tell(&self, node: usize, connection: u64, arrives: Instant) {
        let mut known = self.lock();
        let arrives_ms = known.ms(arrives);
        if let Some(latest) = known.all.last_mut() {
            latest.told[node].get_or_insert(Told { connection, arrives_ms });
        }
    }

    /// Whoever wrote an entry has been told that it is stored.
    pub(crate) fn acknowledge(&self, id: EntryId) {
        let mut known = self.lock();
        let now = known.ms(Instant::now());
        if let Some(revoked) = known.all.iter_mut().find(|revoked| revoked.id == id) {
            revoked.acknowledged_ms.get_or_insert(now);
        }
    }

    /// The log holds these entries now.
    pub(crate) fn keep(&self, ids: &[EntryId]) {
        self.lock().all.iter_mut().for_each(|revoked| revoked.lost |= !ids.contains(&revoked.id));
    }

    /// The log is another one now: a replica's, or none.
    pub(crate) fn note_set_back(&self) {
        let mut known = self.lock();
        let now = known.ms(Instant::now());
        known.set_back_ms.get_or_insert(now);
    }

    /// Whether the log had been set back by then.
    pub(crate) fn was_set_back_by(&self, ms: u64) -> bool {
        self.lock().set_back_ms.is_some_and(|first| first <= ms)
    }

    /// The latest time of any.
    pub(crate) fn latest_at(&self) -> Option<UnixSeconds> {
        self.lock().all.iter().map(Revoked::at).max()
    }

    /// All that were stored.
    pub(crate) fn all(&self) -> Vec<Revoked> {
        self.lock().all.clone()
    }

    /// Those that were acknowledged and are not lost.
    pub(crate) fn in_force(&self) -> Vec<Revoked> {
        let is_in_force = |revoked: &&Revoked| revoked.acknowledged_ms.is_some() && !revoked.lost;
        self.lock().all.iter().filter(is_in_force).cloned().collect()
    }
}

impl Known {
    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}
