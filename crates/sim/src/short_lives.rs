//! What happens only where streams come and go: everything that makes an absence look like an expiry, or an expiry like an absence.

use std::rc::Rc;

use tokio::time::{Duration, sleep, sleep_until};

use crate::publisher::{self, PublishMethod};
use crate::redis::Destruction;
use crate::rng::Rng;
use crate::world::World;

/// How long the archive is away at least: longer than what a stream lives at least, and that is what absence proves.
const AWAY: Duration = Duration::from_secs(64);

/// How young the newest entry of a stream is that is deleted, in milliseconds. One that has outlived its time when it is missed is
/// gone as if it had expired, and nobody can tell the difference.
const DELETED_YOUNG_MS: u64 = 10_000;

/// Adds to streams right before they expire, by plain commands, as nobody should. A lagging feed brings its doorbell behind the
/// expiry; a feed that was cut off right before brings none.
pub(crate) async fn add_at_the_last_moment(world: Rc<World>, mut rng: Rng) {
    let lag_ms = world.scenario.hardships.feed_lag_ms;
    for count in 0.. {
        let within = [100, 100 + lag_ms / 2, 1_500 + lag_ms][rng.below(3)];
        let early = Duration::from_millis(1) + rng.up_to_ms(within);
        let left = |name: &str| world.redis.lock().expires_in(name).and_then(|left| left.checked_sub(early));
        let next = world.channels.iter().filter_map(|channel| Some((left(channel.as_str())?, channel))).min();
        let Some((left, channel)) = next.filter(|_| !world.is_quiet()) else {
            sleep(rng.up_to_ms(5_000)).await;
            continue;
        };
        sleep(left).await;
        let is_close = world.redis.lock().expires_in(channel.as_str()).is_some_and(|left| left <= early);
        if world.is_quiet() || !is_close || !world.redis.lock().is_up() || rng.chance(150) {
            continue;
        }
        if lag_ms == 0 || rng.chance(250) {
            world.redis.lock().cut(true);
        }
        world.trace.note(|| format!("{channel} is added to {early:?} before it expires"));
        publisher::add(&world, channel, &format!("{channel} late.{count}"), Some(PublishMethod::Doorbell), &mut rng);
    }
}

/// Refuses every read for longer than an absence proves anything, and loses what the publishing function says meanwhile: from the
/// middle of a season on, so that nobody but the archive could tell of the rest of it.
pub(crate) async fn refuse_reads(world: Rc<World>, mut rng: Rng) {
    if rng.chance(600) {
        return;
    }
    while let Some((_, begins)) = world.seasons.next() {
        sleep_until(begins + rng.up_to_ms(1_500)).await;
        world.redis.lock().refuse_reads(true);
        sleep(AWAY + rng.up_to_ms(12_000)).await;
        world.redis.lock().refuse_reads(false);
        sleep(rng.up_to_ms(20_000)).await;
    }
}

/// Evicts streams, or deletes them.
pub(crate) async fn destroy(world: Rc<World>, mut rng: Rng) {
    loop {
        sleep(rng.up_to_ms(20_000)).await;
        let channel = world.channels[rng.below(world.channels.len())].as_str();
        let newest = world.redis.lock().ids_of(channel).last().copied();
        match newest {
            None if world.scenario.evicts() => come_and_go(&world, channel, &mut rng).await,
            Some(_) if world.scenario.evicts() => world.redis.lock().destroy(channel, Destruction::Evict),
            Some(id) if rng.chance(200) => {
                let mut redis = world.redis.lock();
                if redis.now_ms() < id.ms + DELETED_YOUNG_MS && !redis.weather.refuses_reads {
                    redis.destroy(channel, Destruction::Delete);
                }
            }
            _ => {}
        }
    }
}

/// The nodes are cut off, and before they have compared anything a stream has come and gone, some times.
async fn come_and_go(world: &World, name: &str, rng: &mut Rng) {
    let Some(channel) = world.channels.iter().find(|channel| channel.as_str() == name) else { return };
    world.redis.lock().cut(true);
    for count in 0..2 + rng.below(6) {
        if world.redis.lock().is_up() {
            let data = format!("{channel} brief.{}.{count}", rng.number());
            publisher::add(world, channel, &data, Some(PublishMethod::Function), rng);
            world.redis.lock().destroy(name, Destruction::Evict);
        }
        sleep(rng.up_to_ms(80)).await;
    }
}
