//! Where a contender runs.

use std::path::PathBuf;

use super::wire::Wire;

/// The cores, the directory and the settings of a contender.
#[derive(Clone, Debug)]
pub struct Place {
    /// The core for the server itself; `None` leaves it to the kernel.
    pub server_core: Option<usize>,
    /// The core for Redis and other helpers, which they share with the clients.
    pub helper_core: Option<usize>,
    /// An empty directory for configuration, data and logs; the caller of [`start`](super::Contender::start) removes it.
    pub directory: PathBuf,
    /// Settings of a Fanfare node that are not its defaults, for example `("CHANNEL__LINGER", "0s")`. Others ignore them.
    pub settings: &'static [(&'static str, &'static str)],
    /// What it shall speak. Whoever cannot says so before (see [`cannot`](super::Contender::cannot)).
    pub wire: Wire,
}
