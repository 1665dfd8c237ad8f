//! What can be tuned in this crate.

use std::time::Duration;

use fanfare_protocol::limits;

use crate::min_lives::MinLives;
use crate::occupancy::Occupancy;

/// Bounds and intervals of the ingest.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a channel without readers stays open: absorbs reconnects.
    pub linger: Duration,
    /// Every followed channel is compared with its stream this often. Must stay below the 60 s TTL floor of the publishing
    /// function, on which the proof of absence rests.
    pub reconcile_interval: Duration,
    /// How long to wait for the push that belongs to a keyspace notification.
    pub keyspace_grace: Duration,
    /// Maximum number of items in one tail.
    pub tail_entries: usize,
    /// Target for the bytes of one tail; one item always fits.
    pub tail_bytes: usize,
    /// Target for the bytes of all tails and pages of the node.
    pub budget: usize,
    /// Reads of the archive in flight.
    pub archive_concurrency: usize,
    /// Target for the bytes of one page.
    pub page_bytes: usize,
    /// Maximum number of entries in one page.
    pub page_entries: usize,
    /// Bytes per second that readers who are behind may cause to be read, node-wide.
    pub archive_bytes_per_second: u64,
    /// How long a page that was read is kept for the reader that asked for it, whatever the budget: longer than connection
    /// threads let what is due wait.
    pub page_patience: Duration,
    /// Bytes of pushes that wait for the ingest, at most; what does not fit is read from the archive.
    pub feed_bytes: usize,
    /// Maximum number of followed channels.
    pub max_channels: usize,
    /// The feed has a thread of its own. What it has not looked at yet may then be older than an answer of the archive, so that an
    /// answer alone does not prove that a stream has expired with nothing in it that the feed did not tell.
    pub feed_lags: bool,
    /// What is promised about the life of streams. Shared with the archive, which sees how long they have to live.
    pub min_lives: MinLives,
    /// The channels whose readers are counted.
    pub occupancy: Occupancy,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            linger: limits::CHANNEL_LINGER_DEFAULT,
            reconcile_interval: limits::REDIS_RECONCILE_INTERVAL_DEFAULT,
            keyspace_grace: Duration::from_millis(5),
            tail_entries: limits::TAIL_CHANNEL_ENTRIES_DEFAULT,
            tail_bytes: limits::TAIL_CHANNEL_BYTES_DEFAULT,
            budget: limits::TAIL_BUDGET_BYTES_DEFAULT,
            archive_concurrency: limits::ARCHIVE_CONCURRENCY_DEFAULT,
            page_bytes: limits::ARCHIVE_PAGE_BYTES_DEFAULT,
            page_entries: limits::ARCHIVE_PAGE_ENTRIES_MAX,
            archive_bytes_per_second: limits::ARCHIVE_BYTES_PER_SECOND_DEFAULT as u64,
            page_patience: limits::ARCHIVE_PAGE_PATIENCE,
            feed_bytes: limits::FEED_QUEUE_BYTES_MAX,
            max_channels: limits::CHANNELS_PER_NODE_DEFAULT,
            feed_lags: false,
            min_lives: MinLives::default(),
            occupancy: Occupancy::default(),
        }
    }
}
