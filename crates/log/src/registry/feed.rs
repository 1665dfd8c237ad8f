//! What the feed says: pushes, doorbells, acknowledgements.

use std::cmp::Reverse;
use std::sync::Arc;

use fanfare_protocol::{ChannelName, Entry, Event, Frame, Position, Push};
use tokio::time::Instant;

use super::Registry;
use super::timers::Timer;
use crate::feed::{FeedBatch, FeedEvent};
use crate::tail::Tail;

impl Registry {
    /// Takes in everything that the feed delivered since the last turn.
    pub fn on_feed(&mut self, batch: FeedBatch, now: Instant) {
        // First: what was dropped may have come before any of these, and a push must not be taken for the next one then.
        for name in batch.overflowed {
            self.stats.overflows.add(1);
            if let Some(log) = self.by_name.get(&name).and_then(|key| self.logs.get_mut(key)) {
                log.doubt();
            }
            self.ring(&name);
        }
        for event in batch.events {
            match event {
                FeedEvent::Connected => {
                    self.stats.connected.set(1);
                    self.stats.connects.add(1);
                }
                FeedEvent::Disconnected => {
                    self.stats.connected.set(0);
                    for log in self.logs.values_mut() {
                        log.subscribed = false;
                        log.doubt();
                    }
                }
                FeedEvent::Subscribed(names) => self.on_subscribed(&names),
                FeedEvent::Refused { channels, detail } => self.on_refused(&channels, &detail),
                FeedEvent::Push { channel, push } => self.on_push(&channel, push),
                FeedEvent::KeyspaceAdd { channel } => self.on_keyspace_add(&channel, now),
                FeedEvent::Probe => {
                    let since = now.saturating_duration_since(self.began).as_millis();
                    self.stats.proven_ms.set(u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1));
                }
            }
        }
    }

    /// A subscription was acknowledged: whatever is published from now on arrives. What the stream holds now is the log's
    /// beginning, or, after a reconnect, is compared with its head.
    fn on_subscribed(&mut self, names: &[ChannelName]) {
        for name in names {
            let Some(&key) = self.by_name.get(name) else { continue };
            let Some(log) = self.logs.get_mut(&key) else { continue };
            log.subscribed = true;
            log.doubt();
            self.accept(key);
            self.queue_tip(key);
        }
    }

    fn on_refused(&mut self, names: &[ChannelName], detail: &str) {
        for name in names {
            if let Some(&key) = self.by_name.get(name) {
                self.refuse(key, detail);
            }
        }
    }

    /// Tells the readers of a channel why it cannot be followed.
    pub(super) fn refuse(&mut self, key: usize, detail: &str) {
        let Some(log) = self.logs.get(&key) else { return };
        if log.channel.lock().refusal.replace(Arc::from(detail)).is_none() {
            self.stats.refused.add(1);
        }
        self.mark(key);
    }

    /// Takes a refusal back.
    pub(super) fn accept(&mut self, key: usize) {
        let Some(log) = self.logs.get(&key) else { return };
        if log.channel.lock().refusal.take().is_some() {
            self.stats.refused.set(self.stats.refused.get().saturating_sub(1));
        }
    }

    fn on_push(&mut self, name: &ChannelName, push: Push) {
        match push {
            Push::Entry(entry) => self.on_entry(name, &entry),
            Push::Ephemeral(event) => self.on_ephemeral(name, &event),
            Push::Doorbell => self.ring(name),
            Push::Malformed => {
                self.stats.malformed.add(1);
                self.ring(name);
            }
        }
    }

    /// The append rule: only what provably follows the head goes in; only what is certainly here is dropped.
    fn on_entry(&mut self, name: &ChannelName, entry: &Entry) {
        let Some(&key) = self.by_name.get(name) else { return };
        let Some(log) = self.logs.get_mut(&key) else { return };
        self.stats.pushes.add(1);
        let shared = log.channel.lock();
        let known = shared.tail.as_ref().map(|tail| {
            let here = tail.head() == Position::At(entry.id) || tail.contains(entry.id);
            (here, log.follows(tail, entry.id, entry.prev))
        });
        drop(shared);
        match known {
            Some((true, _)) => self.stats.duplicates.add(1),
            Some((false, true)) => {
                log.awaited = log.awaited.saturating_sub(1);
                self.append(key, None, [(entry.id, Frame::entry(entry.id, &entry.event))]);
            }
            _ => self.ring_key(key),
        }
    }

    fn on_ephemeral(&mut self, name: &ChannelName, event: &Event) {
        let Some(&key) = self.by_name.get(name) else { return };
        self.stats.ephemerals.add(1);
        self.append_ephemeral(key, Frame::ephemeral(event));
    }

    fn on_keyspace_add(&mut self, name: &ChannelName, now: Instant) {
        let Some(&key) = self.by_name.get(name) else { return };
        let Some(log) = self.logs.get_mut(&key) else { return };
        log.awaited += 1;
        if matches!(log.channel.lock().tail.as_ref().map(Tail::head), Some(Position::Absent { .. })) {
            log.rang();
        }
        if log.awaited == 1 {
            self.timers.push(Reverse((now + self.options.keyspace_grace, key, Timer::Keyspace)));
        }
    }

    fn ring(&mut self, name: &ChannelName) {
        if let Some(&key) = self.by_name.get(name) {
            self.ring_key(key);
        }
    }

    /// Something was published that is not here.
    pub(super) fn ring_key(&mut self, key: usize) {
        self.stats.doorbells.add(1);
        if let Some(log) = self.logs.get_mut(&key) {
            log.rang();
        }
        self.queue_dirty(key);
    }

    pub(super) fn mark(&mut self, key: usize) {
        if let Some(log) = self.logs.get(&key) {
            self.hub.notify_cores(&log.channel, &mut self.wake);
        }
    }
}
