//! How many readers nodes have, in the in-process store.

use std::collections::HashMap;

use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::OCCUPANCY_LIFE;

use crate::occupancy::NodeLife;

/// Numbers of readers by channel and life, and how long lives last.
#[derive(Debug, Default)]
pub(super) struct KeptReaders {
    lives: HashMap<NodeLife, u64>,
    readers: HashMap<ChannelName, HashMap<NodeLife, u32>>,
}

impl KeptReaders {
    pub(super) fn begin(&mut self, life: NodeLife, former: Option<NodeLife>, now_ms: u64) {
        self.lives.retain(|_, end| now_ms < *end);
        if let Some(former) = former {
            self.lives.remove(&former);
        }
        self.lives.insert(life, end(now_ms));
    }

    pub(super) fn renew(&mut self, life: NodeLife, now_ms: u64) -> bool {
        let lasts = self.lives.get_mut(&life).filter(|end| now_ms < **end);
        lasts.map(|lasts| *lasts = end(now_ms)).is_some()
    }

    pub(super) fn write(&mut self, life: NodeLife, readers: Vec<(ChannelName, u32)>) {
        for (channel, readers) in readers {
            match readers {
                0 => self.remove(life, &channel),
                readers => drop(self.readers.entry(channel).or_default().insert(life, readers)),
            }
        }
    }

    pub(super) fn has(&self, channel: &ChannelName) -> bool {
        self.readers.contains_key(channel)
    }

    pub(super) fn read(&mut self, channel: &ChannelName, now_ms: u64) -> u64 {
        let Self { lives, readers } = self;
        let Some(counted) = readers.get_mut(channel) else { return 0 };
        counted.retain(|life, _| lives.get(life).is_some_and(|end| now_ms < *end));
        let sum = counted.values().map(|readers| u64::from(*readers)).sum();
        if counted.is_empty() {
            readers.remove(channel);
        }
        sum
    }

    pub(super) fn end(&mut self, life: NodeLife, channels: &[ChannelName]) {
        self.lives.remove(&life);
        channels.iter().for_each(|channel| self.remove(life, channel));
    }

    fn remove(&mut self, life: NodeLife, channel: &ChannelName) {
        if let Some(counted) = self.readers.get_mut(channel) {
            counted.remove(&life);
            if counted.is_empty() {
                self.readers.remove(channel);
            }
        }
    }
}

fn end(now_ms: u64) -> u64 {
    now_ms.saturating_add(u64::try_from(OCCUPANCY_LIFE.as_millis()).unwrap_or(u64::MAX))
}
