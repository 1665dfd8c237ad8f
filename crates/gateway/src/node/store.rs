//! What a node stands on: Redis, or a store in this process.

use std::pin::Pin;

use fanfare_log::memory::MemoryStore;
use fanfare_log::{Desired, FeedSink};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

/// The end of a store on its way.
pub type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store whose feed already runs.
pub struct Store<A, P> {
    /// Reads of the cold part of every log.
    pub archive: A,
    /// Where the HTTP publish endpoint publishes.
    pub publisher: P,
    /// What the store is called on the status page: its address, without a password.
    pub name: String,
    /// What it has to say about itself now.
    pub report: Box<dyn Fn() -> StoreReport + Send + Sync>,
    /// Ends its tasks and waits for that. Dropping the store instead ends them without waiting.
    pub end: Box<dyn FnOnce() -> End + Send>,
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
    /// Bytes of entries read.
    pub archive_bytes: u64,
}

/// A node's view of an in-process store, for `fanfare dev` and tests; several nodes share one store. To be called
/// within a runtime.
#[must_use]
pub fn memory(store: &MemoryStore, desired: Desired, sink: FeedSink) -> Store<MemoryStore, MemoryStore> {
    let mut tasks = JoinSet::new();
    tasks.spawn(store.attach(desired, sink).run());
    Store {
        archive: store.clone(),
        publisher: store.clone(),
        name: "in this process".into(),
        report: Box::new(StoreReport::default),
        end: Box::new(move || Box::pin(async move { tasks.shutdown().await })),
    }
}
