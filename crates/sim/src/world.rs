//! One world: a Redis, nodes, publishers, clients and an injector of faults, all drawn from one seed.

use std::cell::Cell;
use std::rc::Rc;

use fanfare_protocol::ChannelName;
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Duration, Instant, sleep};

use crate::client::{Client, Manners};
use crate::fault_injector;
use crate::node::{Node, Setup};
use crate::outcome::{Outcome, panics};
use crate::publisher::{self, PublishMethod};
use crate::redis::{Destruction, FakeRedis, Nature};
use crate::rng::Rng;
use crate::scenario::{Ending, Scenario};
use crate::trace::Trace;
use crate::truth::Truth;

const CHANNELS: [&str; 3] = ["a", "b", "c"];
const CLIENTS: usize = 6;
const PUBLISHERS: usize = 2;

/// What everybody in a world shares.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) trace: Trace,
    pub(crate) truth: Truth,
    pub(crate) redis: FakeRedis,
    pub(crate) nodes: Vec<Node>,
    pub(crate) channels: Vec<ChannelName>,
    quiet: Cell<bool>,
    /// Since the faults are over: when everybody must have seen everything.
    ends: Cell<Option<Instant>>,
    calmed: Notify,
}

impl World {
    /// The data of the last event of a channel.
    pub(crate) fn end_of(channel: &ChannelName) -> String {
        format!("{channel} end")
    }

    /// Whether nobody begins to publish or to break anything any more.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.get()
    }

    /// Whether the faults are over.
    pub(crate) fn is_calm(&self) -> bool {
        self.ends.get().is_some()
    }

    /// Waits until the faults are over. Cancel-safe.
    pub(crate) async fn calm(&self) {
        while !self.is_calm() {
            self.calmed.notified().await;
        }
    }

    /// When everybody must have seen everything; an hour from now while there are faults.
    pub(crate) fn ends_at(&self) -> Instant {
        self.ends.get().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    /// Whether time is up.
    pub(crate) fn is_over(&self) -> bool {
        self.is_calm() && Instant::now() >= self.ends_at()
    }

    fn draw(rng: &mut Rng, scenario: Scenario, trace: Trace) -> Self {
        let truth = Truth::new();
        let nature = Nature {
            keyspace: rng.chance(300),
            evicts: scenario.evicts,
            old: rng.chance(150),
            no_probes: rng.chance(50),
            turns_back: scenario.turns_back,
            event_bytes: 200,
        };
        let setup = Setup::draw(rng, nature.event_bytes, nature.keyspace);
        trace.note(|| format!("{scenario:?}\n{nature:?}\n{setup:?}"));
        let redis = FakeRedis::new(nature, scenario.weather, truth.clone(), rng.fork(), trace.clone());
        let nodes = (0..2).map(|number| Node::new(number, setup.clone(), redis.clone())).collect();
        let channels = CHANNELS.iter().map(|name| ChannelName::parse(name).expect("a valid name")).collect();
        Self {
            scenario,
            trace,
            truth,
            redis,
            nodes,
            channels,
            quiet: Cell::new(false),
            ends: Cell::new(None),
            calmed: Notify::new(),
        }
    }

    fn client(&self, number: usize, rng: &mut Rng) -> Client {
        let channels = match number % 3 {
            0 => self.channels.clone(),
            _ => vec![self.channels[rng.below(self.channels.len())].clone()],
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
    async fn calm_down(&self, publishers: JoinSet<()>, rng: &mut Rng) {
        self.redis.lock().heal();
        for node in self.nodes.iter().filter(|node| !node.is_running()) {
            node.start(rng.number());
        }
        publishers.join_all().await;
        sleep(rng.up_to_ms(2_000)).await;
        match self.scenario.ending {
            Ending::Told => self.publish_ends(Some(PublishMethod::Function), rng),
            Ending::Silent => {
                self.redis.lock().weather.lost_pushes = if rng.chance(600) { 1000 } else { 0 };
                self.publish_ends(None, rng);
                self.redis.lock().weather.lost_pushes = 0;
            }
            Ending::Unheard => {
                let away = Duration::from_millis(500) + rng.up_to_ms(3_000);
                self.redis.lock().go_down(away);
                // No message finds a connection any more.
                sleep(away / 2).await;
                self.publish_ends(Some(PublishMethod::Function), rng);
                sleep(away / 2).await;
            }
            Ending::Flushed => {
                self.redis.lock().destroy(CHANNELS[0], Destruction::FlushAll);
                self.publish_ends(Some(PublishMethod::Function), rng);
            }
        }
        self.trace.note(|| "calm".to_owned());
        self.ends.set(Some(Instant::now() + self.scenario.ending.patience()));
        self.calmed.notify_waiters();
    }

    fn publish_ends(&self, method: Option<PublishMethod>, rng: &mut Rng) {
        for channel in &self.channels {
            publisher::add(self, channel, &Self::end_of(channel), method, rng);
        }
    }
}

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
        clients.spawn_local(world.client(number, &mut rng).live(Rc::clone(&world)));
    }
    sleep(Duration::from_secs(5) + rng.up_to_ms(25_000)).await;
    world.quiet.set(true);
    faults.shutdown().await;
    world.calm_down(publishers, &mut rng).await;
    let mut clients = clients.join_all().await;
    clients.sort_by_key(|client| client.number);
    verdict(seed, &world, &clients)
}

fn verdict(seed: u64, world: &World, clients: &[Client]) -> Outcome {
    let mut outcome = Outcome::new(seed);
    world.redis.lock().show_all();
    for client in clients {
        client.breaches.iter().for_each(|what| outcome.breaches.push(format!("client {}: {what}", client.number)));
        for (index, channel) in client.channels.iter().enumerate() {
            let who = format!("client {} on {channel}", client.number);
            let steps = client.steps.iter().filter(|(_, of, _)| *of == index).map(|(at, _, step)| (*at, step));
            let history = world.truth.history(channel.as_str());
            outcome.judge(&who, history, steps, world.scenario.gaps_have_reasons);
        }
    }
    outcome.count_reads(world.redis.lock().most_reads());
    outcome.hash = world.trace.hash();
    outcome.trace = world.trace.lines();
    outcome
}
