//! The wish to know how many read a channel.

use std::sync::{Arc, Mutex, PoisonError};

use super::tallies::Tallies;
use super::tally::Tally;

/// As long as it is kept, the store is asked in each round how many read the channel.
#[derive(Debug)]
pub struct Watch {
    tallies: Arc<Mutex<Tallies>>,
    tally: Arc<Tally>,
}

impl Watch {
    pub(super) fn new(tallies: Arc<Mutex<Tallies>>, tally: Arc<Tally>) -> Self {
        tallies.lock().unwrap_or_else(PoisonError::into_inner).watch(&tally);
        Self { tallies, tally }
    }

    /// What is known of the channel.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).unwatch(&self.tally);
    }
}
