//! The in-process store: streams, publishing and the feed without Redis. `fanfare dev` runs on it, and so do tests, for which
//! the feature `testing` adds faults.
//!
//! It tells the same story as Redis: the same atomic snapshots, the same pushes (encoded and parsed, byte for byte), at
//! most once and in order on each link, and nothing at all for a link that is down. Clones share one store; several nodes
//! attach to it.

#[cfg(feature = "testing")]
mod controls;
#[cfg(not(feature = "testing"))]
#[path = "faultless.rs"]
mod faults;
#[cfg(feature = "testing")]
mod faults;
mod kept_readers;
mod kept_tickets;
mod link;
mod links;
mod memory_store;
mod store;
mod stream;
#[cfg(test)]
mod tests;

#[cfg(feature = "testing")]
pub use controls::{Bell, Checkpoint};
#[cfg(feature = "testing")]
pub use faults::Fate;
pub use link::{Attachment, Link};
pub use memory_store::{Clock, MemoryOptions, MemoryStore};
