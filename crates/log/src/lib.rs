//! The log, the cursor and the registry: Fanfare's heart.
//!
//! A channel, as a node sees it, is a **log**: its recent *tail* in memory and its cold *archive* behind the
//! [`Archive`] trait. A connection is a [`Cursor`] over that log and nothing else. The [`registry`] keeps every
//! followed log true to its archive; the [`ingest`] drives it; a [`CoreLog`] is what one connection thread sees.
//!
//! This crate knows neither Redis nor HTTP, and every part that decides something is synchronous and pure:
//! time, the feed and the archive are handed in.
#![forbid(unsafe_code)]

pub mod archive;
mod feed;
pub mod publish;

pub use archive::{Archive, ArchiveError, FirstEntry, Newest, ReadRequest, Snapshot, Tip};
pub use feed::{Desired, FeedEvent, FeedSink, FeedSource, feed};
pub use publish::{PublishError, PublishRequest, Published, Publisher};
