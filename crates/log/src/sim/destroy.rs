//! What can happen to a store's data.

use std::time::Duration;

use fanfare_protocol::EntryId;

use super::truth::Tip;
use super::world::{CHANNELS, World};
use crate::memory::Checkpoint;

/// The data at some time, to fail over to.
pub(super) struct Replica {
    data: Checkpoint,
    tips: Vec<Tip>,
}

impl World {
    /// One misfortune.
    pub(super) fn destroy(&mut self, channel: usize) {
        match self.rng.below(12) {
            0..3 => self.trim(channel),
            3..6 => self.retract(channel),
            6 => self.delete(channel),
            7 => self.flush(),
            8..11 => {
                let replica = self.replicate();
                self.replicas.push(replica);
            }
            _ => {
                if let Some(replica) = self.replicas.pop() {
                    let before = self.streams();
                    self.fail_over(&replica);
                    // The connection breaks, mostly. It does when a stream vanishes: that on an unbroken link it can only expire
                    // is what nodes rely on.
                    let vanishes = before.into_iter().zip(self.streams()).any(|(was, is)| was && !is);
                    if self.rng.chance(80) || vanishes {
                        self.store.disconnect_all();
                    }
                }
            }
        }
    }

    /// Whether each channel has a stream.
    fn streams(&self) -> Vec<bool> {
        self.names.iter().map(|name| self.store.last_id(name).is_some()).collect()
    }

    pub(super) fn replicate(&self) -> Replica {
        Replica { data: self.store.checkpoint(), tips: self.truths.iter().map(super::truth::Truth::tip).collect() }
    }

    /// The clock moves on, so that no id is given twice: what the guarantee rests on.
    fn tick(&mut self) {
        self.pass(Duration::from_millis(2));
    }

    fn ids(&self, channel: usize) -> Vec<EntryId> {
        self.store.entries(&self.names[channel]).iter().map(|entry| entry.id).collect()
    }

    fn trim(&mut self, channel: usize) {
        let keep = self.rng.below(4);
        self.note(|| format!("trim {channel} to {keep}"));
        self.store.trim(&self.names[channel], keep);
    }

    fn retract(&mut self, channel: usize) {
        let ids = self.ids(channel);
        if !ids.is_empty() {
            // Mostly the newest: that is where it matters.
            let index = if self.rng.chance(60) { ids.len() - 1 } else { self.rng.below(ids.len()) };
            self.store.xdel(&self.names[channel], ids[index]);
            self.truths[channel].retracted(ids[index]);
            self.note(|| format!("retract {channel} {}", ids[index]));
        }
    }

    /// `DEL` retracts everything at once.
    fn delete(&mut self, channel: usize) {
        self.tick();
        if self.store.last_id(&self.names[channel]).is_none() {
            return;
        }
        let now = self.store_ms();
        self.truths[channel].deleted(now);
        self.note(|| format!("delete {channel}"));
        self.store.delete(&self.names[channel]);
        self.tick();
    }

    /// The store needs memory. What it evicts is lost, not retracted.
    pub(super) fn evict(&mut self, channel: usize) {
        self.tick();
        self.note(|| format!("delete {channel}"));
        self.store.delete(&self.names[channel]);
        self.tick();
    }

    pub(super) fn flush(&mut self) {
        self.tick();
        self.note(|| "flush".into());
        self.store.flush_all();
        let now = self.store_ms();
        self.truths.iter_mut().for_each(|truth| truth.flushed(now));
        self.tick();
    }

    /// A replica that was behind takes over. Nobody is told.
    pub(super) fn fail_over(&mut self, replica: &Replica) {
        self.tick();
        self.note(|| format!("fail over to {:?}", replica.tips));
        self.store.restore(&replica.data);
        let now = self.store_ms();
        for channel in 0..CHANNELS {
            let exists = !self.ids(channel).is_empty();
            self.truths[channel].rolled_back(replica.tips[channel], now, exists);
        }
        self.tick();
    }
}
