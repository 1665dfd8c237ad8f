//! Who may have how much of the queue's room.
//!
//! A channel may fill the queue only in proportion to what it leaves free, so that a flood on one channel always leaves room for
//! the others, whose messages are few (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
//! 1998). Nothing is taken out of the queue to make room: an event is turned away when it comes. With the queue's room as 1:
//!
//! | while a flood goes on | it holds | free for a channel that holds little |
//! |---|---|---|
//! | ephemeral events of one channel | 1/5 | 4/5 |
//! | ephemeral events of many channels | 1/2 | 1/2 |
//! | entries of one channel | 4/5 | 1/5 |
//! | entries of `n` channels | 4n/(4n+1) | 1/(4n+1) |

use std::collections::HashMap;
use std::ops::AddAssign;

use fanfare_protocol::LogName;
use fanfare_protocol::limits::{
    FEED_QUEUE_MESSAGES_MAX, FEED_SHARE_ENTRIES_FACTOR, FEED_SHARE_EPHEMERALS_ALL_DIVISOR,
    FEED_SHARE_EPHEMERALS_DIVISOR,
};

use super::event::Standing;

/// Room in the queue.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    messages: usize,
    bytes: usize,
}

impl Room {
    fn message(bytes: usize) -> Self {
        Self { messages: 1, bytes }
    }

    fn is_within(self, bound: Self) -> bool {
        self.messages <= bound.messages && self.bytes <= bound.bytes
    }

    fn minus(self, other: Self) -> Self {
        Self { messages: self.messages.saturating_sub(other.messages), bytes: self.bytes.saturating_sub(other.bytes) }
    }

    fn times(self, factor: usize) -> Self {
        Self { messages: self.messages.saturating_mul(factor), bytes: self.bytes.saturating_mul(factor) }
    }
}

impl AddAssign for Room {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

/// What one channel holds.
#[derive(Debug, Default)]
struct Held {
    ephemerals: Room,
    others: Room,
}

/// What is held, by whom.
#[derive(Debug, Default)]
pub(super) struct Shares {
    all: Room,
    ephemerals: Room,
    channels: HashMap<LogName, Held>,
}

impl Shares {
    /// Gives an event of that cost its room in a queue of so many bytes, or says that there is none. What is kept in any case
    /// takes room from the others.
    pub(super) fn admit(&mut self, standing: Standing<'_>, cost: usize, max_bytes: usize) -> bool {
        let message = Room::message(cost);
        let (channel, is_ephemeral) = match standing {
            Standing::Kept => {
                self.all += message;
                return true;
            }
            Standing::Read(channel) => (channel, false),
            Standing::Shed(channel) => (channel, true),
        };
        let room = Room { messages: FEED_QUEUE_MESSAGES_MAX, bytes: max_bytes };
        let free = room.minus(self.all);
        if !message.is_within(free) {
            return false;
        }
        // What would be left: a channel that holds nothing may fill an empty queue with one event.
        let left = free.minus(message);
        let is_welcome = match self.channels.get(channel) {
            None => true,
            Some(held) if is_ephemeral => held.ephemerals.times(FEED_SHARE_EPHEMERALS_DIVISOR).is_within(left),
            Some(held) => held.others.is_within(left.times(FEED_SHARE_ENTRIES_FACTOR)),
        };
        if !is_welcome || is_ephemeral && !self.ephemerals.times(FEED_SHARE_EPHEMERALS_ALL_DIVISOR).is_within(room) {
            return false;
        }
        self.all += message;
        let held = match self.channels.get_mut(channel) {
            Some(held) => held,
            None => self.channels.entry(channel.clone()).or_default(),
        };
        if is_ephemeral {
            self.ephemerals += message;
            held.ephemerals += message;
        } else {
            held.others += message;
        }
        true
    }
}
