//! Which channels were seen to break a promise, and when.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_protocol::LogName;
use fanfare_protocol::limits::BROKEN_PROMISE_PLACES;

/// The last time at which each channel was seen to break a promise.
///
/// Each stands at the place of its name's hash, so that any number of them fits. Channels that share a place share the time: one that
/// breaks the promise costs the few others at its place false gaps, and no number of them costs all others anything. The hash has a
/// key of its own, so that nobody can choose a name for whose place it has.
#[derive(Debug, Default)]
pub(crate) struct BrokenChannels {
    /// 0: never. Made for the first channel: a promise that is kept takes no memory.
    times: OnceLock<Box<[AtomicU64]>>,
    hasher: RandomState,
}

impl BrokenChannels {
    /// When a channel was last seen to break it; 0: never.
    pub(crate) fn last(&self, log: &LogName) -> u64 {
        self.times.get().map_or(0, |times| times[self.place(log)].load(Ordering::Relaxed))
    }

    /// A channel was seen to break it at that time. Returns what was known of it before.
    pub(crate) fn note(&self, log: &LogName, time: u64) -> u64 {
        let times = self.times.get_or_init(|| (0..BROKEN_PROMISE_PLACES).map(|_| AtomicU64::new(0)).collect());
        times[self.place(log)].fetch_max(time, Ordering::Relaxed)
    }

    fn place(&self, log: &LogName) -> usize {
        let hash = self.hasher.hash_one(log) % BROKEN_PROMISE_PLACES as u64;
        usize::try_from(hash).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::ChannelName;

    use super::*;

    fn log(name: u64) -> LogName {
        LogName::from(ChannelName::parse(&name.to_string()).unwrap())
    }

    #[test]
    fn the_last_time_of_a_channel_counts() {
        let broken = BrokenChannels::default();
        assert_eq!(broken.last(&log(1)), 0);
        assert_eq!([broken.note(&log(1), 7), broken.note(&log(1), 5), broken.note(&log(1), 9)], [0, 7, 7]);
        assert_eq!((broken.last(&log(1)), broken.last(&log(2))), (9, 0));
    }

    // Seen to fail with 256 places.
    #[test]
    fn of_many_channels_none_is_forgotten_and_few_others_suffer() {
        let broken = BrokenChannels::default();
        (0..1_000).for_each(|name| _ = broken.note(&log(name), 5));
        assert!((0..1_000).all(|name| broken.last(&log(name)) == 5), "none is forgotten");
        // One in 33 is to be expected: 30, and five times as many never.
        let hurt = (1_000..2_000).filter(|name| broken.last(&log(*name)) != 0).count();
        assert!(hurt < 150, "{hurt} of 1,000");
    }
}
