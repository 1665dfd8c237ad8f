//! What Fanfare says on the wire: names, entry ids, positions, pushes, frames and limits.
//!
//! Everything here is pure: no async, no I/O, no clock, no randomness. Whatever a publisher or a
//! client can choose is parsed here once, into types that cannot be wrong afterwards; whatever a
//! client reads is encoded here once, into bytes that every connection shares.
//!
//! Every parser of this crate is total (no input makes it panic), bounded (see [`limits`]) and
//! canonical (what it accepts encodes back to the same text).

mod base64;
pub mod block;
mod channel;
pub mod chunk;
mod entry_id;
mod epoch;
mod event;
mod fields;
mod frame;
mod gap;
mod hash;
pub mod limits;
mod lines;
mod log_name;
mod moving_vector;
mod name;
mod pattern;
mod position;
mod push;
mod tag;
mod ticket_name;
mod vector;
mod width;
mod written_vector;

pub use channel::ChannelName;
pub use entry_id::{EntryId, EntryIdError};
pub use epoch::Epoch;
pub use event::{Entry, Event, EventName};
pub use fields::{Decoded, Foreign, decode_fields};
pub use frame::Frame;
pub use gap::{Gap, GapReason};
pub use log_name::LogName;
pub use moving_vector::MovingVector;
pub use name::NameError;
pub use pattern::{Pattern, PatternError, PatternPart};
pub use position::{LastEventId, Position, PositionError};
pub use push::{Push, encode_push};
pub use tag::ChannelTag;
pub use ticket_name::TicketName;
pub use vector::{PositionVector, encode_vector};
pub use written_vector::WrittenVector;
