//! What everybody in a world shares: Redis, the nodes, the record, and how far the world has come.

use std::cell::Cell;

use fanfare_protocol::ChannelName;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::node::{Node, Setup};
use crate::redis::{FakeRedis, Nature};
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::stored_record::StoredRecord;
use crate::trace::Trace;

const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// What everybody in a world shares.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) trace: Trace,
    pub(crate) record: StoredRecord,
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
    pub(crate) fn last_event_of(channel: &ChannelName) -> String {
        format!("{channel} end")
    }

    /// Whether nobody begins to publish or to break anything any more.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.get()
    }

    /// From now on nobody begins to publish or to break anything.
    pub(crate) fn fall_quiet(&self) {
        self.quiet.set(true);
    }

    /// The faults are over: everybody must have seen everything after so much time.
    pub(crate) fn calm_down(&self, patience: Duration) {
        self.ends.set(Some(Instant::now() + patience));
        self.calmed.notify_waiters();
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

    pub(crate) fn draw(rng: &mut Rng, scenario: Scenario, trace: Trace) -> Self {
        let record = StoredRecord::new();
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
        let redis = FakeRedis::new(nature, scenario.weather, record.clone(), rng.fork(), trace.clone());
        let nodes = (0..2).map(|number| Node::new(number, setup.clone(), redis.clone())).collect();
        let channels = CHANNELS.iter().map(|name| ChannelName::parse(name).expect("a valid name")).collect();
        Self {
            scenario,
            trace,
            record,
            redis,
            nodes,
            channels,
            quiet: Cell::new(false),
            ends: Cell::new(None),
            calmed: Notify::new(),
        }
    }
}
