//! The only crate that speaks Redis: feed (Pub/Sub), archive (Streams), publishing functions (Lua).
//!
//! [`RedisStore::start`] is the way in. Three kinds of connections, each for what it is good at: one carries the
//! subscriptions and is watched by a probe, one publishes and asks for facts, a bounded pool reads the archive (and a smaller one
//! does so for history over HTTP, so that no stream waits for whoever pages through it).
#![forbid(unsafe_code)]

mod archive;
mod backoff;
mod calls;
mod check;
mod connect;
mod control;
mod dial;
mod error;
mod eviction;
mod feed;
mod functions;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod fuzzing;
mod keys;
mod occupancy;
mod options;
mod own_log;
mod pool;
mod primary;
mod publish_error;
mod publisher;
mod pushes;
mod refusal_log;
mod shared_connection;
mod status;
mod store;
mod tickets;
mod topology;
mod value;
mod witness;

pub use archive::RedisArchive;
pub use check::{Grade, Line, Report, check};
pub use dial::{Dial, Dialling, RedisSocket};
pub use functions::{LIBRARY, LOAD_BY_HAND, Library, SCRIPT, VERSION};
pub use occupancy::RedisOccupancy;
pub use options::{Options, OptionsError};
pub use own_log::append;
pub use publisher::RedisPublisher;
pub use pushes::Pushes;
pub use status::{Status, StatusReport, Timings};
pub use store::{RedisHandle, RedisStore};
pub use tickets::RedisTickets;
