//! What happens only where feeds fall mute: the connection of a node's feed stands and brings nothing for seconds, or brings everything late
//! and in order, so that a probe which comes back is old. Meanwhile events are published, clients come and are served from the archive, and
//! their tokens are revoked: a node has nothing but the age of its last proof to know by that it may not know what is revoked.
//!
//! Which worlds are so is drawn from a stream of random numbers of its own.

use std::rc::Rc;

use tokio::time::{Duration, Instant, sleep};

use crate::rng::Rng;
use crate::tokens::revoker;
use crate::world::World;

/// Makes another seed of a seed. The number is one with which the seeds that tests keep for what they have met have no such feeds.
const APART: u64 = 0x0003_91EB;

/// How long a probe may be under way before the node gives its connection up, where feeds fall mute: as in the product, or longer than any
/// spell lasts.
const PROBE_TIMEOUTS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(40)];

/// How long a spell lasts at most, in milliseconds. At least it lasts a second.
const LASTS_MS: [u64; 3] = [2_000, 6_000, 19_000];

/// How late everything is in a spell in which not nothing comes, at most, in milliseconds.
const LATE_MS: [u64; 3] = [1_000, 3_000, 6_000];

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

/// Lets a feed fall mute, or be late, again and again until the faults are over. Tokens are revoked more often meanwhile.
pub(crate) async fn run(world: Rc<World>, clients: usize, mut rng: Rng) {
    let Some(access) = &world.access else { return };
    while !world.is_quiet() {
        sleep(rng.up_to_ms(3_000)).await;
        let longest = LASTS_MS[rng.below(LASTS_MS.len())];
        let lasts = Duration::from_secs(1) + rng.up_to_ms(longest);
        let latest = LATE_MS[rng.below(LATE_MS.len())];
        let late_by = rng.chance(500).then(|| Duration::from_millis(500) + rng.up_to_ms(latest));
        world.redis.lock().hold_up_feed(rng.below(world.nodes.len()), lasts, late_by);
        let ends = Instant::now() + lasts + late_by.unwrap_or_default();
        while Instant::now() < ends && !world.is_quiet() {
            sleep(rng.up_to_ms(2_000)).await;
            revoker::revoke_one(&world, access, clients, &mut rng).await;
        }
    }
}
