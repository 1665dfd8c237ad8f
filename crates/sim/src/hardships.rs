//! What makes a world hard beside its faults: a link that is narrow or brings the feed late, large events, a full memory, strangers,
//! and time enough for streams to expire.
//!
//! All of it is drawn from a stream of random numbers of its own: half of all seeds have none of it, and are the worlds that they
//! would be without this file.

use tokio::time::Duration;

use crate::rng::Rng;

/// Makes another seed of a seed. The number is one with which the seeds that tests keep for what they have met have no hardships.
const APART: u64 = 0x107E;

/// The same, for whether expiries have an event on its way, which none of those seeds has.
const LATE_EXPIRIES: u64 = 0x00E4_D1E5;

/// What makes one world hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hardships {
    /// Bytes per second that Redis can send on one connection.
    pub(crate) bandwidth: Option<u64>,
    /// Messages arrive up to so many milliseconds later than answers that Redis gave after them.
    pub(crate) feed_lag_ms: u64,
    /// The time between two probes of the feed; `None`: the product's. A shorter one than the feed lags has several under way at once.
    pub(crate) probe_interval: Option<Duration>,
    /// Events have 10 B to 20 MB.
    pub(crate) sizes: bool,
    /// Redis reaches its `maxmemory` now and then.
    pub(crate) fills_up: bool,
    /// Strangers who ask for whatever costs the most.
    pub(crate) hostiles: usize,
    /// Most streams live for a minute, and the world lasts for some.
    pub(crate) short_lives: bool,
    /// Expiries of those have an event on its way ([`crate::late_expiries`]).
    pub(crate) late_expiries: bool,
}

impl Hardships {
    pub(crate) fn of(seed: u64) -> Self {
        let drawn = Self::drawn(seed);
        let mut rng = Rng::new(seed ^ LATE_EXPIRIES);
        if drawn.short_lives && rng.chance(250) { drawn.with_late_expiries(&mut rng) } else { drawn }
    }

    /// The same where the feed is late as a whole, and only around expiries. It is probed so often that several probes are under way then.
    fn with_late_expiries(self, rng: &mut Rng) -> Self {
        let probe_interval = Some(Duration::from_millis([200, 500][rng.below(2)]));
        Self { feed_lag_ms: 0, probe_interval, late_expiries: true, ..self }
    }

    fn drawn(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ APART);
        let kind = rng.below(100);
        let lag = |rng: &mut Rng, permille| if rng.chance(permille) { [300, 1_000, 2_500][rng.below(3)] } else { 0 };
        let narrow = |rng: &mut Rng, permille, rates: [u64; 3]| rng.chance(permille).then(|| rates[rng.below(3)]);
        match kind {
            0..50 => Self::default(),
            50..62 => {
                let feed_lag_ms = [0, 1_000, 2_500, 2_500][rng.below(4)];
                let probe_interval =
                    [None, Some(Duration::from_millis(200)), Some(Duration::from_millis(500))][rng.below(3)];
                Self { short_lives: true, feed_lag_ms, probe_interval, ..Self::default() }
            }
            62..79 => Self::default(),
            79..86 => Self {
                hostiles: 1 + rng.below(2),
                feed_lag_ms: lag(&mut rng, 300),
                bandwidth: narrow(&mut rng, 300, [400_000, 1_000_000, 4_000_000]),
                fills_up: rng.chance(200),
                ..Self::default()
            },
            86..89 => Self {
                sizes: true,
                feed_lag_ms: lag(&mut rng, 300),
                bandwidth: narrow(&mut rng, 700, [200_000, 1_000_000, 20_000_000]),
                fills_up: rng.chance(300),
                ..Self::default()
            },
            _ => Self {
                feed_lag_ms: lag(&mut rng, 500),
                bandwidth: narrow(&mut rng, 500, [5_000, 20_000, 100_000]),
                fills_up: rng.chance(500),
                ..Self::default()
            },
        }
    }

    /// How long a world lasts until its faults end, of what was drawn: long enough for streams to expire where they do.
    pub(crate) fn lasts(self, drawn: Duration) -> Duration {
        if self.short_lives { Duration::from_secs(80) + 3 * drawn } else { Duration::from_secs(5) + drawn }
    }

    /// How many times longer everything lasts than in a world without hardships.
    pub(crate) fn slowness(self) -> u64 {
        if self.short_lives { 6 } else { 1 }
    }

    /// The nodes' limit on the data of an event, in bytes. A narrow link can carry a few such events within a command's deadline.
    pub(crate) fn event_bytes(self) -> usize {
        let of_link = self.bandwidth.map_or(1 << 20, |rate| usize::try_from(rate / 4).unwrap_or(1 << 20).min(1 << 20));
        if self.sizes {
            of_link
        } else if self.hostiles > 0 {
            2_000
        } else {
            200
        }
    }
}
