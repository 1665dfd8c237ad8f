//! The ways of publishing.

use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::Event;

use super::world::World;
use crate::memory::Bell;
use crate::publish::PublishRequest;

impl World {
    fn event(&mut self) -> Event {
        self.published += 1;
        let padding = self.rng.below(3) * 40;
        Event { name: None, data: Bytes::from(format!("{:0width$}", self.published, width = 1 + padding)) }
    }

    /// Publishes as the function does.
    pub(super) fn publish(&mut self, channel: usize) {
        let ttl = (self.weather.expiry && self.rng.chance(30)).then_some(Duration::from_secs(60));
        let max_len = (self.weather.destruction && self.rng.chance(10)).then_some(1 + self.rng.below(4) as u64);
        self.publish_with(channel, max_len, ttl);
    }

    /// The same with a time to live.
    pub(super) fn publish_for(&mut self, channel: usize, ttl: Duration) {
        self.publish_with(channel, None, Some(ttl));
    }

    fn publish_with(&mut self, channel: usize, max_len: Option<u64>, ttl: Option<Duration>) {
        let event = self.event();
        let request = PublishRequest { channel: self.names[channel].clone(), event, dedup: None, max_len, ttl };
        let id = self.store.publish_now(&request).unwrap().id;
        self.note(|| format!("publish {channel}: {id} {max_len:?} {ttl:?}"));
        let now = self.store_ms();
        self.truths[channel].published(id, now);
    }

    /// Publishes as anybody may.
    pub(super) fn publish_plain(&mut self, channel: usize) {
        let event = self.event();
        let bell = [Bell::Silent, Bell::Doorbell, Bell::Keyspace][self.rng.below(3)];
        let id = self.store.xadd(&self.names[channel], event, bell);
        self.note(|| format!("xadd {channel}: {id} {bell:?}"));
        let now = self.store_ms();
        self.truths[channel].published(id, now);
    }

    pub(super) fn publish_ephemeral(&mut self, channel: usize) {
        let data = self.event().data;
        self.store.publish_ephemeral(&self.names[channel], data);
    }
}
