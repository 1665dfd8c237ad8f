//! Breaks things, one after the other.

use std::rc::Rc;

use tokio::time::{Duration, sleep};

use crate::redis::Destruction;
use crate::rng::Rng;
use crate::world::World;

/// Injects faults until it is told to stop.
pub(crate) async fn run(world: Rc<World>, mut rng: Rng) {
    let pace = [500, 2_000, 8_000][rng.below(3)] * world.scenario.hardships.slowness();
    while !world.is_quiet() {
        sleep(rng.up_to_ms(pace)).await;
        if world.is_hushed() {
            continue;
        }
        match rng.below(20) {
            0..4 => world.redis.lock().cut(false),
            4 => world.redis.lock().cut(true),
            5..7 => world.redis.lock().silence(rng.up_to_ms(8_000)),
            7 => world.redis.lock().freeze(rng.up_to_ms(4_000)),
            8 => world.redis.lock().go_down(rng.up_to_ms(4_000)),
            // A node that restarts forgets who has broken a promise.
            9 | 10 if world.scenario.eviction.is_broken() => {}
            9 => restart(&world, &mut rng).await,
            10 => deploy(&world, &mut rng).await,
            11..13 => world.redis.lock().replicate(),
            _ => destroy(&world, &mut rng),
        }
    }
}

/// The memory of Redis is full, now and then.
pub(crate) async fn fill_up(world: Rc<World>, mut rng: Rng) {
    loop {
        sleep(rng.up_to_ms(6_000)).await;
        world.redis.lock().fill_up(true);
        sleep(rng.up_to_ms(4_000)).await;
        world.redis.lock().fill_up(false);
    }
}

/// A node is killed and comes back.
async fn restart(world: &World, rng: &mut Rng) {
    let number = rng.below(world.nodes.len());
    world.trace.note(|| format!("node {number} is killed"));
    world.nodes[number].kill();
    sleep(rng.up_to_ms(3_000)).await;
    world.trace.note(|| format!("node {number} starts"));
    world.nodes[number].start(rng.number());
}

/// A node is drained and replaced.
async fn deploy(world: &World, rng: &mut Rng) {
    let number = rng.below(world.nodes.len());
    world.trace.note(|| format!("node {number} drains"));
    world.nodes[number].drain();
    sleep(Duration::from_secs(3)).await;
    world.nodes[number].start(rng.number());
}

fn destroy(world: &World, rng: &mut Rng) {
    let scenario = world.scenario;
    let mut redis = world.redis.lock();
    let channel = world.channels[rng.below(world.channels.len())].as_str();
    match rng.below(8) {
        0..2 if scenario.trims => redis.destroy(channel, Destruction::Trim),
        2..4 if scenario.trims => redis.destroy(channel, Destruction::Retract),
        4..6 if scenario.failovers => redis.fail_over(rng.up_to_ms(3_000)),
        6 if scenario.removals && !scenario.hardships.short_lives => redis.destroy(channel, Destruction::Delete),
        7 if scenario.removals && rng.chance(300) => redis.destroy(channel, Destruction::FlushAll),
        5 if scenario.evicts() => redis.destroy(channel, Destruction::Evict),
        _ => {}
    }
}
