//! The log, the cursor and the registry: Fanfare's heart.
//!
//! A channel, as a node sees it, is a **log**: its recent *tail* in memory and its cold *archive* behind the
//! [`Archive`] trait. A connection is a [`Cursor`] over that log and nothing else. The [`registry`] keeps every
//! followed log true to its archive; the [`ingest`] drives it; a [`CoreLog`] is what one connection thread sees.
//!
//! This crate knows neither Redis nor HTTP, and every part that decides something is synchronous and pure:
//! time, the feed and the archive are handed in.
#![forbid(unsafe_code)]

pub mod absence;
pub mod archive;
mod assemble;
mod broken_channels;
pub mod budget;
mod channel;
mod core_log;
mod coverage;
mod cursor;
mod cursor_set;
mod fair_queue;
mod feed;
mod ingest;
pub mod memory;
mod min_life;
mod min_lives;
mod newest_answers;
pub mod occupancy;
mod options;
pub mod pages;
mod payer;
mod permanence;
mod places;
pub mod proof;
pub mod publish;
mod random;
mod refusal;
pub mod registry;
pub mod stats;
mod sync;
mod tail;
mod tickets;
mod top_channels;
mod view;
mod wants;

pub use archive::{Archive, ArchiveError, FirstEntry, Newest, NewestRead, ReadRequest, Snapshot, Tip};
pub use assemble::{Assembly, assemble};
pub use channel::{Channel, Hub, MAX_CORES};
pub use core_log::{CoreLog, ViewKey};
pub use coverage::Coverage;
pub use cursor::{Cursor, ReaderId, Start};
pub use cursor_set::CursorSet;
pub use feed::{Changes, Desired, FeedBatch, FeedEvent, FeedId, FeedSink, FeedSource, feed};
pub use ingest::Ingest;
pub use min_life::MinLife;
pub use min_lives::{BrokenBy, Ending, MinLives};
pub use occupancy::{NodeLife, Occupancy, OccupancyAnswer, OccupancyError, OccupancyStore, Tally};
pub use options::Options;
pub use payer::Payer;
pub use permanence::Permanence;
pub use places::NoPlace;
pub use publish::{AppendRequest, PublishError, PublishRequest, Published, Publisher, Ttl};
pub use random::Random;
pub use refusal::Refusal;
pub use registry::Registry;
pub use stats::IngestStats;
pub use tail::{Item, Located, Seam, Tail};
pub use tickets::{HeldTicket, TicketAnswer, TicketError, TicketStore};
pub use top_channels::{ChannelReaders, TopChannels};
pub use view::Next;
pub use wants::Wants;
