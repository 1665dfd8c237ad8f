//! The one publisher who does not keep the promise that no stream expires: what he publishes is evicted, at once or as soon as nodes may have
//! looked at it.
//!
//! Where a node has heard of it, it has to tell whoever waits there, or comes there with an absence from before. That is only judged
//! where every node has heard: none tells another. So nothing breaks for some seconds around it, and if one of the nodes does not follow
//! the channel, or its connections are not well, the eviction is the operator's fault alone. No node restarts in such a world: it would forget.

use std::rc::Rc;

use fanfare_oracle::IncarnationEnd;
use fanfare_protocol::ChannelName;
use tokio::time::{Duration, sleep};

use crate::PREFIX;
use crate::redis::Destruction;
use crate::rng::Rng;
use crate::world::World;

/// How long a message is on its way at most.
const HEARD: Duration = Duration::from_millis(500);

/// How long a node may take to look for what it has heard of, tries that Redis refuses included.
const LOOKED: Duration = Duration::from_secs(3);

/// Breaks the promise, again and again, on channels on which nobody else publishes.
pub(crate) async fn run(world: Rc<World>, mut rng: Rng) {
    for count in 0.. {
        sleep(rng.up_to_ms(5_000)).await;
        let left_alone: Vec<_> = world.left_alone().collect();
        let channel = left_alone[rng.below(left_alone.len())];
        world.hush(true);
        break_on(&world, channel, count, &mut rng).await;
        world.hush(false);
    }
}

async fn break_on(world: &World, channel: &ChannelName, count: usize, rng: &mut Rng) {
    // What was broken before is over.
    sleep(HEARD).await;
    let name = channel.as_str();
    if !world.redis.lock().is_up() {
        return;
    }
    let hear = world.redis.lock().all_hear(name);
    let (key, data) = (format!("{PREFIX}{channel}"), format!("{channel} broken.{count}"));
    world.redis.command(&["EVAL", "", "1", &key, "DATA", &data, "MAXLEN", "100", "TTL", "60"]);
    sleep([Duration::ZERO, rng.up_to_ms(6), rng.up_to_ms(2_000)][rng.below(3)]).await;
    let number = world.record.present(name);
    world.redis.lock().destroy(name, Destruction::EvictUnseen);
    sleep(HEARD).await;
    let have_heard = hear.is_some() && world.redis.lock().all_hear(name) == hear;
    sleep(LOOKED).await;
    if have_heard {
        world.record.amend_end(name, number, IncarnationEnd::Expired);
        world.note_broken(channel);
    }
}
