//! How channels are named in Redis.

use std::sync::Arc;

use fanfare_protocol::ChannelName;

/// Makes names of keys and Pub/Sub channels.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) prefix: Arc<str>,
}

impl Keys {
    /// The Stream key and the Pub/Sub channel of a channel: one name, so one Cluster slot.
    pub(crate) fn stream(&self, channel: &ChannelName) -> String {
        format!("{}{channel}", self.prefix)
    }

    /// The key whose random value tells one life of the data from the next. No channel has this name, since names of
    /// channels do not start with `$`.
    pub(crate) fn epoch(&self) -> String {
        format!("{}$epoch", self.prefix)
    }
}
