//! What can happen in a world. A quarter of the seeds each, so that whatever is found says which kind of trouble it takes.

use crate::redis::Weather;
use crate::rng::Rng;

/// The kinds of trouble of one world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Climate {
    pub(crate) weather: Weather,
    /// Entries are trimmed, retracted or too large.
    pub(crate) trims: bool,
    /// A replica takes over without the newest entries.
    pub(crate) failovers: bool,
    /// Streams are deleted, expire, are flushed.
    pub(crate) removals: bool,
    /// Redis may evict streams.
    pub(crate) evicts: bool,
    /// The streams do not exist at first.
    pub(crate) absent_at_first: bool,
    /// Not even a false gap has a reason otherwise.
    pub(crate) gaps_have_reasons: bool,
}

impl Climate {
    pub(crate) fn of(seed: u64, rng: &mut Rng) -> Self {
        let chance = |rng: &mut Rng, most: usize| if rng.chance(500) { rng.below(most) } else { 0 };
        let weather = Weather {
            lost_pushes: chance(rng, 300),
            doubled_pushes: chance(rng, 200),
            swapped_pushes: chance(rng, 200),
            late: chance(rng, 100),
            refused: chance(rng, 20),
        };
        // Nothing is ever lost, whatever breaks: nobody may be told of a gap.
        let calm = Self {
            weather,
            trims: false,
            failovers: false,
            removals: false,
            evicts: false,
            absent_at_first: false,
            gaps_have_reasons: false,
        };
        let lossy = Self { gaps_have_reasons: true, ..calm };
        let climate = match seed % 4 {
            0 => calm,
            1 => Self { trims: true, ..lossy },
            2 => Self { failovers: true, trims: rng.chance(500), ..lossy },
            _ => Self {
                trims: true,
                failovers: rng.chance(300),
                removals: true,
                evicts: rng.chance(300),
                absent_at_first: rng.chance(500),
                ..lossy
            },
        };
        // Where streams are evicted messages are evidence: one that is lost or late without any sign can hide an event that
        // was evicted before the next comparison (docs/decisions/0009).
        let evident = Weather { lost_pushes: 0, swapped_pushes: 0, ..weather };
        if climate.evicts { Self { weather: evident, ..climate } } else { climate }
    }
}
