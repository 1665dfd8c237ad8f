//! Expiries with an event on its way: a plain producer adds to a stream right before it expires, and its doorbell comes when the nodes have long
//! found no stream.
//!
//! Meanwhile everything that a feed brings is late by the same time. So probes come back that were sent before the event was announced, when the
//! stream is gone: they prove nothing about it. Nothing else breaks around such an expiry, since a gap that has another reason hides whether
//! this one was believed.

use std::rc::Rc;

use fanfare_protocol::ChannelName;
use tokio::time::{Duration, sleep};

use crate::publisher::{self, PublishMethod};
use crate::rng::Rng;
use crate::world::World;

/// How long the publishing function lets a stream live after its last entry, in milliseconds. One that ends sooner was added to by somebody
/// else, and its end is no expiry to a node.
const LIFE_MS: u64 = 60_000;

/// How late a feed is at least, and how much more at most, in milliseconds: long enough for two comparisons, and shorter than a probe may take.
const LATE_MIN: Duration = Duration::from_millis(1_300);
const LATER_MS: u64 = 1_400;

/// How long before the expiry the feeds are late, and how long before that nothing breaks any more: until all has been mended.
const STEADY: Duration = Duration::from_secs(1);
const MENDED: Duration = Duration::from_secs(3);

/// How long before the expiry the event is added, at most, in milliseconds: no comparison finds it.
const EARLY_MS: u64 = 30;

/// Lets events be on their way when streams expire, until the faults are over.
pub(crate) async fn run(world: Rc<World>, mut rng: Rng) {
    for count in 0.. {
        let late_by = LATE_MIN + rng.up_to_ms(LATER_MS);
        let lead = MENDED + STEADY;
        let left = |channel: &ChannelName| expires_in(&world, channel).and_then(|left| left.checked_sub(lead));
        let next = world.channels.iter().filter_map(|channel| Some((left(channel)?, channel))).min();
        match next {
            Some((left, channel)) if left <= MENDED => {
                sleep(left).await;
                world.hush(true);
                sleep(MENDED).await;
                let_expire(&world, channel, late_by, count, &mut rng).await;
                world.hush(false);
            }
            _ => sleep(rng.up_to_ms(1_000)).await,
        }
    }
}

/// How long a stream has still to live that expires when its newest entry is as old as the publishing function says.
fn expires_in(world: &World, channel: &ChannelName) -> Option<Duration> {
    let redis = world.redis.lock();
    let left = redis.expires_in(channel.as_str())?;
    let newest = *redis.ids_of(channel.as_str()).last()?;
    let ends_ms = redis.now_ms() + u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    (ends_ms >= newest.ms + LIFE_MS).then_some(left)
}

async fn let_expire(world: &World, channel: &ChannelName, late_by: Duration, count: usize, rng: &mut Rng) {
    let early = Duration::from_millis(1) + rng.up_to_ms(EARLY_MS);
    let Some(left) = expires_in(world, channel).and_then(|left| left.checked_sub(early)) else { return };
    for node in 0..world.nodes.len() {
        world.redis.lock().hold_up_feed(node, left + 2 * late_by, Some(late_by));
    }
    sleep(left).await;
    let is_close = expires_in(world, channel).is_some_and(|left| left <= early);
    if world.is_quiet() || !is_close || !world.redis.lock().is_up() {
        return;
    }
    world
        .trace
        .note(|| format!("{channel} is added to {early:?} before it expires, and {late_by:?} late that is told"));
    world.note_late_expiry();
    publisher::add(world, channel, &format!("{channel} late.{count}"), Some(PublishMethod::Doorbell), rng);
    sleep(2 * late_by).await;
}
