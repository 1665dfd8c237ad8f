//! What a node stands on: Redis, or a store in this process.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use fanfare_log::memory::MemoryStore;
use fanfare_log::stats::DurationCounts;
use fanfare_log::{Desired, FeedSink, OccupancyStore, TicketStore};
use serde_json::{Map, Value};

/// What a thread of the node does until it is dropped, which ends it and closes its connections.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store that does not run yet: the node runs each of its tasks on a thread of its own.
pub struct Store<A, P> {
    /// Reads of the cold part of every log.
    pub archive: A,
    /// The same for history over HTTP.
    pub history: A,
    /// Where the HTTP publish endpoint publishes.
    pub publisher: P,
    /// Where tickets are kept.
    pub tickets: Arc<dyn TicketStore>,
    /// Where all nodes write how many readers they have.
    pub occupancy: Arc<dyn OccupancyStore>,
    /// What the store is called on the status page: its address, without a password.
    pub name: String,
    /// What it has to say about itself now.
    pub report: Box<dyn Fn() -> StoreReport + Send + Sync>,
    /// Fills the sink with what is published on the desired channels.
    pub feed: Task,
    /// Everything else that the store does by itself.
    pub upkeep: Task,
}

/// What a store says about itself.
#[derive(Clone, Debug, Default)]
pub struct StoreReport {
    /// What went wrong last, while it is wrong.
    pub error: Option<String>,
    /// More for `/status`: versions, settings.
    pub facts: Map<String, Value>,
    /// Entries read whose event name was not valid.
    pub foreign_event_names: u64,
    /// Entries read that have no `data` field.
    pub foreign_without_data: u64,
    /// Pushes, of those that were looked up, whose entry the stream does not have.
    pub unfounded_pushes: u64,
    /// Channels whose streams were seen to expire, or to be gone, against the promise that none does.
    pub expiring_channels: u64,
    /// Whether the store says that it may evict any key: also logs of the gateway's own. `None` until it was asked.
    pub evicts_any: Option<bool>,
    /// Bytes of entries read.
    pub archive_bytes: u64,
    /// How long reads of the archive waited for a connection.
    pub archive_waits: DurationCounts,
    /// How long its commands took.
    pub archive_commands: DurationCounts,
}

/// A node's view of an in-process store, for `fanfare dev` and tests; several nodes share one store.
#[must_use]
pub fn memory(store: &MemoryStore, desired: Desired, sink: FeedSink) -> Store<MemoryStore, MemoryStore> {
    Store {
        archive: store.clone(),
        history: store.clone(),
        publisher: store.clone(),
        tickets: Arc::new(store.clone()),
        occupancy: Arc::new(store.clone()),
        name: "in this process".into(),
        report: Box::new(|| StoreReport { evicts_any: Some(false), ..StoreReport::default() }),
        feed: Box::pin(store.attach(desired, sink).run()),
        upkeep: Box::pin(pending()),
    }
}
