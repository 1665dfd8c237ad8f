//! Events that follow each other.

use serde::{Deserialize, Serialize};

use super::event::Event;

/// A run of events of one channel, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The index of the channel.
    pub channel: u32,
    /// The first number.
    pub first: u64,
    /// The last number, inclusive.
    pub last: u64,
}

impl Span {
    /// Events as runs of numbers, by channel.
    pub(super) fn of(mut events: Vec<Event>) -> Vec<Self> {
        events.sort_unstable_by_key(|event| (event.channel, event.number));
        let mut spans: Vec<Self> = Vec::new();
        for Event { channel, number } in events {
            match spans.last_mut() {
                Some(span) if span.channel == channel && span.last + 1 == number => span.last = number,
                _ => spans.push(Self { channel, first: number, last: number }),
            }
        }
        spans
    }
}
