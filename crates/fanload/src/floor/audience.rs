//! Everybody who listens, and what they listen to.

use mio::Registry;
use slab::Slab;

use super::channel::Channel;
use super::frame::{Frame, Framing};
use super::gone::Gone;
use super::id::Id;
use super::request::Request;
use super::subscriber::{Membership, Subscriber};

/// Channels that exist, from index 0.
pub(super) const CHANNELS_MAX: u32 = 1_000_000;
/// Bytes of recent events that are kept for subscribers who come back, over all channels. The newest event of each
/// channel is kept in any case.
const RECENT_MAX: usize = 256 * 1024 * 1024;

/// All subscribers and all channels.
pub(super) struct Audience {
    pub(super) subscribers: Slab<Subscriber>,
    channels: Vec<Channel>,
    recent_bytes: usize,
    start: Id,
    framing: Framing,
}

impl Audience {
    /// Nobody, and channels that begin at `start`.
    pub(super) fn new(start: Id, framing: Framing) -> Self {
        Self { subscribers: Slab::new(), channels: Vec::new(), recent_bytes: 0, start, framing }
    }

    /// One `send` for each listener, and nothing else. `index` is below [`CHANNELS_MAX`].
    pub(super) fn publish(&mut self, index: u32, data: &[u8], now_ms: u64, registry: &Registry) {
        let frame = self.append(index, now_ms, data);
        let mut gone = Vec::new();
        for &slot in &self.channels[index as usize].listeners {
            if let Some(subscriber) = self.subscribers.get_mut(slot as usize)
                && subscriber.send(&frame, registry).is_err()
            {
                gone.push(slot);
            }
        }
        for slot in gone {
            self.close(slot as usize);
        }
    }

    fn append(&mut self, index: u32, now_ms: u64, data: &[u8]) -> Frame {
        let framing = self.framing;
        let frame = self.channel(index).append(now_ms, data, framing);
        self.recent_bytes += frame.len();
        while self.recent_bytes > RECENT_MAX {
            let channel = &mut self.channels[index as usize];
            let held = channel.recent_bytes();
            if !channel.forget_oldest() {
                break;
            }
            self.recent_bytes -= held - channel.recent_bytes();
        }
        frame
    }

    fn channel(&mut self, index: u32) -> &mut Channel {
        let index = index as usize;
        while self.channels.len() <= index {
            self.channels.push(Channel::new(self.start));
        }
        &mut self.channels[index]
    }

    /// Answers with the priming id and what was missed, in one write.
    pub(super) fn subscribe(&mut self, slot: usize, request: &Request, registry: &Registry) -> Result<(), Gone> {
        if request.channels.iter().any(|&channel| channel >= CHANNELS_MAX) {
            return Err(Gone);
        }
        let mut memberships = Vec::with_capacity(request.channels.len());
        for &index in &request.channels {
            let listeners = &mut self.channel(index).listeners;
            memberships.push(Membership { channel: index, place: listeners.len() as u32 });
            listeners.push(slot as u32);
        }
        // A position is one of one channel: streams of several start now.
        let resume = request.resume.as_deref().and_then(Id::parse).filter(|_| request.channels.len() == 1);
        let channel = self.channel(request.channels[0]);
        let (place, missed) = match resume {
            Some(position) => (position, channel.missed_after(position)),
            None => (channel.head, Frame::new()),
        };
        let mut blocks = format!("retry: 2000\nid: {place}\n\n");
        if request.resume.is_none() {
            blocks += &ready(place, &request.names);
        }
        let first = self.framing.block(blocks.into_bytes());
        let Some(subscriber) = self.subscribers.get_mut(slot) else { return Ok(()) };
        subscriber.memberships = memberships;
        subscriber.open(&first, &missed, registry)
    }

    /// Forgets a subscriber. Dropping its socket closes it and ends its registration; a stream is reset.
    pub(super) fn close(&mut self, slot: usize) {
        let Some(subscriber) = self.subscribers.try_remove(slot) else { return };
        for membership in subscriber.memberships {
            let listeners = &mut self.channels[membership.channel as usize].listeners;
            listeners.swap_remove(membership.place as usize);
            let Some(&moved) = listeners.get(membership.place as usize) else { continue };
            let last = listeners.len() as u32;
            let memberships = self.subscribers.get_mut(moved as usize).map(|subscriber| &mut subscriber.memberships);
            let theirs = memberships.into_iter().flatten();
            for theirs in theirs.filter(|each| each.channel == membership.channel && each.place == last) {
                theirs.place = membership.place;
            }
        }
    }

    /// Forgets all streams of a connection.
    pub(super) fn close_session(&mut self, session: usize) {
        let streams = self.subscribers.iter().filter(|(_, subscriber)| subscriber.is_of(session));
        let slots: Vec<usize> = streams.map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| self.close(slot));
    }
}

/// What a node says to clients that bring no position. The names of this tool need no escapes.
fn ready(place: Id, names: &[String]) -> String {
    let names = names.join("\",\"");
    format!("event: $ready\ndata: {{\"position\":\"{place}\",\"channels\":[\"{names}\"]}}\nid: {place}\n\n")
}
