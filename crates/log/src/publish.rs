//! Publishing through the gateway: used by the HTTP publish endpoint, the demo and the in-process store.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
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
    pub ttl: Option<Ttl>,
}

/// A stream's time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    /// From this publish on, at least; never less than a minute. It lengthens a life and never shortens one.
    pub lasts: Duration,
    /// A stream that would live for ever expires too. Otherwise it stays permanent.
    pub ends_permanence: bool,
}

impl From<Duration> for Ttl {
    /// Leaves a permanent stream permanent.
    fn from(lasts: Duration) -> Self {
        Self { lasts, ends_permanence: false }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The entry's id: of this event, or of the first one with the same dedup key.
    pub id: EntryId,
    /// Whether nothing was published because the dedup key was known. `false` when the store cannot tell.
    pub duplicate: bool,
}

/// Why nothing was published, or why it is unknown. Only [`PublishError::Unavailable`] leaves that open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The request itself is wrong; trying again will not help.
    #[error("{0}")]
    Rejected(String),
    /// The store refuses until somebody changes something (ACL, wrong type). Nothing was published. In the store's own words.
    #[error("the store refuses: {0}")]
    Denied(String),
    /// The store refuses at present (full memory, read-only, still loading). Nothing was published. In the store's own words.
    #[error("the store refuses at present: {0}")]
    Refused(String),
    /// Nothing was sent to the store, so nothing was published.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// No answer, or none that tells: the event may or may not have been published. Retry with the same dedup key.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// One entry for a log of the gateway's own.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// Which ([`fanfare_protocol::LogName::system`]).
    pub log: ChannelName,
    /// What it says.
    pub data: Bytes,
    /// Entries older than this may be dropped from the log. Younger ones never are.
    pub keep: Duration,
    /// The log is not to hold more entries than this, of any age: then nothing is appended ([`PublishError::Rejected`]). A target: writers
    /// at the same time do not see each other.
    pub max_entries: usize,
}

/// Publishes durable events.
pub trait Publisher: Clone + Send + Sync + 'static {
    /// Publishes one event. Not cancel-safe in the sense that a dropped future may still have published: use a dedup key.
    ///
    /// # Errors
    /// See [`PublishError`].
    fn publish(&self, request: PublishRequest) -> impl Future<Output = Result<Published, PublishError>> + Send;

    /// Appends one entry to a log of the gateway's own, and tells those who follow it. Returns its id. As [`publish`](Self::publish) when it
    /// is dropped; an entry that is appended twice says the same twice.
    ///
    /// # Errors
    /// See [`PublishError`].
    fn append(&self, request: AppendRequest) -> impl Future<Output = Result<EntryId, PublishError>> + Send;
}
