//! What was really published: the truth that clients are measured against.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One entry of a stream, as Redis acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// `ms-seq`.
    pub id: String,
    /// The data, unique within its channel, by which clients' events are recognised.
    pub data: String,
    /// It is no longer in the stream (trimmed): a client may miss it, told by a `$gap`.
    pub gone: bool,
    /// Retracted by its publisher (`XDEL`): a client may miss it without a word.
    pub retracted: bool,
    /// Over the limit: a client sees a `$gap` `too_large` in its place.
    pub too_large: bool,
}

impl Fact {
    fn key(&self) -> (u64, u64) {
        parse_id(&self.id).unwrap_or_else(|| panic!("Redis gave the id {:?}", self.id))
    }
}

/// Reads `ms-seq`.
pub(crate) fn parse_id(id: &str) -> Option<(u64, u64)> {
    let (ms, seq) = id.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}

/// The history of one channel: usually one incarnation; one more each time it was lost or rewritten.
pub(crate) type History = Vec<Vec<Fact>>;

/// A shared record of everything published. Clones write to the same record.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    channels: Arc<Mutex<HashMap<String, History>>>,
}

impl Ledger {
    /// Records an acknowledged entry. Entries of concurrent publishers are put in the order of their ids.
    pub fn record(&self, channel: &str, id: &str, data: &str) {
        self.insert(channel, id, data, false);
    }

    /// Records an entry that is over the size limit.
    pub fn record_too_large(&self, channel: &str, id: &str) {
        self.insert(channel, id, &format!("(too large {id})"), true);
    }

    fn insert(&self, channel: &str, id: &str, data: &str, too_large: bool) {
        let fact = Fact { id: id.to_owned(), data: data.to_owned(), gone: false, retracted: false, too_large };
        let mut channels = self.lock();
        let history = channels.entry(channel.to_owned()).or_insert_with(|| vec![Vec::new()]);
        let entries = history.last_mut().expect("a history has an incarnation");
        let place = entries.partition_point(|other| other.key() < fact.key());
        entries.insert(place, fact);
    }

    /// From now on the channel is a new stream that begins with the first `kept` entries of the present one.
    pub fn rewrite(&self, channel: &str, kept: usize) {
        let mut channels = self.lock();
        let history = channels.entry(channel.to_owned()).or_insert_with(|| vec![Vec::new()]);
        let restored = history.last().map_or_else(Vec::new, |entries| entries[..kept].to_vec());
        history.push(restored);
    }

    /// The `count` oldest entries of the present stream have been trimmed.
    pub fn trim_oldest(&self, channel: &str, count: usize) {
        self.change(channel, |entries| entries.iter_mut().take(count).for_each(|fact| fact.gone = true));
    }

    /// The publisher has deleted this entry.
    pub fn retract(&self, channel: &str, id: &str) {
        self.change(channel, |entries| {
            entries.iter_mut().filter(|fact| fact.id == id).for_each(|fact| fact.retracted = true);
        });
    }

    fn change(&self, channel: &str, change: impl FnOnce(&mut Vec<Fact>)) {
        change(self.lock().get_mut(channel).expect("a known channel").last_mut().expect("an incarnation"));
    }

    /// The entries of the channel's present stream, oldest first.
    pub fn entries(&self, channel: &str) -> Vec<Fact> {
        self.history(channel).pop().unwrap_or_default()
    }

    pub(crate) fn history(&self, channel: &str) -> History {
        self.lock().get(channel).cloned().unwrap_or_else(|| vec![Vec::new()])
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, History>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
