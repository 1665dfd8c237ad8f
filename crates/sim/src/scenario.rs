//! What can happen in a world. A quarter of the seeds each, so that whatever is found says which kind of fault it takes.

use fanfare_redis::Pushes;
use tokio::time::Duration;

use crate::eviction::Eviction;
use crate::hardships::Hardships;
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
    /// What Redis may evict.
    pub(crate) eviction: Eviction,
    /// The streams do not exist at first.
    pub(crate) absent_at_first: bool,
    /// The clock of Redis goes back when a replica takes over and when everything is flushed.
    pub(crate) turns_back: bool,
    /// Not even a false gap has a reason otherwise.
    pub(crate) gaps_have_reasons: bool,
    /// How the last event of each channel comes.
    pub(crate) last_events: LastEvents,
    pub(crate) hardships: Hardships,
    pub(crate) verifying: Verifying,
}

/// Which nodes believe no message that brings an entry (`redis.pushes`). Where none does somebody forges them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verifying {
    None,
    /// The first of two: as long as a fleet is half reconfigured.
    One,
    All,
}

impl Verifying {
    /// Two fifths of the seeds, of each kind of world.
    fn of(seed: u64) -> Self {
        match seed % 5 {
            2 => Self::One,
            3 => Self::All,
            _ => Self::None,
        }
    }

    /// What a node believes.
    pub(crate) fn pushes(self, node: usize) -> Pushes {
        match (self, node) {
            (Self::All, _) | (Self::One, 0) => Pushes::Verified,
            _ => Pushes::Trusted,
        }
    }
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
    fn patience(self) -> Duration {
        Duration::from_secs(if self == Self::Silent { 75 } else { 20 })
    }
}

impl Scenario {
    /// How long a client may take to have seen the last event of each of its channels, or to have been told that it cannot, from
    /// when everything works again. A narrow link has to bring what was missed; strangers take their turns beside everybody.
    pub(crate) fn patience(&self) -> Duration {
        let hard = self.hardships.bandwidth.is_some() || self.hardships.hostiles > 0;
        self.last_events.patience() + Duration::from_secs(if hard { 40 } else { 0 })
    }

    pub(crate) fn of(seed: u64, rng: &mut Rng) -> Self {
        // What is drawn apart does not shift the rest of a world.
        let mut apart = Rng::new(seed ^ APART);
        let last_events = [LastEvents::Told, LastEvents::Silent, LastEvents::Unheard][apart.below(3)];
        let turns_back = apart.chance(500);
        let hardships = Hardships::of(seed);
        let chance = |rng: &mut Rng, most: usize| if rng.chance(500) { rng.below(most) } else { 0 };
        let weather = Weather {
            lost_pushes: chance(rng, 300),
            doubled_pushes: chance(rng, 200),
            swapped_pushes: chance(rng, 200),
            late: chance(rng, 100),
            refused: chance(rng, 20),
            refuses_reads: false,
        };
        // Nothing is ever lost, whatever breaks: nobody may be told of a gap.
        let calm = Self {
            weather,
            trims: false,
            failovers: false,
            removals: false,
            eviction: Eviction::Nothing,
            absent_at_first: false,
            turns_back: false,
            gaps_have_reasons: false,
            last_events,
            hardships,
            verifying: Verifying::of(seed),
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
                eviction: evicting(rng.chance(300)),
                absent_at_first: rng.chance(500),
                turns_back,
                last_events: if turns_back && apart.chance(500) { LastEvents::Flushed } else { last_events },
                ..lossy
            },
        };
        let scenario = if hardships.short_lives { scenario.with_short_lives(&mut apart) } else { scenario };
        let promised = Eviction::promised(seed, hardships);
        let scenario = promised.map_or(scenario, |eviction| scenario.with_promise(eviction, lossy));
        // Of an event over the limit everybody is told.
        let gaps_have_reasons = scenario.gaps_have_reasons || hardships.sizes;
        let scenario = Self { gaps_have_reasons, ..scenario };
        // Where streams are evicted messages are evidence: one that is lost or late without any sign can hide an event that
        // was evicted before the next comparison (docs/decisions/0009). The same goes for what is added by plain commands to a
        // stream that is about to expire.
        let evident = Weather { lost_pushes: 0, swapped_pushes: 0, ..weather };
        let is_evidence = scenario.takes_messages_for_evidence() || hardships.short_lives;
        if is_evidence { Self { weather: evident, ..scenario } } else { scenario }
    }

    /// The same where the operator makes a promise. Nothing else is lost where that is broken.
    fn with_promise(self, eviction: Eviction, lossy: Self) -> Self {
        if eviction.is_broken() { Self { eviction, absent_at_first: true, ..lossy } } else { Self { eviction, ..self } }
    }

    /// Whether messages are the only evidence of streams that were evicted (docs/decisions/0009, 0034).
    pub(crate) fn takes_messages_for_evidence(&self) -> bool {
        self.evicts() || self.eviction.is_broken()
    }

    /// Whether a node may have seen a promise broken: by who does not keep it, or because a stream was gone when it looked, or somebody forged
    /// the message of one, which it cannot tell apart.
    pub(crate) fn may_break_a_promise(&self) -> bool {
        self.eviction.is_broken() || self.removals || self.failovers || self.verifying == Verifying::All
    }

    /// Whether Redis may evict any stream.
    pub(crate) fn evicts(&self) -> bool {
        self.eviction == Eviction::Anything
    }

    /// The same where streams come and go.
    fn with_short_lives(self, apart: &mut Rng) -> Self {
        let late_expiries = self.hardships.late_expiries;
        Self {
            trims: false,
            failovers: apart.chance(150) && !late_expiries,
            removals: true,
            eviction: evicting(apart.chance(250) && !late_expiries),
            absent_at_first: apart.chance(500),
            turns_back: false,
            gaps_have_reasons: true,
            last_events: [LastEvents::Told, LastEvents::Silent, LastEvents::Unheard][apart.below(3)],
            ..self
        }
    }
}

fn evicting(evicts: bool) -> Eviction {
    if evicts { Eviction::Anything } else { Eviction::Nothing }
}
