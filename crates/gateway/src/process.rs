//! What the nodes of a process share.

use crate::descriptors::Descriptors;
use crate::logging::LogPipe;

/// The process around one or more nodes. The default one says nothing of itself: for nodes in tests.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Where its log goes.
    pub log: LogPipe,
    /// How many files each of its nodes may open.
    pub descriptors: Descriptors,
}
