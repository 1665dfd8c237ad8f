//! The channels of the node: by key, by name, and those that wait for a place.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use fanfare_protocol::LogName;

use super::channel_log::ChannelLog;
use crate::channel::Channel;
use crate::feed::{Desired, FeedId};

/// Every log, and which of them are followed.
#[derive(Debug)]
pub(super) struct Directory {
    /// Maximum number of channels that are followed.
    max_channels: usize,
    /// What each feed follows: together always the names in `by_name`.
    desired: Vec<Desired>,
    logs: HashMap<usize, ChannelLog>,
    /// Keys of the channels that are followed.
    by_name: HashMap<LogName, usize>,
    /// Keys of channels over the node's limit; the oldest is next.
    over_limit: BTreeSet<usize>,
}

impl Directory {
    /// `desired` has a set for every feed to which [`feed_of`] sends a channel.
    pub(super) fn new(max_channels: usize, desired: Vec<Desired>) -> Self {
        debug_assert!(!desired.is_empty(), "a node without a feed would follow nothing and not say so");
        Self { max_channels, desired, logs: HashMap::new(), by_name: HashMap::new(), over_limit: BTreeSet::new() }
    }

    /// The log of a channel, made if it is new.
    pub(super) fn open(&mut self, channel: &Arc<Channel>) -> &mut ChannelLog {
        let feed = feed_of(&channel.name);
        self.logs.entry(channel.key).or_insert_with(|| ChannelLog::new(Arc::clone(channel), feed))
    }

    /// The log of a followed channel.
    pub(super) fn named(&self, name: &LogName) -> Option<&ChannelLog> {
        self.logs.get(self.by_name.get(name)?)
    }

    pub(super) fn named_mut(&mut self, name: &LogName) -> Option<&mut ChannelLog> {
        self.logs.get_mut(self.by_name.get(name)?)
    }

    pub(super) fn get(&self, key: usize) -> Option<&ChannelLog> {
        self.logs.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut ChannelLog> {
        self.logs.get_mut(&key)
    }

    #[cfg(feature = "testing")]
    pub(super) fn all(&self) -> impl Iterator<Item = &ChannelLog> {
        self.logs.values()
    }

    /// The logs of the channels that belong to a feed.
    pub(super) fn of_feed_mut(&mut self, feed: FeedId) -> impl Iterator<Item = &mut ChannelLog> {
        self.logs.values_mut().filter(move |log| log.feed == feed)
    }

    /// The number of logs, followed or not.
    pub(super) fn len(&self) -> usize {
        self.logs.len()
    }

    /// The number of channels that are followed.
    pub(super) fn followed(&self) -> usize {
        self.by_name.len()
    }

    /// Follows a channel, if there is a place; otherwise it waits for one. Returns whether it is followed.
    pub(super) fn follow(&mut self, key: usize) -> bool {
        let Some(log) = self.logs.get_mut(&key) else { return false };
        if self.by_name.len() >= self.max_channels {
            self.over_limit.insert(key);
            return false;
        }
        log.on_followed();
        self.over_limit.remove(&key);
        self.by_name.insert(log.channel.name.clone(), key);
        if let Some(desired) = self.desired.get(log.feed.number()) {
            desired.insert(&log.channel.name);
        }
        true
    }

    /// Takes a channel out. Returns its log, and the channel that may have its place.
    pub(super) fn close(&mut self, key: usize) -> Option<(ChannelLog, Option<usize>)> {
        let log = self.logs.remove(&key)?;
        if log.is_over_limit() {
            self.over_limit.remove(&key);
        } else {
            self.by_name.remove(&log.channel.name);
            if let Some(desired) = self.desired.get(log.feed.number()) {
                desired.remove(&log.channel.name);
            }
        }
        Some((log, self.over_limit.pop_first()))
    }
}

/// The feed that a channel belongs to. Where there are several, this is the one place that decides.
fn feed_of(_channel: &LogName) -> FeedId {
    FeedId::FIRST
}
