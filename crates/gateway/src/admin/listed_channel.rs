//! A channel in the list of those with the most readers.

use fanfare_protocol::ChannelName;
use serde_json::{Value, json};

/// A channel as `/status` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedChannel {
    /// The channel.
    pub channel: ChannelName,
    /// Its readers on this node.
    pub readers: u32,
    /// Its readers on all nodes.
    pub occupancy: ChannelOccupancy,
}

/// How many read a channel, on all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelOccupancy {
    /// The configuration does not name the channel.
    NotCounted,
    /// As the store said a few seconds ago at most.
    Known(u64),
    /// The store has not said it lately: why, for whoever runs the node.
    Unknown(String),
}

impl ListedChannel {
    /// As `/status` shows it. Of a channel that is not counted nothing is said of all nodes; a number that is not known is `null`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut shown = json!({ "channel": self.channel.as_str(), "readers": self.readers });
        match &self.occupancy {
            ChannelOccupancy::NotCounted => {}
            ChannelOccupancy::Known(readers) => shown["occupancy"] = json!(readers),
            ChannelOccupancy::Unknown(reason) => {
                shown["occupancy"] = Value::Null;
                shown["occupancy_unknown"] = json!(reason);
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_null_with_a_reason_and_what_is_not_counted_is_not_there() {
        let shown = |occupancy| {
            let channel = ChannelName::parse("chat:1").unwrap();
            ListedChannel { channel, readers: 2, occupancy }.to_json()
        };
        assert_eq!(shown(ChannelOccupancy::NotCounted), json!({ "channel": "chat:1", "readers": 2 }));
        assert_eq!(shown(ChannelOccupancy::Known(0)), json!({ "channel": "chat:1", "readers": 2, "occupancy": 0 }));
        let unknown = json!({ "channel": "chat:1", "readers": 2, "occupancy": null, "occupancy_unknown": "away" });
        assert_eq!(shown(ChannelOccupancy::Unknown("away".to_owned())), unknown);
    }
}
