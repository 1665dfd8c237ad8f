//! The life of one world, drawn from its seed: publishers, clients and an injector of faults, then calm, then the verdict.

use std::rc::Rc;

use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Duration, sleep};

use crate::client::{Client, Manners};
use crate::fault_injector;
use crate::outcome::{Outcome, panics};
use crate::publisher::{self, PublishMethod};
use crate::redis::Destruction;
use crate::rng::Rng;
use crate::scenario::{LastEvents, Scenario};
use crate::trace::Trace;
use crate::world::World;

const CLIENTS: usize = 6;
const PUBLISHERS: usize = 2;

/// Runs the world of a seed. `readable`: with a trace to read, which takes much longer.
///
/// # Panics
/// When the simulation itself is wrong.
#[must_use]
pub fn run(seed: u64, readable: bool) -> Outcome {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let before = panics();
    let mut outcome = LocalSet::new().block_on(&runtime, live(seed, readable));
    if panics() > before {
        outcome.breaches.push("something panicked".into());
    }
    outcome
}

async fn live(seed: u64, readable: bool) -> Outcome {
    let mut rng = Rng::new(seed);
    let trace = Trace::new(readable);
    let scenario = Scenario::of(seed, &mut rng);
    let world = Rc::new(World::draw(&mut rng, scenario, trace));
    let mut background = JoinSet::new();
    background.spawn_local(world.redis.clone().run());
    if !world.scenario.absent_at_first {
        world
            .channels
            .iter()
            .for_each(|channel| publisher::store(&world, channel, &format!("{channel} first"), &mut rng));
    }
    world.redis.lock().replicate();
    world.nodes.iter().for_each(|node| node.start(rng.number()));
    let mut publishers = JoinSet::new();
    for number in 0..PUBLISHERS {
        publishers.spawn_local(publisher::run(Rc::clone(&world), number, rng.fork()));
    }
    let mut faults = JoinSet::new();
    faults.spawn_local(fault_injector::run(Rc::clone(&world), rng.fork()));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn_local(client(&world, number, &mut rng).live(Rc::clone(&world)));
    }
    sleep(Duration::from_secs(5) + rng.up_to_ms(25_000)).await;
    world.fall_quiet();
    faults.shutdown().await;
    calm_down(&world, publishers, &mut rng).await;
    let mut clients = clients.join_all().await;
    clients.sort_by_key(|client| client.number);
    verdict(seed, &world, &clients)
}

/// Draws a client and its manners.
fn client(world: &World, number: usize, rng: &mut Rng) -> Client {
    let channels = match number % 3 {
        0 => world.channels.clone(),
        _ => vec![world.channels[rng.below(world.channels.len())].clone()],
    };
    let manners = Manners {
        room: [40, 700, 65_536][rng.below(3)],
        pauses: [0, 100, 700][rng.below(3)],
        last: rng.chance(200).then(|| rng.below(20)),
        absent: [0, 100][rng.below(2)],
    };
    Client::new(number, channels, manners, rng.fork())
}

/// The faults end: everything works again and stays, and each channel gets its last event.
async fn calm_down(world: &World, publishers: JoinSet<()>, rng: &mut Rng) {
    world.redis.lock().heal();
    for node in world.nodes.iter().filter(|node| !node.is_running()) {
        node.start(rng.number());
    }
    publishers.join_all().await;
    sleep(rng.up_to_ms(2_000)).await;
    match world.scenario.last_events {
        LastEvents::Told => publish_last_events(world, Some(PublishMethod::Function), rng),
        LastEvents::Silent => {
            world.redis.lock().weather.lost_pushes = if rng.chance(600) { 1000 } else { 0 };
            publish_last_events(world, None, rng);
            world.redis.lock().weather.lost_pushes = 0;
        }
        LastEvents::Unheard => {
            let away = Duration::from_millis(500) + rng.up_to_ms(3_000);
            world.redis.lock().go_down(away);
            // No message finds a connection any more.
            sleep(away / 2).await;
            publish_last_events(world, Some(PublishMethod::Function), rng);
            sleep(away / 2).await;
        }
        LastEvents::Flushed => {
            world.redis.lock().destroy(world.channels[0].as_str(), Destruction::FlushAll);
            publish_last_events(world, Some(PublishMethod::Function), rng);
        }
    }
    world.trace.note(|| "calm".to_owned());
    world.calm_down(world.scenario.last_events.patience());
}

/// Publishes the last event of each channel.
fn publish_last_events(world: &World, method: Option<PublishMethod>, rng: &mut Rng) {
    for channel in &world.channels {
        publisher::add(world, channel, &World::last_event_of(channel), method, rng);
    }
}

fn verdict(seed: u64, world: &World, clients: &[Client]) -> Outcome {
    let mut outcome = Outcome::new(seed);
    world.redis.lock().show_all();
    for client in clients {
        client.breaches.iter().for_each(|what| outcome.breaches.push(format!("client {}: {what}", client.number)));
        for (index, channel) in client.channels.iter().enumerate() {
            let who = format!("client {} on {channel}", client.number);
            let steps = client.steps.iter().filter(|(_, of, _)| *of == index).map(|(at, _, step)| (*at, step));
            let history = world.record.history(channel.as_str());
            outcome.judge(&who, history, steps, world.scenario.gaps_have_reasons);
        }
    }
    outcome.count_reads(world.redis.lock().most_reads());
    outcome.hash = world.trace.hash();
    outcome.trace = world.trace.lines();
    outcome
}
