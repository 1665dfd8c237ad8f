//! The life of one world, drawn from its seed: publishers, clients and an injector of faults, then calm, then the verdict.

use std::rc::Rc;

use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Duration, sleep};

use crate::PREFIX;
use crate::broken_promise;
use crate::browser::Browser;
use crate::client::{Client, Manners};
use crate::fault_injector;
use crate::feed_muter;
use crate::forger;
use crate::hardships::Hardships;
use crate::hostile;
use crate::late_expiries;
use crate::mute_feeds;
use crate::node::Node;
use crate::occupancy::census::Census;
use crate::outcome::{Outcome, panics};
use crate::payload;
use crate::publisher::{self, PublishMethod};
use crate::redis::Destruction;
use crate::rng::Rng;
use crate::scenario::{LastEvents, Scenario, Verifying};
use crate::short_lives;
use crate::siege;
use crate::tokens::revoker;
use crate::trace::Trace;
use crate::world::{STOCK, World};

const CLIENTS: usize = 6;
const PUBLISHERS: usize = 2;

/// Makes another seed of a seed, for what only some worlds have.
const APART: u64 = 0x00A9_A127;

/// The same, for who forges messages.
const FORGER: u64 = 0x00F0_46E5;

/// The same, for who breaks a promise.
const PROMISE_BREAKER: u64 = 0x0B0B_B1E5;

/// The same, for who revokes tokens.
const REVOKER: u64 = 0x002E_70CE;

/// The same, for who lets feeds fall mute.
const FEED_MUTER: u64 = 0x003F_EED5;

/// The same, for who reads a counted channel.
const CENSUS: u64 = 0x0CE4_5005;

/// What strangers find to read: so many entries of so many bytes.
const STOCK_ENTRIES: usize = 200;
const STOCK_BYTES: usize = 1_500;

/// Pieces of large events that clients take within a second and for which they are read again, where not all the pages fit into memory
/// in the middle of which clients may be. The worst of 500 worlds made 102 reads of one range.
const PIECES_READ_MAX: usize = 100;

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
    let mut apart = Rng::new(seed ^ APART);
    let world = Rc::new(World::draw(seed, CLIENTS, [&mut rng, &mut apart], scenario, trace));
    let hardships = scenario.hardships;
    let mut background = JoinSet::new();
    background.spawn_local(world.redis.clone().run());
    if !world.scenario.absent_at_first {
        world
            .channels
            .iter()
            .for_each(|channel| publisher::store(&world, channel, &format!("{channel} first"), &mut rng));
    }
    if hardships.hostiles > 0 {
        lay_in_stock(&world);
    }
    world.redis.lock().replicate();
    world.nodes.iter().for_each(|node| node.start(rng.number()));
    let mut publishers = JoinSet::new();
    for number in 0..PUBLISHERS {
        publishers.spawn_local(publisher::run(Rc::clone(&world), number, rng.fork()));
    }
    let mut faults = JoinSet::new();
    faults.spawn_local(fault_injector::run(Rc::clone(&world), rng.fork()));
    make_it_hard(&world, &mut faults, &mut background, &mut apart);
    begin_what_only_some_have(&world, seed, &mut faults);
    let census = world.counting.as_ref().map(|_| Rc::new(Census::default()));
    if let Some(census) = &census {
        faults.spawn_local(Rc::clone(census).come_and_go(Rc::clone(&world), Rng::new(seed ^ CENSUS)));
    }
    let mut clients = JoinSet::new();
    let browser = Browser::of(seed, CLIENTS).map(Rc::new);
    for number in 0..CLIENTS {
        let browser = browser.clone().filter(|browser| browser.has(number));
        clients.spawn_local(client(&world, number, &mut rng, browser).live(Rc::clone(&world)));
    }
    sleep(hardships.lasts(rng.up_to_ms(25_000))).await;
    world.fall_quiet();
    faults.shutdown().await;
    let waits = calm_down(&world, publishers, &mut rng, &mut apart).await;
    let settled = async {
        if let Some(census) = &census {
            census.settle(&world).await;
        }
    };
    let (mut clients, ()) = tokio::join!(clients.join_all(), settled);
    clients.sort_by_key(|client| client.number);
    let http2_streams = browser.map_or(0, |browser| browser.streams());
    if let Some(census) = &census {
        census.judge(&world, &mut Rng::new(seed ^ CENSUS)).await;
    }
    let mut outcome = verdict(seed, &world, &clients);
    outcome.breaches.extend(waits);
    outcome.http2_streams = http2_streams;
    if let Some(census) = census {
        let (counts, wrong) = census.verdict();
        outcome.occupancy = Some(counts);
        outcome.breaches.extend(wrong);
    }
    outcome
}

/// Starts what goes wrong in some worlds, from streams of random numbers of their own.
fn begin_what_only_some_have(world: &Rc<World>, seed: u64, faults: &mut JoinSet<()>) {
    if world.scenario.eviction.is_broken() {
        faults.spawn_local(broken_promise::run(Rc::clone(world), Rng::new(seed ^ PROMISE_BREAKER)));
    }
    if world.scenario.verifying == Verifying::All {
        faults.spawn_local(forger::run(Rc::clone(world), Rng::new(seed ^ FORGER)));
    }
    if world.access.is_some() {
        faults.spawn_local(revoker::run(Rc::clone(world), CLIENTS, Rng::new(seed ^ REVOKER)));
    }
    if world.feeds_fall_mute() {
        faults.spawn_local(feed_muter::run(Rc::clone(world), CLIENTS, Rng::new(seed ^ FEED_MUTER)));
    }
}

/// A long stream for strangers.
fn lay_in_stock(world: &World) {
    for count in 0..STOCK_ENTRIES {
        let data = payload::sized(&format!("{STOCK} {count}"), STOCK_BYTES);
        world.redis.command(&["EVAL", "", "1", &format!("{PREFIX}{STOCK}"), "DATA", &data]);
    }
    world.redis.lock().note_stock(STOCK);
}

/// Starts what makes a world hard.
fn make_it_hard(world: &Rc<World>, faults: &mut JoinSet<()>, background: &mut JoinSet<()>, apart: &mut Rng) {
    let hardships = world.scenario.hardships;
    if hardships == Hardships::default() {
        return;
    }
    background.spawn_local(watch(Rc::clone(world)));
    if hardships.fills_up {
        faults.spawn_local(fault_injector::fill_up(Rc::clone(world), apart.fork()));
    }
    if hardships.late_expiries {
        faults.spawn_local(late_expiries::run(Rc::clone(world), apart.fork()));
    } else if hardships.short_lives {
        faults.spawn_local(short_lives::add_at_the_last_moment(Rc::clone(world), apart.fork()));
        faults.spawn_local(short_lives::destroy(Rc::clone(world), apart.fork()));
        if !world.scenario.evicts() {
            faults.spawn_local(short_lives::refuse_reads(Rc::clone(world), apart.fork()));
        }
    }
    for number in 0..hardships.hostiles {
        background.spawn_local(hostile::run(Rc::clone(world), number, apart.fork()));
    }
}

/// Looks at what the nodes hold, again and again.
async fn watch(world: Rc<World>) {
    loop {
        sleep(Duration::from_millis(97)).await;
        world.nodes.iter().for_each(Node::look);
    }
}

/// Draws a client and its manners.
fn client(world: &World, number: usize, rng: &mut Rng, browser: Option<Rc<Browser>>) -> Client {
    let channels = match number % 3 {
        0 => world.channels.clone(),
        _ => vec![world.channels[rng.below(world.channels.len())].clone()],
    };
    let manners = Manners {
        room: [40, 700, 65_536][rng.below(3)],
        pauses: [0, 100, 700][rng.below(3)],
        last: rng.chance(200).then(|| rng.below(20)),
        absent: [0, 100][rng.below(2)],
        absent_ms: if world.scenario.hardships.short_lives { 150_000 } else { 90_000 },
        stays_ms: if world.feeds_fall_mute() {
            mute_feeds::STAYS_MS
        } else {
            20_000 * world.scenario.hardships.slowness()
        },
        reads: if world.scenario.hardships.sizes { 65_536 } else { 512 },
    };
    let absent = if world.scenario.hardships.short_lives { 4 * manners.absent } else { manners.absent };
    // Of a stream that grants its window at once what is read has just come: so the verdicts about tokens can go by when it was read.
    let pauses = if world.access.is_some() && browser.is_some() { 0 } else { manners.pauses };
    let manners = Manners { absent, pauses, ..manners };
    Client::new(number, channels, manners, rng.fork(), browser)
}

/// The faults end: everything works again and stays, and each channel gets its last event. Returns who had to wait too long for
/// what strangers did.
async fn calm_down(world: &World, publishers: JoinSet<()>, rng: &mut Rng, apart: &mut Rng) -> Vec<String> {
    world.redis.lock().heal();
    let hostiles = world.scenario.hardships.hostiles > 0;
    for node in world.nodes.iter().filter(|node| !node.is_running() || (hostiles && node.drains())) {
        node.start(rng.number());
    }
    publishers.join_all().await;
    let waits = if hostiles { siege::endure(world, apart).await } else { Vec::new() };
    sleep(rng.up_to_ms(2_000)).await;
    match world.scenario.last_events {
        LastEvents::Told => publish_last_events(world, Some(PublishMethod::Function), rng),
        LastEvents::Silent => {
            world.redis.lock().weather.lost_pushes = if rng.chance(600) { 1000 } else { 0 };
            // Of a plain command's event nothing would be left where the stream expires before the comparison.
            let method = world.scenario.hardships.short_lives.then_some(PublishMethod::Function);
            publish_last_events(world, method, rng);
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
    let redis_ms = world.redis.lock().now_ms();
    let for_tokens = world.access.as_ref().map_or(Duration::ZERO, |access| access.patience(redis_ms));
    world.calm_down(world.scenario.patience() + for_tokens);
    waits
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
    let caused = match world.scenario.hardships {
        Hardships { sizes: true, .. } if world.nodes.iter().any(|node| !node.keeps_pages_for(CLIENTS)) => {
            PIECES_READ_MAX
        }
        _ => 0,
    };
    outcome.count_reads(world.redis.lock().most_reads(), caused);
    for (number, node) in world.nodes.iter().enumerate() {
        outcome.breaches.extend(node.excesses().iter().map(|what| format!("node {number}: {what}")));
        outcome.count_broken(number, node.broken(), world.broken(), world.scenario.may_break_a_promise());
    }
    outcome.late_expiries = world.late_expiries();
    outcome.access = world.access.as_ref().map(|access| *access.counts.borrow());
    outcome.hash = world.trace.hash();
    outcome.trace = world.trace.lines();
    outcome
}
