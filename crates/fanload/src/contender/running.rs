//! A started contender.

use crate::process::Process;
use crate::target::Target;

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
