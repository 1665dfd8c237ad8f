//! What was really published: the truth that clients are measured against.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Fact;
use crate::history::History;

/// A shared record of everything published. Clones write to the same record.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    channels: Arc<Mutex<HashMap<String, History>>>,
    /// Entries remembered in each life of a channel; `None` for all.
    window: Option<usize>,
}

impl Ledger {
    /// A record that remembers only so many of the newest entries of each channel.
    pub fn remembering(window: usize) -> Self {
        Self { channels: Arc::default(), window: Some(window) }
    }

    /// Records an acknowledged entry. Entries of concurrent publishers are put in the order of their ids.
    pub fn record(&self, channel: &str, id: &str, data: &str) {
        self.insert(channel, Fact::new(id, data));
    }

    /// Records an entry that is over the size limit.
    pub fn record_too_large(&self, channel: &str, id: &str) {
        let fact = Fact::new(id, &format!("(too large {id})"));
        self.insert(channel, Fact { too_large: true, ..fact });
    }

    fn insert(&self, channel: &str, fact: Fact) {
        // Nothing is known about its publisher.
        let fact = Fact { bare: true, ..fact };
        self.with(channel, |history| history.insert(history.present(), fact));
    }

    /// From now on the channel is a new stream that begins with the first `kept` entries of the present one.
    pub fn rewrite(&self, channel: &str, kept: usize) {
        self.with(channel, |history| {
            let restored: Vec<Fact> = history.present_life().facts.iter().take(kept).cloned().collect();
            history.begin(restored, 0);
        });
    }

    /// The `count` oldest entries of the present stream have been trimmed.
    pub fn trim_oldest(&self, channel: &str, count: usize) {
        self.change(channel, |facts| facts.take(count).for_each(|fact| fact.gone = true));
    }

    /// The publisher has deleted this entry.
    pub fn retract(&self, channel: &str, id: &str) {
        self.change(channel, |facts| {
            facts.filter(|fact| fact.id == id).for_each(|fact| fact.retracted = true);
        });
    }

    fn change(&self, channel: &str, change: impl FnOnce(&mut dyn Iterator<Item = &mut Fact>)) {
        self.with(channel, |history| change(&mut history.present_life_mut().facts.iter_mut()));
    }

    /// The entries of the channel's present stream, oldest first.
    pub fn entries(&self, channel: &str) -> Vec<Fact> {
        self.with(channel, |history| history.present_life().facts.iter().cloned().collect())
    }

    /// Looks at, or changes, the history of a channel. Blocks whoever else does.
    pub(crate) fn with<T>(&self, channel: &str, look: impl FnOnce(&mut History) -> T) -> T {
        let mut channels = self.lock();
        if !channels.contains_key(channel) {
            let history = self.window.map_or_else(History::default, History::remembering);
            channels.insert(channel.to_owned(), history);
        }
        look(channels.get_mut(channel).expect("just inserted"))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, History>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
