//! What listeners show their clients: read from files, and again when these change.

mod certificates;
mod file_state;
mod listener_files;
mod status;
mod validity;

pub use certificates::{Certificates, Why};
pub(crate) use listener_files::ListenerFiles;
pub use status::{Shown, TlsStatus};
pub(crate) use validity::{complaint, date};
