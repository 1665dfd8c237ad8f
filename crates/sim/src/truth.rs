//! What was really published: every entry of every channel, in the order in which the fake Redis stored them, and where a
//! reader stands in that.
//!
//! A channel has one *life* after the other: a new one begins when a failover loses its end. Deleting a stream loses its
//! entries and begins no new life, since ids go on growing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_protocol::{EntryId, Position};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) id: EntryId,
    /// Unique within its channel. `None`: over the size limit.
    pub(crate) data: Option<String>,
    /// No longer in the stream: a client may miss it, told by a `$gap`.
    pub(crate) gone: bool,
    /// Deleted by its publisher: a client may miss it without a word.
    pub(crate) retracted: bool,
}

/// The lives of one channel's stream.
pub(crate) type History = Vec<Vec<Fact>>;

/// A reader's place: in that life so many entries are behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) life: usize,
    pub(crate) behind: usize,
}

/// The record. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth(Arc<Mutex<BTreeMap<String, History>>>);

impl Truth {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, History>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn present<T>(&self, channel: &str, look: impl FnOnce(&mut Vec<Fact>) -> T) -> T {
        let mut channels = self.lock();
        let history = channels.entry(channel.to_owned()).or_insert_with(|| vec![Vec::new()]);
        look(history.last_mut().expect("a history has a life"))
    }

    /// An entry was stored. `None`: it is over the size limit.
    pub(crate) fn append(&self, channel: &str, id: EntryId, data: Option<String>) {
        self.present(channel, |facts| {
            assert!(facts.last().is_none_or(|last| last.id < id), "{channel}: {id} after {facts:?}");
            facts.push(Fact { id, data, gone: false, retracted: false });
        });
    }

    /// Trimmed, expired, evicted or deleted with its stream.
    pub(crate) fn lose(&self, channel: &str, id: EntryId) {
        self.change(channel, id, |fact| fact.gone = true);
    }

    /// `XDEL`, in every life that has the entry: a reader may come to the place where it was before its node hears of the
    /// failover, and go on in the old life.
    pub(crate) fn retract(&self, channel: &str, id: EntryId) {
        let mut channels = self.lock();
        let facts = channels.get_mut(channel).into_iter().flatten().flatten();
        facts.filter(|fact| fact.id == id).for_each(|fact| fact.retracted = true);
    }

    /// `DEL`: like `XDEL` of everything that the stream ever held.
    pub(crate) fn retract_all(&self, channel: &str) {
        self.present(channel, |facts| facts.iter_mut().for_each(|fact| fact.retracted = true));
    }

    fn change(&self, channel: &str, id: EntryId, change: impl FnOnce(&mut Fact)) {
        self.present(channel, |facts| facts.iter_mut().find(|fact| fact.id == id).map(change));
    }

    /// Entries of each channel's present life so far, those of streams that are deleted included.
    pub(crate) fn lengths(&self) -> BTreeMap<String, usize> {
        self.lock().iter().map(|(channel, lives)| (channel.clone(), lives.last().map_or(0, Vec::len))).collect()
    }

    /// A failover lost all but the first entries of the present life.
    pub(crate) fn rewrite(&self, channel: &str, kept: usize) {
        let kept = self.present(channel, |facts| facts[..kept].to_vec());
        self.lock().entry(channel.to_owned()).or_default().push(kept);
    }

    /// Every life of the channel.
    pub(crate) fn history(&self, channel: &str) -> History {
        self.lock().get(channel).cloned().unwrap_or_else(|| vec![Vec::new()])
    }

    /// Where a reader is who has just been told this position; several places where lives share their beginning.
    pub(crate) fn places(&self, channel: &str, position: Position) -> Vec<Place> {
        let history = self.history(channel);
        if let Position::At(id) = position {
            let find = |(life, facts): (usize, &Vec<Fact>)| {
                let index = facts.iter().position(|fact| fact.id == id)?;
                Some(Place { life, behind: index + 1 })
            };
            let found: Vec<_> = history.iter().enumerate().filter_map(find).collect();
            if !found.is_empty() {
                return found;
            }
        }
        // Who says so may have looked at any of the lives.
        let passed = |fact: &Fact| match position {
            Position::At(id) => fact.id <= id,
            Position::Empty { at_ms, .. } => fact.id.ms < at_ms,
        };
        let place = |(life, facts): (usize, &Vec<Fact>)| Place { life, behind: facts.partition_point(passed) };
        history.iter().enumerate().map(place).collect()
    }
}
