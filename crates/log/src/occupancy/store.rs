//! Where nodes write how many readers they have, and where they read how many all of them have.
//!
//! Of each channel the store keeps a number for each **life** of a node. A life has a name of its own and lasts as long as the node
//! renews it; a number counts as long as its life lasts. A life that has ended never begins again, so that whoever finds a number without
//! a life may remove it, whatever the node does meanwhile.

use std::fmt;
use std::pin::Pin;

use fanfare_protocol::ChannelName;

/// The name of a node from when it first counts somebody until it is no longer sure that the store counts it. Two have the same by no
/// more than chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeLife(u64);

impl NodeLife {
    /// With a random number.
    #[must_use]
    pub const fn of(number: u64) -> Self {
        Self(number)
    }
}

/// As it stands in the store: 16 hexadecimal digits.
impl fmt::Display for NodeLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why there is no answer. Of what was to be written nothing, some or all may have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OccupancyError {
    /// The store refuses until somebody changes something (ACL). In the store's own words.
    #[error("the store refuses: {0}")]
    Denied(String),
    /// No answer, or a refusal that passes.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// The answer of a store, when it is there. It comes, or fails, within a time that the store sets.
pub type OccupancyAnswer<T> = Pin<Box<dyn Future<Output = Result<T, OccupancyError>> + Send>>;

/// Keeps the numbers. Channels are at most [`OCCUPANCY_BATCH_MAX`](fanfare_protocol::limits::OCCUPANCY_BATCH_MAX) in a call. A call that is
/// dropped may have been carried out.
pub trait OccupancyStore: fmt::Debug + Send + Sync {
    /// Begins a life, and ends the one before it if that has not ended.
    fn begin(&self, life: NodeLife, former: Option<NodeLife>) -> OccupancyAnswer<()>;

    /// Renews a life. `false`: it has ended, and cannot be renewed; or it is not sure that what was written in it is there.
    fn renew(&self, life: NodeLife) -> OccupancyAnswer<bool>;

    /// Sets how many readers the node of a life has on these channels; 0 removes what was said.
    fn write(&self, life: NodeLife, readers: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()>;

    /// Keeps what is written of these channels for longer. `false` for those of which there is nothing.
    fn keep(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>>;

    /// How many readers these channels have, in lives that last; in their order. What has been said in others is removed.
    fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>>;

    /// Ends a life, and after that removes what was said in it of these channels.
    fn end(&self, life: NodeLife, channels: Vec<ChannelName>) -> OccupancyAnswer<()>;
}
