//! Where tickets are kept, so that every node knows those that another one made.
//!
//! Of each there are two texts: one from when it is made, which is gone if the ticket is not used in time, and one from its first use
//! on. The second is written **once**: of several nodes that meet a ticket for the first time together, one decides when that was, and
//! the others hear of it. What the texts say is not the store's affair.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::TicketName;

/// What the store holds of a ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldTicket {
    /// What was written when it was made, while it may be used for the first time.
    pub made: Option<Bytes>,
    /// What was written at its first use.
    pub used: Option<Bytes>,
    /// When that was looked up: milliseconds of the store's clock.
    pub now_ms: u64,
}

/// Why there is no answer, or why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// The store refuses until somebody changes something (ACL). In the store's own words.
    #[error("the store refuses: {0}")]
    Denied(String),
    /// No answer, or a refusal that passes.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// The answer of a store, when it is there.
pub type TicketAnswer<T> = Pin<Box<dyn Future<Output = Result<T, TicketError>> + Send>>;

/// Keeps tickets. A call that is dropped may have been carried out: that of [`TicketStore::make`] has made a ticket that nobody knows,
/// that of [`TicketStore::use_first`] has begun the life of one that somebody asked for.
pub trait TicketStore: fmt::Debug + Send + Sync {
    /// The time: milliseconds of the store's clock.
    fn now_ms(&self) -> TicketAnswer<u64>;

    /// Writes what a ticket gives. It is gone after `ttl`.
    fn make(&self, ticket: TicketName, record: Bytes, ttl: Duration) -> TicketAnswer<()>;

    /// Looks a ticket up. What is found together need not have been true at one moment: a ticket that was made is looked for first, so
    /// that one which is used for the first time meanwhile is not missed.
    fn find(&self, ticket: TicketName) -> TicketAnswer<HeldTicket>;

    /// Writes what a ticket is from its first use on, for so long, unless that was written before. Returns what is there now.
    fn use_first(&self, ticket: TicketName, record: Bytes, keep: Duration) -> TicketAnswer<Bytes>;
}
