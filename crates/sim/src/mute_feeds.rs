//! What happens only where feeds fall mute: the connection of a node's feed stands and brings nothing for seconds, or brings everything late
//! and in order, so that a probe which comes back is old. Meanwhile events are published, clients come and are served from the archive, and
//! their tokens are revoked ([`crate::feed_muter`]): a node has nothing but the age of its last proof to know by that it may not know what is revoked.
//!
//! Which worlds are so is drawn from a stream of random numbers of its own.

use tokio::time::Duration;

use crate::rng::Rng;

/// Makes another seed of a seed. The number is one with which the seeds that tests keep for what they have met have no such feeds.
const APART: u64 = 0x0003_91EB;

/// How long a probe may be under way before the node gives its connection up, where feeds fall mute: as in the product, or longer than any
/// spell lasts.
const PROBE_TIMEOUTS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(40)];

/// How long a client stays at most, in milliseconds: who is there follows the tail, which such a feed does not fill.
pub(crate) const STAYS_MS: u64 = 2_500;

/// Feeds that fall mute, in one world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MuteFeeds {
    pub(crate) probe_timeout: Duration,
}

impl MuteFeeds {
    /// Those of a world in which clients have tokens; half of these have none.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        let mut rng = Rng::new(seed ^ APART);
        rng.chance(500).then(|| Self { probe_timeout: PROBE_TIMEOUTS[rng.below(2)] })
    }
}
