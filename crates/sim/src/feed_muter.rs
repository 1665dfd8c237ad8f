//! Lets the feeds of nodes fall mute, or late, where they do ([`crate::mute_feeds`]).

use std::rc::Rc;

use tokio::time::{Duration, Instant, sleep};

use crate::rng::Rng;
use crate::tokens::revoker;
use crate::world::World;

/// How long a spell lasts at most, in milliseconds. At least it lasts a second.
const LASTS_MS: [u64; 3] = [2_000, 6_000, 19_000];

/// How late everything is in a spell in which not nothing comes, at most, in milliseconds.
const LATE_MS: [u64; 3] = [1_000, 3_000, 6_000];

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
