//! Everybody who publishes: with the function, with plain commands, through a node.

use std::rc::Rc;

use bytes::Bytes;
use fanfare_log::PublishRequest;
use fanfare_protocol::{ChannelName, Event};
use tokio::time::sleep;

use crate::PREFIX;
use crate::payload;
use crate::rng::Rng;
use crate::world::World;

/// Publishes until the faults are over.
pub(crate) async fn run(world: Rc<World>, number: usize, mut rng: Rng) {
    for count in 0.. {
        sleep(rng.up_to_ms(700)).await;
        if world.is_quiet() {
            return;
        }
        let index = rng.below(world.channels.len());
        if !world.seasons.is_on(index) || world.is_left_alone(index) {
            continue;
        }
        let channel = world.channels[index].clone();
        let data = format!("{channel} {number}.{count}");
        match rng.below(20) {
            0 => {
                for part in 0..rng.below(60) {
                    store(&world, &channel, &format!("{data}.{part}"), &mut rng);
                }
            }
            1..3 => {
                let _ = world.redis.command(&["PUBLISH", &format!("{PREFIX}{channel}"), "ephemeral"]);
            }
            3 => through_a_node(&world, &channel, &data, &mut rng).await,
            4 if world.scenario.trims => store(&world, &channel, &format!("{data} {}", "x".repeat(300)), &mut rng),
            5..9 if world.scenario.hardships.sizes => {
                let data = payload::sized(&data, world.draw_size());
                store(&world, &channel, &data, &mut rng);
            }
            _ => store(&world, &channel, &data, &mut rng),
        }
    }
}

/// How a durable event gets into Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishMethod {
    /// `XADD`, of which no message tells.
    Bare,
    /// `XADD` with a doorbell.
    Doorbell,
    /// The publishing function.
    Function,
}

/// Publishes one durable event in one of the ways, if Redis answers.
pub(crate) fn store(world: &World, channel: &ChannelName, data: &str, rng: &mut Rng) {
    if world.redis.lock().is_up() {
        add(world, channel, data, None, rng);
    }
}

/// The same from where Redis can always be reached; in that method, or in one of chance.
pub(crate) fn add(world: &World, channel: &ChannelName, data: &str, method: Option<PublishMethod>, rng: &mut Rng) {
    let key = format!("{PREFIX}{channel}");
    let keep = if world.scenario.trims { (5 + rng.below(30)).to_string() } else { "10000".to_owned() };
    let short_lives = world.scenario.hardships.short_lives;
    let ttl = if world.scenario.removals
        && !world.scenario.eviction.is_promised()
        && rng.chance(if short_lives { 960 } else { 100 })
    {
        "60"
    } else {
        ""
    };
    let drawn = match rng.below(10) {
        // Where streams are evicted or expire messages are the only evidence of what came and went (docs/decisions/0009).
        0 if !world.scenario.takes_messages_for_evidence() && !short_lives => PublishMethod::Bare,
        0..4 => PublishMethod::Doorbell,
        _ => PublishMethod::Function,
    };
    match method.unwrap_or(drawn) {
        PublishMethod::Bare => {
            world.redis.command(&["XADD", &key, "MAXLEN", "~", &keep, "*", "data", data]);
        }
        PublishMethod::Doorbell => {
            let add: &[&str] = &["XADD", &key, "MAXLEN", "~", &keep, "*", "data", data, "event", "plain"];
            world.redis.transaction(&[add, &["PUBLISH", &key, ""]]);
        }
        PublishMethod::Function => {
            let mut command = vec!["EVAL", "", "1", &key, "DATA", data, "MAXLEN", &keep];
            if !ttl.is_empty() {
                command.extend(["TTL", ttl, "EXPIRES", "1"]);
            }
            world.redis.command(&command);
        }
    }
}

/// Publishes through a node, and again with the same key until a node says that it is stored, or for a while.
async fn through_a_node(world: &World, channel: &ChannelName, data: &str, rng: &mut Rng) {
    let request = PublishRequest {
        channel: channel.clone(),
        event: Event { name: None, data: Bytes::from(data.to_owned()) },
        dedup: Some(data.to_owned()),
        max_len: None,
        ttl: None,
    };
    for _ in 0..5 {
        if world.nodes[rng.below(world.nodes.len())].publish(request.clone()).await {
            return;
        }
        sleep(rng.up_to_ms(500)).await;
    }
}
