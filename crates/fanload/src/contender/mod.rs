//! Things that serve events and can be measured. One file for each.

mod fanfare;
mod floor;
pub mod peers;
pub mod wait;

use std::path::PathBuf;

pub use fanfare::{Fanfare, start_redis};
pub use floor::Floor;

use crate::process::Process;
use crate::scenario::Scenario;
use crate::target::Target;

/// Something that serves events and can be measured.
pub trait Contender {
    /// A short name without spaces, as given to `--contender` and shown in tables.
    fn name(&self) -> &'static str;

    /// Why `scenario` cannot be run with it, in a few words; `None` when it can.
    fn cannot(&self, scenario: Scenario) -> Option<&'static str> {
        let _ = scenario;
        None
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// Says what is missing (and how to install it) or what went wrong, with the end of the server's log.
    fn start(&self, place: &Place) -> anyhow::Result<Running>;
}

/// Where a contender runs.
#[derive(Clone, Debug)]
pub struct Place {
    /// The core for the server itself; `None` leaves it to the kernel.
    pub server_core: Option<usize>,
    /// The core for Redis and other helpers, which they share with the clients.
    pub helper_core: Option<usize>,
    /// An empty directory for configuration, data and logs; removed by whoever made it.
    pub directory: PathBuf,
    /// Settings of a Fanfare node that are not its defaults, for example `("CHANNEL__LINGER", "0s")`. Others ignore them.
    pub settings: &'static [(&'static str, &'static str)],
}

/// A started contender. Dropping it ends its processes (SIGTERM, then SIGKILL), in the order of the list.
#[derive(Debug)]
pub struct Running {
    /// Processes whose CPU and memory count as the server's.
    pub server_pids: Vec<u32>,
    /// How to reach it.
    pub target: Target,
    /// Name, version and whatever else a reader of the table should know, in one line.
    pub description: String,
    /// Everything that was started for it.
    pub processes: Vec<Process>,
}
