//! What a client of Fanfare observed, judged by what was stored. Every harness that drives the product asks this crate.
//!
//! Nothing here is shared with the product: readers and rules are written a second time on purpose, so that a mistake
//! cannot cancel itself out.
//!
//! | part | what it is |
//! |---|---|
//! | [`ResponseParser`] of [`Head`], [`ChunkDecoder`] and [`Parser`]; [`Position`]; [`resp`] | readers of what is said on the wire |
//! | [`Entry`], [`Incarnation`], [`History`], [`Ledger`] | what was stored, as far as it is known |
//! | [`Observed`], [`Gap`], [`ConnectionEnd`] | what a client observed |
//! | [`ByChannel`], [`Step`] | the same, sorted by channel |
//! | [`Judge`], [`Finding`], [`Ruling`] | the verdict: what the judge says of a step, and of a gap |
#![forbid(unsafe_code)]

mod by_channel;
mod chunked;
mod connection_end;
mod entry;
mod entry_id;
mod finding;
mod head;
mod history;
mod incarnation;
mod incarnation_end;
mod judge;
mod ledger;
mod newest;
mod observed;
mod place;
mod position;
mod redis_clock;
pub mod resp;
mod response_parser;
mod ruling;
mod sse;
mod step;
mod told_gap;
mod whereabouts;

pub use by_channel::{ByChannel, Published, Sorted};
pub use chunked::ChunkDecoder;
pub use connection_end::ConnectionEnd;
pub use entry::Entry;
pub use entry_id::EntryId;
pub use finding::Finding;
pub use head::Head;
pub use history::{History, HistoryLimits};
pub use incarnation::Incarnation;
pub use incarnation_end::IncarnationEnd;
pub use judge::Judge;
pub use ledger::Ledger;
pub use observed::{Gap, Observed};
pub use place::Place;
pub use position::Position;
pub use redis_clock::{Moment, RedisClock};
pub use response_parser::ResponseParser;
pub use ruling::Ruling;
pub use sse::{Dispatch, Parsed, Parser};
pub use step::Step;
pub use whereabouts::Whereabouts;
