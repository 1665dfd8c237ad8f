//! How often the connection to publish over broke, and what that cost.

use std::time::Duration;

use serde::Serialize;

use super::mended::Mended;
use super::span::Span;

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
