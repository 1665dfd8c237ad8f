//! All tallies of a node.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fanfare_protocol::ChannelName;
use slab::Slab;

use super::tally::Tally;

/// The tallies, those that the reporter has to look at, and those that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    all: Slab<Arc<Tally>>,
    by_name: HashMap<ChannelName, usize>,
    changed: Vec<Arc<Tally>>,
    /// By slot, with the number of those who watch.
    watched: BTreeMap<usize, (Arc<Tally>, usize)>,
}

impl Tallies {
    /// The tally of a channel, which is made if there is none.
    pub(super) fn get_or_make(&mut self, name: &ChannelName) -> Arc<Tally> {
        if let Some(slot) = self.by_name.get(name) {
            return Arc::clone(&self.all[*slot]);
        }
        let entry = self.all.vacant_entry();
        let slot = entry.key();
        let tally = Arc::clone(entry.insert(Arc::new(Tally::new(name.clone(), slot))));
        self.by_name.insert(name.clone(), slot);
        tally
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn watched_len(&self) -> usize {
        self.watched.len()
    }

    /// Places that are taken or were taken for tallies and their names.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.all.capacity() + self.by_name.capacity() + self.changed.capacity()
    }

    #[cfg(test)]
    pub(super) fn changed_len(&self) -> usize {
        self.changed.len()
    }

    pub(super) fn push_changed(&mut self, tally: Arc<Tally>) {
        self.changed.push(tally);
    }

    /// All that have changed since the last call. They are marked.
    pub(super) fn take_changed(&mut self) -> Vec<Arc<Tally>> {
        std::mem::take(&mut self.changed)
    }

    /// Drops a tally without readers, unless a thread still holds it. Threads find tallies here and nowhere else, so none comes to hold it
    /// meanwhile. Returns whether it is gone.
    pub(super) fn forget(&mut self, tally: &Arc<Tally>) -> bool {
        const HERE_AND_WITH_THE_CALLER: usize = 2;
        if tally.readers() > 0 || tally.is_marked() || Arc::strong_count(tally) > HERE_AND_WITH_THE_CALLER {
            return false;
        }
        self.by_name.remove(tally.name());
        self.all.try_remove(tally.slot());
        true
    }

    /// Some of those from this slot on, every `step`th slot, and the slot to go on with; `None` when there are no more.
    pub(super) fn some(&self, from: usize, step: usize, most: usize) -> (Vec<Arc<Tally>>, Option<usize>) {
        let end = self.all.capacity();
        let mut slots = (from..end).step_by(step);
        let found = slots.by_ref().take(most).filter_map(|slot| self.all.get(slot).cloned()).collect();
        (found, slots.next())
    }

    /// One more watches the channel. What was known of it before anybody did is forgotten.
    pub(super) fn watch(&mut self, tally: &Arc<Tally>) {
        let watched = self.watched.entry(tally.slot()).or_insert_with(|| {
            tally.set_total(None);
            (Arc::clone(tally), 0)
        });
        watched.1 += 1;
    }

    /// One fewer does.
    pub(super) fn unwatch(&mut self, tally: &Tally) {
        if let Some(watched) = self.watched.get_mut(&tally.slot()) {
            watched.1 -= 1;
            if watched.1 == 0 {
                self.watched.remove(&tally.slot());
                // It is asked no more.
                tally.set_total(None);
            }
        }
    }

    /// Some of those that are watched, from this slot on.
    pub(super) fn some_watched(&self, from: usize, most: usize) -> Vec<Arc<Tally>> {
        self.watched.range(from..).take(most).map(|(_, (tally, _))| Arc::clone(tally)).collect()
    }

    /// How many read a channel, if somebody watches it and it is known.
    pub(super) fn known(&self, name: &ChannelName) -> Option<u64> {
        let slot = self.by_name.get(name)?;
        self.watched.get(slot)?.0.total()
    }
}
