//! Which channels are counted, and what is known of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_protocol::{ChannelName, LogName, Pattern};

use super::rounds::Rounds;
use super::stats::OccupancyStats;
use super::tallies::Tallies;
use super::tally::Tally;
use super::watch::Watch;

/// The counted channels of a node. Cheap to clone; clones share everything. By default no channel is counted, and nothing is kept.
#[derive(Debug, Clone, Default)]
pub struct Occupancy(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether channels that match are counted; the first that matches counts.
    rules: Box<[(Pattern, bool)]>,
    tallies: Arc<Mutex<Tallies>>,
    rounds: Rounds,
    stats: OccupancyStats,
}

impl Occupancy {
    /// Counts the channels that match: of each, the first pattern that does says whether.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = (Pattern, bool)>) -> Self {
        Self(Arc::new(Inner { rules: rules.into_iter().collect(), ..Inner::default() }))
    }

    /// Whether no channel is counted.
    #[must_use]
    pub fn is_off(&self) -> bool {
        !self.0.rules.iter().any(|(_, counts)| *counts)
    }

    /// Whether this channel is counted.
    #[must_use]
    pub fn counts(&self, name: &ChannelName) -> bool {
        let mut rules = self.0.rules.iter();
        rules.find(|(pattern, _)| pattern.matches(name.as_str())).is_some_and(|(_, counts)| *counts)
    }

    /// What is counted and done.
    #[must_use]
    pub fn stats(&self) -> &OccupancyStats {
        &self.0.stats
    }

    /// Channels of which this node counts readers now, and those of them that somebody watches.
    #[must_use]
    pub fn channels(&self) -> (usize, usize) {
        let tallies = self.lock();
        (tallies.len(), tallies.watched_len())
    }

    /// How many read a channel, if that is known without asking the store: since somebody watches it.
    #[must_use]
    pub fn known(&self, name: &ChannelName) -> Option<u64> {
        self.lock().known(name)
    }

    /// Watches a counted channel.
    #[must_use]
    pub fn watch(&self, tally: Arc<Tally>) -> Watch {
        Watch::new(Arc::clone(&self.0.tallies), tally)
    }

    /// The rounds of the reporter.
    #[must_use]
    pub fn rounds(&self) -> &Rounds {
        &self.0.rounds
    }

    /// The tally of a channel, if it is counted.
    pub(crate) fn tally(&self, name: &LogName) -> Option<Arc<Tally>> {
        let LogName::Channel(name) = name else { return None };
        self.counts(name).then(|| self.lock().get_or_make(name))
    }

    /// One more reads a counted channel on this node.
    pub(crate) fn enter(&self, tally: &Arc<Tally>) {
        tally.enter();
        self.note(tally);
    }

    /// One fewer does.
    pub(crate) fn leave(&self, tally: &Arc<Tally>) {
        tally.leave();
        self.note(tally);
    }

    /// The reporter has to look at a tally.
    pub(super) fn note(&self, tally: &Arc<Tally>) {
        if tally.mark() {
            self.lock().push_changed(Arc::clone(tally));
        }
    }

    /// Held for the time of a look-up, or of a copy of [`OCCUPANCY_BATCH_MAX`](fanfare_protocol::limits::OCCUPANCY_BATCH_MAX) pointers.
    pub(super) fn lock(&self) -> MutexGuard<'_, Tallies> {
        self.0.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
