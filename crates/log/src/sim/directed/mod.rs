//! Single stories, told to the end: what chance meets too seldom, and what costs reads or wakes instead of events.

mod life;
mod repair;

use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::Event;

use super::truth::Saw;
use super::world::World;
use crate::memory::Bell;
use crate::options::Options;

pub(super) const CHANNEL: usize = 0;
/// A client of the channel, and two more.
pub(super) const CLIENT: usize = 0;
pub(super) const SECOND: usize = 2;
pub(super) const THIRD: usize = 4;
pub(super) const HERE: (usize, usize) = (0, 0);

pub(super) fn stage() -> World {
    World::stage(&Options::default(), 1 << 20)
}

/// A stream with `count` entries and a client that is live.
pub(super) fn live(count: usize) -> World {
    let mut world = stage();
    (0..count).for_each(|_| world.publish(CHANNEL));
    world.connect_to(CLIENT, HERE, None);
    world.settle_down();
    world
}

impl World {
    pub(super) fn xadd(&mut self, bell: Bell) {
        let event = Event { name: None, data: Bytes::from_static(b"plain") };
        let id = self.store.xadd(&self.names[CHANNEL], event, bell);
        let now = self.store_ms();
        self.truths[CHANNEL].published(id, now);
    }

    pub(super) fn entries(&self, client: usize) -> usize {
        self.clients[client].1.saw.iter().filter(|saw| matches!(saw, Saw::Entry(_))).count()
    }

    pub(super) fn has_all(&self, client: usize) -> bool {
        self.clients[client].1.has_all(&self.truths[CHANNEL])
    }

    pub(super) fn head_reads(&self) -> u64 {
        self.nodes[0].stats.head_reads.get()
    }

    pub(super) fn page_reads(&self) -> u64 {
        self.nodes[0].stats.page_reads.get()
    }

    pub(super) fn spend(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.pass(Duration::from_millis(100));
            self.settle_down();
        }
    }
}
