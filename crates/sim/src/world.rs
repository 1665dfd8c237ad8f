//! What everybody in a world shares: Redis, the nodes, the record, and how far the world has come.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use fanfare_protocol::ChannelName;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::NODES;
use crate::node::Node;
use crate::occupancy::counting::Counting;
use crate::redis::{FakeRedis, Nature, Records};
use crate::revoked_record::RevokedRecord;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::seasons::Seasons;
use crate::setup::Setup;
use crate::stored_record::StoredRecord;
use crate::ticket_record::TicketRecord;
use crate::tokens::access::Access;
use crate::trace::Trace;

const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// A channel with a long stream that only strangers read.
pub(crate) const STOCK: &str = "stock";

/// Large events of one world together, in bytes: real memory holds them.
const LARGE_BYTES_MAX: usize = 24 << 20;
/// An event that counts as large.
const LARGE_BYTES: usize = 100_000;

/// What everybody in a world shares.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) trace: Trace,
    pub(crate) record: StoredRecord,
    pub(crate) redis: FakeRedis,
    pub(crate) nodes: Vec<Node>,
    pub(crate) channels: Vec<ChannelName>,
    /// What nodes ask of clients; `None`: nothing.
    pub(crate) access: Option<Rc<Access>>,
    /// That nodes count readers; `None`: they do not.
    pub(crate) counting: Option<Counting>,
    /// Where sizes of events come from, and how many bytes of large ones there may still be.
    sizes: RefCell<(Rng, usize)>,
    pub(crate) seasons: Seasons,
    quiet: Cell<bool>,
    /// Nothing breaks for a moment.
    hushed: Cell<bool>,
    /// Channels of which every node knows that a promise was broken.
    broken: RefCell<BTreeSet<ChannelName>>,
    /// Streams to which somebody added right before they expired, while feeds were late.
    late_expiries: Cell<usize>,
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

    /// From now on nothing breaks, or it does again.
    pub(crate) fn hush(&self, is_hushed: bool) {
        self.hushed.set(is_hushed);
    }

    /// Whether nothing may break now.
    pub(crate) fn is_hushed(&self) -> bool {
        self.hushed.get()
    }

    /// Whether the feeds of nodes fall mute, or late, on purpose.
    pub(crate) fn feeds_fall_mute(&self) -> bool {
        self.access.as_ref().is_some_and(|access| access.mute_feeds.is_some())
    }

    /// The channels on which only one publisher publishes, who breaks a promise.
    pub(crate) fn left_alone(&self) -> impl Iterator<Item = &ChannelName> {
        self.channels.iter().enumerate().filter(|(index, _)| self.is_left_alone(*index)).map(|(_, channel)| channel)
    }

    /// Whether the channel with this number is one of those.
    pub(crate) fn is_left_alone(&self, channel: usize) -> bool {
        self.scenario.eviction.is_broken() && channel > 0
    }

    /// Every node has heard of a stream of this channel that broke the promise.
    pub(crate) fn note_broken(&self, channel: &ChannelName) {
        self.trace.note(|| format!("every node knows that {channel} has broken the promise"));
        self.broken.borrow_mut().insert(channel.clone());
    }

    /// On how many channels the promise was broken so that every node knows.
    pub(crate) fn broken(&self) -> u64 {
        self.broken.borrow().len() as u64
    }

    /// Somebody adds to a stream right before it expires, while feeds are late.
    pub(crate) fn note_late_expiry(&self) {
        self.late_expiries.set(self.late_expiries.get() + 1);
    }

    /// How often somebody did.
    pub(crate) fn late_expiries(&self) -> usize {
        self.late_expiries.get()
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

    /// The size of an event in bytes, from 10 to 20,000,000: each order of magnitude as often as the others.
    pub(crate) fn draw_size(&self) -> usize {
        let (rng, large) = &mut *self.sizes.borrow_mut();
        let magnitude = 10_usize.pow(1 + u32::try_from(rng.below(7)).unwrap_or(0));
        let size = magnitude * (1 + rng.below(if magnitude == 10_000_000 { 2 } else { 9 }));
        match large.checked_sub(size) {
            _ if size < LARGE_BYTES => size,
            Some(left) => {
                *large = left;
                size
            }
            None => LARGE_BYTES,
        }
    }

    /// For so many clients. The second generator is for what only some worlds have.
    pub(crate) fn draw(
        seed: u64,
        clients: usize,
        [rng, apart]: [&mut Rng; 2],
        scenario: Scenario,
        trace: Trace,
    ) -> Self {
        let hardships = scenario.hardships;
        let (record, revoked, tickets) = (StoredRecord::new(), RevokedRecord::new(), TicketRecord::default());
        let access = Access::of(seed, &scenario, clients, &revoked, &tickets).map(Rc::new);
        let nature = Nature {
            keyspace: rng.chance(300),
            eviction: scenario.eviction,
            old: rng.chance(150),
            no_probes: rng.chance(50),
            turns_back: scenario.turns_back,
            bandwidth: hardships.bandwidth,
            feed_lag_ms: hardships.feed_lag_ms,
            event_bytes: hardships.event_bytes(),
        };
        let mut setup = Setup::draw(rng, nature.event_bytes, nature.keyspace);
        setup.harden(hardships, apart);
        setup.is_permanence_promised = scenario.eviction.is_promised();
        let counting = Counting::of(seed, clients, access.is_some());
        setup.counts_readers = counting.is_some();
        if let Some(mute_feeds) = access.as_ref().and_then(|access| access.mute_feeds) {
            setup.redis.probe_timeout = mute_feeds.probe_timeout;
        }
        trace.note(|| format!("{scenario:?}\n{nature:?}\n{setup:?}"));
        let records = Records { stored: record.clone(), revoked, tickets };
        let redis = FakeRedis::new(nature, scenario.weather, records, [rng.fork(), apart.fork()], trace.clone());
        let node = |number| {
            let setup = setup.believing(scenario.verifying.pushes(number));
            Node::new(number, setup, redis.clone(), access.clone())
        };
        let nodes = (0..NODES).map(node).collect();
        let seasons = if hardships.short_lives { Seasons::draw(CHANNELS.len(), apart) } else { Seasons::default() };
        let channels = CHANNELS.iter().map(|name| ChannelName::parse(name).expect("a valid name")).collect();
        Self {
            scenario,
            trace,
            record,
            redis,
            nodes,
            channels,
            access,
            counting,
            sizes: RefCell::new((apart.fork(), LARGE_BYTES_MAX)),
            seasons,
            quiet: Cell::new(false),
            hushed: Cell::new(false),
            broken: RefCell::default(),
            late_expiries: Cell::new(0),
            ends: Cell::new(None),
            calmed: Notify::new(),
        }
    }
}
