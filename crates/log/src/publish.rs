//! Publishing through the gateway: used by the HTTP publish endpoint, the demo and the in-process store.

use std::future::Future;
use std::time::Duration;

use fanfare_protocol::{ChannelName, EntryId, Event};

/// One durable event to publish.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// Where.
    pub channel: ChannelName,
    /// What.
    pub event: Event,
    /// A key that makes a retry harmless: within the dedup window the first id is the answer and nothing is published.
    pub dedup: Option<String>,
    /// Approximate bound on the number of entries that the stream keeps; `None`: the function's default.
    pub max_len: Option<u64>,
    /// How long the stream lives without another publish; `None`: for ever.
    pub ttl: Option<Duration>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The entry's id: of this event, or of the first one with the same dedup key.
    pub id: EntryId,
    /// Whether nothing was published because the dedup key was known. `false` when the store cannot tell.
    pub duplicate: bool,
}

/// Why nothing was published, or why it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The request itself is wrong; trying again will not help.
    #[error("{0}")]
    Rejected(String),
    /// The store refuses (ACL, wrong type).
    #[error("the store refuses: {0}")]
    Denied(String),
    /// No answer: the event may or may not have been published. Retry with the same dedup key.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Publishes durable events.
pub trait Publisher: Clone + Send + Sync + 'static {
    /// Publishes one event. Not cancel-safe in the sense that a dropped future may still have published: use a dedup key.
    ///
    /// # Errors
    /// See [`PublishError`].
    fn publish(&self, request: PublishRequest) -> impl Future<Output = Result<Published, PublishError>> + Send;
}
