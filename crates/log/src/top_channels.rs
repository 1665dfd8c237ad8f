//! The channels with the most readers, out of any number of them.

use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::TOP_CHANNELS_MAX;

/// A channel and its readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelReaders {
    /// The channel.
    pub channel: ChannelName,
    /// Number of its readers on the node.
    pub readers: u32,
}

/// The channels with the most readers among those that were offered, [`TOP_CHANNELS_MAX`] at most. Of channels with as many
/// readers the first by name count.
#[derive(Debug, Default)]
pub struct TopChannels(Vec<ChannelReaders>);

impl TopChannels {
    /// Offers a channel. One that is offered again stands once.
    pub fn offer(&mut self, channel: &ChannelName, readers: u32) {
        let comes_before = |held: &ChannelReaders| (readers, &held.channel) > (held.readers, channel);
        // Nearly always the answer, and then nothing is copied.
        if self.0.len() == TOP_CHANNELS_MAX && self.0.last().is_some_and(|last| !comes_before(last)) {
            return;
        }
        self.0.retain(|held| held.channel != *channel);
        let place = self.0.partition_point(|held| !comes_before(held));
        self.0.insert(place, ChannelReaders { channel: channel.clone(), readers });
        self.0.truncate(TOP_CHANNELS_MAX);
    }

    /// Offers the channels of another.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|ChannelReaders { channel, readers }| self.offer(channel, *readers));
    }

    /// The channels, the one with the most readers first.
    #[must_use]
    pub fn into_channels(self) -> Vec<ChannelReaders> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(number: u32) -> ChannelName {
        ChannelName::parse(&format!("c{number:05}")).unwrap()
    }

    fn shown(top: TopChannels) -> Vec<(String, u32)> {
        top.into_channels().into_iter().map(|one| (one.channel.to_string(), one.readers)).collect()
    }

    // Seen to fail when the list is not cut, when one that is full takes nothing more, and when equal numbers keep the order of offers.
    #[test]
    fn the_most_read_of_very_many_are_kept_in_order_whatever_order_they_come_in() {
        let mut top = TopChannels::default();
        // 7,919 is prime: every number comes once, in a mixed order; two channels have each number of readers.
        let numbers = (0..10_000).map(|number| number * 7_919 % 10_000);
        numbers.for_each(|number| top.offer(&channel(number), number / 2));
        let expected =
            (0..20_u32).map(|place| (channel(9_998 - place / 2 * 2 + place % 2).to_string(), 4_999 - place / 2));
        assert_eq!(shown(top), expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_channel_of_two_threads_stands_once_with_its_later_number() {
        let (mut one, mut other) = (TopChannels::default(), TopChannels::default());
        one.offer(&channel(1), 7);
        one.offer(&channel(2), 6);
        other.offer(&channel(1), 5);
        one.merge(&other);
        assert_eq!(shown(one), [(channel(2).to_string(), 6), (channel(1).to_string(), 5)]);
    }
}
