//! How many answers of a kind are under way or in memory, and whose they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_log::Payer;
use fanfare_protocol::limits::{PLACES_FEW, PLACES_RESERVE_PART};

/// Counts the answers that are being made, or that their clients have not taken yet. Nobody waits here: no place, no answer.
///
/// A payer that is alone may hold every ordinary place. Beside those is a reserve for payers that hold few, so that a client
/// that takes its answers finds a place at once whatever another one holds.
#[derive(Debug)]
pub(crate) struct PayerPlaces {
    /// For everybody.
    ordinary: usize,
    /// Beside, for payers that hold fewer than [`PLACES_FEW`].
    reserve: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    /// Only of payers that hold some, so that it is bounded by the places.
    by_payer: HashMap<Payer, usize>,
}

impl PayerPlaces {
    pub(crate) fn new(ordinary: usize) -> Self {
        Self { ordinary, reserve: ordinary / PLACES_RESERVE_PART, held: Mutex::default() }
    }

    /// A place, if this payer may have one more.
    pub(crate) fn take(self: &Arc<Self>, payer: Payer) -> Option<PayerPlace> {
        let mut held = self.lock();
        let own = held.by_payer.get(&payer).copied().unwrap_or(0);
        let is_free = held.all < self.ordinary;
        let is_reserved = own < PLACES_FEW && held.all < self.ordinary + self.reserve;
        if !is_free && !is_reserved {
            return None;
        }
        held.all += 1;
        held.by_payer.insert(payer, own + 1);
        Some(PayerPlace { places: Arc::clone(self), payer })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One answer's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct PayerPlace {
    places: Arc<PayerPlaces>,
    payer: Payer,
}

impl Drop for PayerPlace {
    fn drop(&mut self) {
        let mut held = self.places.lock();
        held.all -= 1;
        if let Some(own) = held.by_payer.get_mut(&self.payer) {
            *own -= 1;
            if *own == 0 {
                held.by_payer.remove(&self.payer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(places: &Arc<PayerPlaces>, payer: u64, tries: usize) -> Vec<PayerPlace> {
        (0..tries).filter_map(|_| places.take(Payer::of(payer))).collect()
    }

    #[test]
    fn a_payer_that_is_alone_has_every_ordinary_place_and_others_still_find_one() {
        let places = Arc::new(PayerPlaces::new(64));
        let first = taken(&places, 1, 100);
        assert_eq!(first.len(), 64);
        let others: Vec<_> = (2..100).flat_map(|payer| taken(&places, payer, 10)).collect();
        assert_eq!(others.len(), 16, "two for each, as long as the reserve lasts");
        assert!(places.take(Payer::of(200)).is_none());
    }

    #[test]
    fn what_is_given_back_is_anybodys_and_nothing_is_remembered_of_who_has_left() {
        let places = Arc::new(PayerPlaces::new(4));
        let (mut first, other) = (taken(&places, 1, 9), taken(&places, 2, 9));
        assert_eq!((first.len(), other.len()), (4, 1));
        first.pop();
        // With the place in the reserve there are still as many as there are ordinary ones.
        assert!(places.take(Payer::of(1)).is_none());
        drop(other);
        assert_eq!(taken(&places, 2, 9).len(), 2);
        drop(first);
        assert!(places.lock().by_payer.is_empty() && places.lock().all == 0);
    }

    #[test]
    fn where_there_are_no_places_there_is_no_reserve_either() {
        assert!(Arc::new(PayerPlaces::new(0)).take(Payer::of(1)).is_none());
    }
}
