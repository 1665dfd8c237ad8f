//! What became of events when the connection to publish over broke.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// Events that no client can be expected to get, found out after one break. None of them is published again: their numbers
/// are left out, and each of the next events has the next number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// They were sent, but are not in the Stream. (Clients may have seen them, if they were there for a moment.)
    pub unstored: Vec<Span>,
    /// They were in the Stream, and Redis has lost them.
    pub forgotten: Vec<Span>,
    /// They may have been published or not.
    pub unknown: Vec<Span>,
}

/// All breaks of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Breaks {
    /// How often publishing went on over a new connection.
    pub reconnects: u64,
    /// How long it took to get there, in all.
    pub away: Duration,
    /// See [`Mended::unstored`].
    pub unstored: u64,
    /// See [`Mended::forgotten`].
    pub forgotten: u64,
    /// See [`Mended::unknown`].
    pub unknown: u64,
    /// Why it last broke.
    pub why: Option<String>,
}

impl Mended {
    /// All of them, in no order.
    pub fn spans(&self) -> Vec<Span> {
        [self.unstored.as_slice(), &self.forgotten, &self.unknown].concat()
    }
}

impl Breaks {
    /// Adds what one break has cost.
    pub fn add(&mut self, mended: &Mended) {
        let count = |spans: &[Span]| spans.iter().map(|span| span.last - span.first + 1).sum::<u64>();
        self.reconnects += 1;
        self.unstored += count(&mended.unstored);
        self.forgotten += count(&mended.forgotten);
        self.unknown += count(&mended.unknown);
    }
}
