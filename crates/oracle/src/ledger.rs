//! What was really published on each channel: the truth that clients are measured against.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::entry::Entry;
use crate::entry_id::EntryId;
use crate::history::{History, HistoryLimits};

/// A shared record of everything published. Clones write to the same record.
#[derive(Clone, Debug)]
pub struct Ledger {
    channels: Arc<Mutex<HashMap<String, History>>>,
    limits: HistoryLimits,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::with_limits(HistoryLimits::UNLIMITED)
    }
}

impl Ledger {
    /// A record that remembers only so much of each channel.
    pub fn with_limits(limits: HistoryLimits) -> Self {
        Self { channels: Arc::default(), limits }
    }

    /// Records an acknowledged entry. Entries of concurrent publishers are put in the order of their ids.
    ///
    /// # Panics
    /// If `id` is none.
    pub fn record(&self, channel: &str, id: &str, data: &str) {
        self.insert(channel, Entry::new(parse(id), data));
    }

    /// Records an entry that is over the size limit.
    ///
    /// # Panics
    /// If `id` is none.
    pub fn record_too_large(&self, channel: &str, id: &str) {
        let entry = Entry::new(parse(id), format!("(too large {id})"));
        self.insert(channel, Entry { too_large: true, ..entry });
    }

    fn insert(&self, channel: &str, entry: Entry) {
        // Nothing is known about its publisher.
        let entry = Entry { bare: true, ..entry };
        self.with(channel, |history| history.insert(history.present(), entry));
    }

    /// From now on the channel is a new stream that begins with the first `kept` entries of the present one.
    pub fn replace(&self, channel: &str, kept: usize) {
        self.with(channel, |history| {
            let restored: Vec<Entry> = history.present_incarnation().entries.iter().take(kept).cloned().collect();
            history.replace(restored, 0);
        });
    }

    /// The `count` oldest entries of the present stream have been trimmed.
    pub fn trim_oldest(&self, channel: &str, count: usize) {
        self.with(channel, |history| {
            let entries = &mut history.present_incarnation_mut().entries;
            entries.iter_mut().take(count).for_each(|entry| entry.gone = true);
        });
    }

    /// The publisher has deleted this entry.
    ///
    /// # Panics
    /// If `id` is none.
    pub fn retract(&self, channel: &str, id: &str) {
        self.with(channel, |history| history.retract(parse(id)));
    }

    /// The entries of the channel's present stream, oldest first.
    pub fn entries(&self, channel: &str) -> Vec<Entry> {
        self.with(channel, |history| history.present_incarnation().entries.iter().cloned().collect())
    }

    /// Looks at, or changes, the history of a channel. Blocks whoever else does.
    pub fn with<T>(&self, channel: &str, look: impl FnOnce(&mut History) -> T) -> T {
        let mut channels = self.lock();
        if !channels.contains_key(channel) {
            channels.insert(channel.to_owned(), History::with_limits(self.limits));
        }
        look(channels.get_mut(channel).expect("just inserted"))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, History>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(id: &str) -> EntryId {
    id.parse().unwrap_or_else(|_| panic!("Redis gave the id {id:?}"))
}
