//! What goes into tails, and what has to go so that tails and pages stay within their bounds.

use fanfare_protocol::{EntryId, Frame};

use super::Registry;
use crate::budget::Charge;
use crate::options::Options;
use crate::tail::{Seam, Tail};

impl Registry {
    /// Appends a discontinuity, if there is one, and entries that have been proven to follow. In one step, so that a reader
    /// finds a seam together with the entry after it.
    pub(super) fn append(
        &mut self,
        key: usize,
        seam: Option<(Seam, bool)>,
        entries: impl IntoIterator<Item = (EntryId, Frame)>,
    ) {
        let Some(log) = self.logs.get(&key) else { return };
        let mut shared = log.channel.lock();
        let Some(tail) = &mut shared.tail else { return };
        let mut charge = |index, cost| self.budget.charge(Charge::Item { channel: key, index }, cost);
        if let Some((seam, is_exact)) = seam {
            charge(tail.end(), tail.push_seam(seam, is_exact));
        }
        for (id, frame) in entries {
            charge(tail.end(), tail.push_entry(id, frame));
        }
        bound(tail, &self.options, |bytes| self.budget.release(bytes));
        shared.newest.clear();
        drop(shared);
        self.mark(key);
    }

    /// Appends an ephemeral event.
    pub(super) fn append_ephemeral(&mut self, key: usize, frame: Frame) {
        let Some(log) = self.logs.get(&key) else { return };
        let mut shared = log.channel.lock();
        // Nobody is primed before the log is open, so nobody is connected to this event.
        let Some(tail) = &mut shared.tail else { return };
        let index = tail.end();
        self.budget.charge(Charge::Item { channel: key, index }, tail.push_ephemeral(frame));
        bound(tail, &self.options, |bytes| self.budget.release(bytes));
        drop(shared);
        self.mark(key);
    }

    /// What is charged is what is held.
    #[cfg(test)]
    pub(crate) fn assert_accounts(&self) {
        let held = |log: &super::ChannelLog| {
            let shared = log.channel.lock();
            shared.tail.as_ref().map_or(0, Tail::bytes) + shared.pages.bytes()
        };
        assert_eq!(self.budget.used(), self.logs.values().map(held).sum::<usize>(), "the budget has drifted");
    }

    /// Evicts the coldest until the node is within its budget, but no page that a reader waits for.
    pub(super) fn keep_budget(&mut self) {
        let mut spared = Vec::new();
        while let Some(charge) = self.budget.victim() {
            let (Charge::Item { channel: key, .. } | Charge::Page { channel: key, .. }) = charge;
            let Some(log) = self.logs.get(&key) else { continue };
            let mut shared = log.channel.lock();
            let mut released = Vec::new();
            match charge {
                Charge::Item { index, .. } => {
                    if let Some(tail) = &mut shared.tail {
                        while tail.first() <= index && !tail.is_empty() {
                            released.push(tail.pop_front());
                        }
                    }
                }
                Charge::Page { number, .. } if shared.pages.is_awaited(number) => spared.push(charge),
                Charge::Page { number, .. } => released.extend(shared.pages.remove(number)),
            }
            drop(shared);
            if !released.is_empty() {
                self.stats.evictions.add(released.len() as u64);
                released.into_iter().for_each(|bytes| self.budget.release(bytes));
                self.hub.notify_cores(&log.channel, &mut self.wake);
            }
        }
        self.budget.spare(spared);
        let logs = &self.logs;
        self.budget.compact(|charge| match charge {
            Charge::Item { channel, index } => logs
                .get(&channel)
                .is_some_and(|log| log.channel.lock().tail.as_ref().is_some_and(|tail| tail.first() <= index)),
            Charge::Page { channel, number } => {
                logs.get(&channel).is_some_and(|log| log.channel.lock().pages.contains(number))
            }
        });
    }
}

/// Keeps one tail within its own bounds. The newest item always stays.
fn bound(tail: &mut Tail, options: &Options, mut release: impl FnMut(usize)) {
    while tail.len() > options.tail_entries.max(1) || (tail.bytes() > options.tail_bytes && tail.len() > 1) {
        release(tail.pop_front());
    }
}
