//! What a worker is told before it opens its first connection.

use serde::{Deserialize, Serialize};

use crate::target::{Protocol, Subscribe};

/// Everything a worker needs to know before it opens its first connection. The first line that it gets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Where to connect; one at random each time.
    pub addresses: Vec<std::net::SocketAddr>,
    /// What to speak.
    pub protocol: Protocol,
    /// How to subscribe.
    pub subscribe: Subscribe,
    /// What the names of the channels begin with; the index follows.
    pub prefix: String,
    /// Channels over all workers.
    pub channels: usize,
    /// Channels of one connection.
    pub channels_per_connection: usize,
    /// The index of this worker, from 0: it decides from which loopback addresses it connects.
    pub worker: usize,
    /// The index of this worker's first connection among all of them.
    pub first: usize,
    /// Bytes of an event's data.
    pub bytes: usize,
    /// Share of slow connections, 0 to 1.
    pub slow: f64,
    /// Bytes a second that a slow connection reads.
    pub slow_bytes: usize,
    /// Whether a client that comes back can expect what it missed.
    pub resumes: bool,
    /// Connections on their way at a time.
    pub at_once: usize,
    /// How long a connection may be on its way, in milliseconds.
    pub patience_ms: u64,
    /// Longest pause, in milliseconds, before a connection that was cut on purpose comes back.
    pub away_ms: u64,
    /// Seed of the random choices.
    pub seed: u64,
}

impl Plan {
    /// The name of a channel.
    pub fn channel(&self, index: usize) -> String {
        format!("{}{index}", self.prefix)
    }

    /// The indices of the channels of one of this worker's connections.
    pub fn channels_of(&self, connection: usize) -> impl Iterator<Item = usize> {
        let (start, channels) = (self.first_channel(connection), self.channels);
        (0..self.channels_per_connection).map(move |offset| (start + offset) % channels)
    }

    /// The place of `channel` among the channels of `connection`, if it is one of them.
    pub fn offset_of(&self, connection: usize, channel: usize) -> Option<usize> {
        let offset = (channel + self.channels - self.first_channel(connection)) % self.channels;
        (channel < self.channels && offset < self.channels_per_connection).then_some(offset)
    }

    /// Whether a connection is one of the slow ones. They are spread evenly.
    pub fn is_slow(&self, connection: usize) -> bool {
        let index = (self.first + connection) as f64;
        ((index + 1.0) * self.slow).floor() > (index * self.slow).floor()
    }

    /// The channel of a cell: all channels of the first connection come first, then those of the second, and so on.
    pub fn channel_of_cell(&self, cell: usize) -> usize {
        let (connection, offset) = (cell / self.channels_per_connection, cell % self.channels_per_connection);
        (self.first_channel(connection) + offset) % self.channels
    }

    fn first_channel(&self, connection: usize) -> usize {
        (self.first + connection) * self.channels_per_connection % self.channels
    }

    /// For tests, which change what they are about: the only worker, each of whose connections reads the one channel of a node.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            addresses: Vec::new(),
            protocol: Protocol::default(),
            subscribe: Subscribe::fanfare("node"),
            prefix: "p-".to_owned(),
            channels: 1,
            channels_per_connection: 1,
            worker: 0,
            first: 0,
            bytes: 80,
            slow: 0.0,
            slow_bytes: 1,
            resumes: true,
            at_once: 1,
            patience_ms: 1,
            away_ms: 1,
            seed: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(worker: usize, first: usize) -> Plan {
        Plan { channels: 10, channels_per_connection: 4, worker, first, slow: 0.3, ..Plan::sample() }
    }

    // Seen to fail when the first connection of a worker is not counted in.
    #[test]
    fn each_connection_has_its_channels_and_knows_no_others() {
        let plan = plan(1, 7);
        // Connection 7 of all begins at channel 28, which is 8 of 10.
        assert_eq!(plan.channels_of(0).collect::<Vec<_>>(), [8, 9, 0, 1]);
        for channel in 0..12 {
            let place = plan.channels_of(0).position(|of_it| of_it == channel);
            assert_eq!(plan.offset_of(0, channel), place, "channel {channel}");
        }
        assert_eq!((0..8).map(|cell| plan.channel_of_cell(cell)).collect::<Vec<_>>(), [8, 9, 0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn slow_connections_are_as_many_as_asked_for_however_they_are_spread() {
        let slow = |worker, first, count| (0..count).filter(|&index| plan(worker, first).is_slow(index)).count();
        assert_eq!(slow(0, 0, 100), 30);
        assert_eq!(slow(0, 0, 57) + slow(1, 57, 43), 30);
    }
}
