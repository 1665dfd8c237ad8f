//! The publishing library: its text, its version, and how it gets into Redis.

mod library;
mod load;
mod presence;

pub use library::{LIBRARY, LOAD_BY_HAND, Library, SCRIPT, VERSION};
pub(crate) use load::{LIBRARY_KEY, load, loaded_version};
pub(crate) use presence::{Presence, is_denied_command, is_not_found};
