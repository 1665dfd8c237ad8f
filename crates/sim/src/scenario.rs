//! What can happen in a world. A quarter of the seeds each, so that whatever is found says which kind of fault it takes.

use tokio::time::Duration;

use crate::redis::Weather;
use crate::rng::Rng;

/// Makes another seed of a seed.
const APART: u64 = 0x00C1_0C45;

/// What can go wrong in one world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
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
    /// The clock of Redis goes back when a replica takes over and when everything is flushed.
    pub(crate) turns_back: bool,
    /// Not even a false gap has a reason otherwise.
    pub(crate) gaps_have_reasons: bool,
    /// How the last event of each channel comes.
    pub(crate) last_events: LastEvents,
}

/// How the last event of each channel comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastEvents {
    /// With its message.
    Told,
    /// Its messages may be lost, and no later one reveals that: the comparison that is made from time to time does.
    Silent,
    /// While no node reaches Redis: the comparison after the reconnect reveals it.
    Unheard,
    /// With its message, right after everything was flushed and the clock went back: its id is below the nodes' heads.
    Flushed,
}

impl LastEvents {
    /// How long clients may take to see the last events from when everything works again: until a node has reconnected and
    /// the archive has rested, or two intervals of the comparison.
    pub(crate) fn patience(self) -> Duration {
        Duration::from_secs(if self == Self::Silent { 75 } else { 20 })
    }
}

impl Scenario {
    pub(crate) fn of(seed: u64, rng: &mut Rng) -> Self {
        // What is drawn apart does not shift the rest of a world.
        let mut apart = Rng::new(seed ^ APART);
        let last_events = [LastEvents::Told, LastEvents::Silent, LastEvents::Unheard][apart.below(3)];
        let turns_back = apart.chance(500);
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
            turns_back: false,
            gaps_have_reasons: false,
            last_events,
        };
        let lossy = Self { gaps_have_reasons: true, ..calm };
        let scenario = match seed % 4 {
            0 => calm,
            1 => Self { trims: true, ..lossy },
            2 => Self { failovers: true, trims: rng.chance(500), turns_back, ..lossy },
            _ => Self {
                trims: true,
                failovers: rng.chance(300),
                removals: true,
                evicts: rng.chance(300),
                absent_at_first: rng.chance(500),
                turns_back,
                last_events: if turns_back && apart.chance(500) { LastEvents::Flushed } else { last_events },
                ..lossy
            },
        };
        // Where streams are evicted messages are evidence: one that is lost or late without any sign can hide an event that
        // was evicted before the next comparison (docs/decisions/0009).
        let evident = Weather { lost_pushes: 0, swapped_pushes: 0, ..weather };
        if scenario.evicts { Self { weather: evident, ..scenario } } else { scenario }
    }
}
