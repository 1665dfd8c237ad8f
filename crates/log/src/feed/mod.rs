//! The seam between a feed (Redis Pub/Sub, or the in-process store) and the ingest.
//!
//! Two small shared objects make it: [`Desired`], the channels that one feed is to follow, written by the registry and read by
//! the feed; and the pair [`FeedSink`] / [`FeedSource`], a queue bounded in bytes that all feeds of a node fill without ever
//! waiting. What has no room is turned away ([`shares`] says whose). An ephemeral event is gone then and counted. For anything
//! else the channel is remembered: the ingest reads it from its archive, so that an overflow costs a read and never an event.

mod desired;
mod event;
mod id;
mod queue;
mod shares;

pub use desired::{Changes, Desired};
pub use event::FeedEvent;
pub use id::FeedId;
pub use queue::{FeedBatch, FeedSink, FeedSource, feed};

#[cfg(test)]
mod tests;
