//! What a client of Fanfare observed, judged by what was stored. Every harness that drives the product asks this crate.
//!
//! Nothing here is shared with the product: readers and rules are written a second time on purpose, so that a mistake
//! cannot cancel itself out.
//!
//! | part | what it is |
//! |---|---|
//! | [`Parser`], [`ChunkDecoder`], [`Head`], [`Position`], [`resp`] | readers of what is said on the wire |
//! | [`Entry`], [`Incarnation`], [`History`], [`Ledger`] | what was stored, as far as it is known |
//! | [`Observed`], [`Gap`], [`Ending`] | what a client observed |
//! | [`Judge`], [`Ruling`] | the verdict |
#![forbid(unsafe_code)]

mod chunked;
mod end;
mod ending;
mod entry;
mod entry_id;
mod head;
mod history;
mod incarnation;
mod judge;
mod ledger;
mod newest;
mod observed;
mod place;
mod position;
mod redis_clock;
pub mod resp;
mod ruling;
mod sse;
mod step;

pub use chunked::ChunkDecoder;
pub use end::End;
pub use ending::Ending;
pub use entry::Entry;
pub use entry_id::EntryId;
pub use head::Head;
pub use history::{History, Memory};
pub use incarnation::Incarnation;
pub use judge::{Finding, Judge, Standing};
pub use ledger::Ledger;
pub use observed::{Gap, Observed};
pub use place::Place;
pub use position::Position;
pub use redis_clock::{Moment, RedisClock};
pub use ruling::Ruling;
pub use sse::{Dispatch, Parsed, Parser};
pub use step::{ByChannel, Published, Sorted, Step};
