//! How the nodes of one world are configured.

use std::time::Duration;

use fanfare_log::{MinLives, Occupancy, Options as LogOptions};
use fanfare_redis::{Options as RedisOptions, Pushes};
use fanfare_server::DeliveryOptions;

use crate::PREFIX;
use crate::hardships::Hardships;
use crate::occupancy::counting::Counting;
use crate::rng::Rng;

/// How nodes of one world are configured.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) log: LogOptions,
    pub(crate) delivery: DeliveryOptions,
    pub(crate) redis: RedisOptions,
    pub(crate) cores: usize,
    pub(crate) drain_window: Duration,
    /// The operator promises that no stream expires.
    pub(crate) is_permanence_promised: bool,
    /// Readers of all channels are counted.
    pub(crate) counts_readers: bool,
}

impl Setup {
    /// Small tails, pages and queues, so that every way through the log is taken often.
    pub(crate) fn draw(rng: &mut Rng, event_bytes: usize, keyspace: bool) -> Self {
        let tail_entries = [3, 8, 32, 1024][rng.below(4)];
        let log = LogOptions {
            linger: [Duration::ZERO, Duration::from_secs(3), LogOptions::default().linger][rng.below(3)],
            tail_entries,
            budget: [2_000, 20_000, 1 << 26][rng.below(3)],
            page_entries: [2, 7, 512][rng.below(3)],
            page_bytes: [200, 4_000, 262_144][rng.below(3)],
            archive_concurrency: [1, 4, 16][rng.below(3)],
            // As in the product, where the feed has a thread of its own.
            feed_lags: true,
            ..LogOptions::default()
        };
        let delivery = DeliveryOptions {
            coalesce: Duration::from_millis([0, 0, 5][rng.below(3)]),
            retry: Duration::from_millis(500),
            ..DeliveryOptions::default()
        };
        let redis = RedisOptions {
            prefix: PREFIX.into(),
            keyspace_notifications: keyspace,
            event_bytes,
            pool_size: [1, 3, 8][rng.below(3)],
            ..RedisOptions::default()
        };
        let cores = 1 + rng.below(2);
        let feed_bytes = [600, 1 << 20][usize::from(rng.chance(800))];
        Self {
            log: LogOptions { feed_bytes, ..log },
            delivery,
            redis,
            cores,
            drain_window: Duration::from_secs(2),
            is_permanence_promised: false,
            counts_readers: false,
        }
    }
}

impl Setup {
    /// What the hardships of a world change. `apart` is for what only such a world has.
    pub(crate) fn harden(&mut self, hardships: Hardships, apart: &mut Rng) {
        if hardships.short_lives {
            self.log.reconcile_interval = Duration::from_secs([1, 1, 1, 5, 30][apart.below(5)]);
        }
        if hardships.late_expiries {
            // A comparison has to find that the stream is gone before the event is told.
            self.log.reconcile_interval = Duration::from_secs(1);
        }
        if let Some(probe_interval) = hardships.probe_interval {
            self.redis.probe_interval = probe_interval;
        }
        if hardships.hostiles > 0 {
            self.log.max_channels = [48, self.log.max_channels][apart.below(2)];
            self.log.page_bytes = self.log.page_bytes.min(4_000);
            self.log.archive_bytes_per_second = 20_000;
            self.log.tail_entries = [self.log.tail_entries, 1_024][apart.below(2)];
        }
    }

    /// The same for a node that believes so much of messages.
    pub(crate) fn believing(&self, pushes: Pushes) -> Self {
        Self { redis: RedisOptions { pushes, ..self.redis.clone() }, ..self.clone() }
    }

    /// The same for one life of a node, which knows of no broken promise and of no reader yet.
    pub(crate) fn for_life(&self) -> Self {
        let min_lives = if self.is_permanence_promised { MinLives::default().permanent() } else { MinLives::default() };
        let occupancy = if self.counts_readers { Counting::occupancy() } else { Occupancy::default() };
        Self {
            log: LogOptions { min_lives: min_lives.clone(), occupancy, ..self.log.clone() },
            redis: RedisOptions { min_lives, ..self.redis.clone() },
            ..self.clone()
        }
    }

    /// A page, in bytes: as many as it aims at, and one entry more.
    pub(crate) fn page_bytes_max(&self) -> usize {
        self.log.page_bytes + self.redis.event_bytes
    }
}
