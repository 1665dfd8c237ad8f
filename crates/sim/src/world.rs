//! One world: a Redis, nodes, publishers, clients and somebody who breaks things, all drawn from one seed.

use std::cell::Cell;
use std::rc::Rc;

use fanfare_protocol::{ChannelName, Position};
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Duration, Instant, sleep};

use crate::client::{Client, Manners};
use crate::climate::{Climate, Ending};
use crate::judge::{Sight, judge};
use crate::node::{Node, Setup};
use crate::outcome::{Outcome, panics};
use crate::publisher::{self, Way};
use crate::redis::{Destruction, FakeRedis, Nature};
use crate::rng::Rng;
use crate::trace::Trace;
use crate::troubles;
use crate::truth::{Place, Truth};

const CHANNELS: [&str; 3] = ["a", "b", "c"];
const CLIENTS: usize = 6;
const PUBLISHERS: usize = 2;

/// What everybody in a world shares.
pub(crate) struct World {
    pub(crate) climate: Climate,
    pub(crate) trace: Trace,
    pub(crate) truth: Truth,
    pub(crate) redis: FakeRedis,
    pub(crate) nodes: Vec<Node>,
    pub(crate) channels: Vec<ChannelName>,
    quiet: Cell<bool>,
    /// Since the trouble is over: when everybody must have seen everything.
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

    /// Whether the trouble is over.
    pub(crate) fn is_calm(&self) -> bool {
        self.ends.get().is_some()
    }

    /// Waits until the trouble is over. Cancel-safe.
    pub(crate) async fn calm(&self) {
        while !self.is_calm() {
            self.calmed.notified().await;
        }
    }

    /// When everybody must have seen everything; an hour from now while there is trouble.
    pub(crate) fn ends_at(&self) -> Instant {
        self.ends.get().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    /// Whether time is up.
    pub(crate) fn is_over(&self) -> bool {
        self.is_calm() && Instant::now() >= self.ends_at()
    }

    /// Where a reader of a channel is who is told a position right now.
    pub(crate) fn places(&self, channel: &str, position: Position) -> Vec<Place> {
        let now_ms = self.redis.lock().now_ms();
        self.truth.places(channel, position, now_ms)
    }

    fn draw(rng: &mut Rng, climate: Climate, trace: Trace) -> Self {
        let truth = Truth::default();
        let nature = Nature {
            keyspace: rng.chance(300),
            evicts: climate.evicts,
            old: rng.chance(150),
            no_probes: rng.chance(50),
            turns_back: climate.turns_back,
            event_bytes: 200,
        };
        let setup = Setup::draw(rng, nature.event_bytes, nature.keyspace);
        trace.note(|| format!("{climate:?}\n{nature:?}\n{setup:?}"));
        let redis = FakeRedis::new(nature, climate.weather, truth.clone(), rng.fork(), trace.clone());
        let nodes = (0..2).map(|number| Node::new(number, setup.clone(), redis.clone())).collect();
        let channels = CHANNELS.iter().map(|name| ChannelName::parse(name).expect("a valid name")).collect();
        Self {
            climate,
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

    /// The trouble ends: everything works again and stays, and each channel gets its last event.
    async fn calm_down(&self, publishers: JoinSet<()>, rng: &mut Rng) {
        self.redis.lock().heal();
        for node in self.nodes.iter().filter(|node| !node.is_running()) {
            node.start(rng.number());
        }
        publishers.join_all().await;
        sleep(rng.up_to_ms(2_000)).await;
        match self.climate.ending {
            Ending::Told => self.publish_ends(Some(Way::Function), rng),
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
                self.publish_ends(Some(Way::Function), rng);
                sleep(away / 2).await;
            }
            Ending::Flushed => {
                self.redis.lock().destroy(CHANNELS[0], Destruction::FlushAll);
                self.publish_ends(Some(Way::Function), rng);
            }
        }
        self.trace.note(|| "calm".to_owned());
        self.ends.set(Some(Instant::now() + self.climate.ending.patience()));
        self.calmed.notify_waiters();
    }

    fn publish_ends(&self, way: Option<Way>, rng: &mut Rng) {
        for channel in &self.channels {
            publisher::add(self, channel, &Self::end_of(channel), way, rng);
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
    let climate = Climate::of(seed, &mut rng);
    let world = Rc::new(World::draw(&mut rng, climate, trace));
    let mut background = JoinSet::new();
    background.spawn_local(world.redis.clone().run());
    if !world.climate.absent_at_first {
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
    let mut troubles = JoinSet::new();
    troubles.spawn_local(troubles::run(Rc::clone(&world), rng.fork()));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn_local(world.client(number, &mut rng).live(Rc::clone(&world)));
    }
    sleep(Duration::from_secs(5) + rng.up_to_ms(25_000)).await;
    world.quiet.set(true);
    troubles.shutdown().await;
    world.calm_down(publishers, &mut rng).await;
    let mut clients = clients.join_all().await;
    clients.sort_by_key(|client| client.number);
    verdict(seed, &world, &clients)
}

fn verdict(seed: u64, world: &World, clients: &[Client]) -> Outcome {
    let mut outcome = Outcome::new(seed);
    for client in clients {
        let mut blame = |what: &str| outcome.breaches.push(format!("client {}: {what}", client.number));
        client.breaches.iter().for_each(|breach| blame(breach));
        for (index, channel) in client.channels.iter().enumerate() {
            let sights: Vec<Sight> = client
                .sights
                .iter()
                .filter(|(of, _)| of.is_none_or(|of| of == index))
                .map(|(_, sight)| sight.clone())
                .collect();
            let verdict = judge(&sights, &world.truth.history(channel.as_str()), !world.climate.turns_back);
            outcome.add(client.number, channel.as_str(), &verdict, world.climate.gaps_have_reasons);
        }
    }
    outcome.count_reads(world.redis.lock().most_reads());
    outcome.hash = world.trace.hash();
    outcome.trace = world.trace.lines();
    outcome
}
