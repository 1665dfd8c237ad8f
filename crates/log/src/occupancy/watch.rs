//! The wish to know how many read a channel.

use std::sync::Arc;

use super::counted::Occupancy;
use super::tally::Tally;

/// As long as it is kept, the store is asked in each round how many read the channel.
#[derive(Debug)]
pub struct Watch {
    occupancy: Occupancy,
    tally: Arc<Tally>,
}

impl Watch {
    pub(super) fn new(occupancy: Occupancy, tally: Arc<Tally>) -> Self {
        Self { occupancy, tally }
    }

    /// What is known of the channel.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.occupancy.unwatch(&self.tally);
    }
}
