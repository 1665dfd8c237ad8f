//! Whose question is asked next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_protocol::limits::{FORWARD_WAITING_MAX, FORWARD_WAITING_SHARE};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Places for questions under way, and for those that wait for one. Both are bounded, and no payer has all of them: one has three
/// quarters of the places at most, and waits at most half of those who may wait, or with its share.
pub(super) struct Turns {
    concurrency: usize,
    places: Semaphore,
    payers: Mutex<Payers>,
}

/// Holds an entry per payer with a question, so it is bounded by those.
#[derive(Default)]
struct Payers {
    questions: usize,
    by_payer: HashMap<u64, Payer>,
}

struct Payer {
    questions: usize,
    places: Arc<Semaphore>,
}

/// A question that is under way or waits for its turn. Counts until it is dropped.
pub(super) struct Waiting<'a> {
    turns: &'a Turns,
    payer: u64,
    places: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn new(concurrency: usize) -> Self {
        Self { concurrency, places: Semaphore::new(concurrency), payers: Mutex::default() }
    }

    /// Questions under way.
    pub(super) fn under_way(&self) -> usize {
        self.concurrency.saturating_sub(self.places.available_permits())
    }

    /// Takes a question in. `None`: too many wait, or too many of this payer.
    pub(super) fn enter(&self, payer: u64) -> Option<Waiting<'_>> {
        let mut payers = self.lock();
        let own = payers.by_payer.get(&payer).map_or(0, |payer| payer.questions);
        let is_within_share = own < self.places_of_one() + FORWARD_WAITING_SHARE;
        let most = if is_within_share { FORWARD_WAITING_MAX } else { FORWARD_WAITING_MAX / 2 };
        if payers.questions >= self.concurrency + most {
            return None;
        }
        payers.questions += 1;
        let entry = payers
            .by_payer
            .entry(payer)
            .or_insert_with(|| Payer { questions: 0, places: Arc::new(Semaphore::new(self.places_of_one())) });
        entry.questions += 1;
        Some(Waiting { turns: self, payer, places: Arc::clone(&entry.places) })
    }

    /// Leaves places to others, if there is more than one.
    const fn places_of_one(&self) -> usize {
        let most = self.concurrency * 3 / 4;
        if most == 0 { 1 } else { most }
    }

    fn lock(&self) -> MutexGuard<'_, Payers> {
        self.payers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// Waits for a place. In the queue for places stand no more questions of one payer than it may have places.
    pub(super) async fn turn(&self) -> (Option<OwnedSemaphorePermit>, Option<SemaphorePermit<'_>>) {
        // Neither semaphore is ever closed.
        let own = Arc::clone(&self.places).acquire_owned().await.ok();
        (own, self.turns.places.acquire().await.ok())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut payers = self.turns.lock();
        payers.questions -= 1;
        if let Some(payer) = payers.by_payer.get_mut(&self.payer) {
            payer.questions -= 1;
            if payer.questions == 0 {
                payers.by_payer.remove(&self.payer);
            }
        }
    }
}
