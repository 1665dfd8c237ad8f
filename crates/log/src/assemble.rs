//! The log's part of a node, wired together in one place: for the product, for tests, for fuzzing and for the simulation.

use std::sync::Arc;

use tokio::time::Instant;

use crate::channel::Hub;
use crate::feed::{Desired, FeedSink, feed};
use crate::ingest::Ingest;
use crate::options::Options;
use crate::random::Random;
use crate::registry::Registry;
use crate::stats::IngestStats;

/// What the other parts of a node need of its log.
#[derive(Debug)]
pub struct Assembly {
    /// For the connection threads: each makes its [`crate::CoreLog`] of it.
    pub hub: Arc<Hub>,
    /// For the feed: the channels that it has to follow.
    pub desired: Desired,
    /// For the feed: where it delivers.
    pub sink: FeedSink,
    /// For the ingest thread, to be run over an archive.
    pub ingest: Ingest,
    /// What the ingest counts.
    pub stats: Arc<IngestStats>,
    /// The zero of the times in `stats`.
    pub began: Instant,
}

/// Wires the log of a node with `cores` connection threads (1 to [`crate::MAX_CORES`]). Nothing runs yet. `random` is for jitter.
#[must_use]
pub fn assemble(options: Options, cores: usize, random: Random) -> Assembly {
    let hub = Arc::new(Hub::with_places(cores, options.max_channels).counting(options.occupancy.clone()));
    let (desired, stats) = (Desired::new(), Arc::<IngestStats>::default());
    let (sink, source) = feed(options.feed_bytes);
    let began = Instant::now();
    let registry = Registry::new(options, Arc::clone(&hub), vec![desired.clone()], Arc::clone(&stats), random, began);
    let ingest = Ingest::new(registry, Arc::clone(&hub), source);
    Assembly { hub, desired, sink, ingest, stats, began }
}
