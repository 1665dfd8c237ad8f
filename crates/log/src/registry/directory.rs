//! The channels of the node: by key and by name. Whether there is a place for a channel is decided before it comes here
//! ([`crate::places`]).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use fanfare_protocol::LogName;

use super::channel_log::ChannelLog;
use crate::channel::Channel;
use crate::feed::{Desired, FeedId};

/// Every log. All of them are followed.
#[derive(Debug)]
pub(super) struct Directory {
    /// What each feed follows: together always the names in `by_name`.
    desired: Vec<Desired>,
    logs: HashMap<usize, ChannelLog>,
    by_name: HashMap<LogName, usize>,
    /// The keys of the gateway's own logs.
    own: BTreeSet<usize>,
}

impl Directory {
    /// `desired` has a set for every feed to which [`feed_of`] sends a channel.
    pub(super) fn new(desired: Vec<Desired>) -> Self {
        debug_assert!(!desired.is_empty(), "a node without a feed would follow nothing and not say so");
        Self { desired, logs: HashMap::new(), by_name: HashMap::new(), own: BTreeSet::new() }
    }

    /// The log of a channel, and whether it is new: it is followed from now on.
    pub(super) fn open(&mut self, channel: &Arc<Channel>) -> (&mut ChannelLog, bool) {
        let mut is_new = false;
        let log = self.logs.entry(channel.key).or_insert_with(|| {
            is_new = true;
            let feed = feed_of(&channel.name);
            let before = self.by_name.insert(channel.name.clone(), channel.key);
            debug_assert!(before.is_none(), "the hub tells of a channel that is gone before it tells of its successor");
            if let Some(desired) = self.desired.get(feed.number()) {
                desired.insert_for(channel.payer, &channel.name);
            }
            if channel.name.is_system() {
                self.own.insert(channel.key);
            }
            ChannelLog::new(Arc::clone(channel), feed)
        });
        (log, is_new)
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

    /// The gateway's own logs.
    pub(super) fn own_logs(&self) -> impl Iterator<Item = &ChannelLog> {
        self.own.iter().filter_map(|key| self.logs.get(key))
    }

    /// The number of logs.
    pub(super) fn len(&self) -> usize {
        self.logs.len()
    }

    /// Takes a channel out.
    pub(super) fn close(&mut self, key: usize) -> Option<ChannelLog> {
        let log = self.logs.remove(&key)?;
        self.by_name.remove(&log.channel.name);
        self.own.remove(&key);
        if let Some(desired) = self.desired.get(log.feed.number()) {
            desired.remove(&log.channel.name);
        }
        Some(log)
    }
}

/// The feed that a channel belongs to. Where there are several, this is the one place that decides.
fn feed_of(_channel: &LogName) -> FeedId {
    FeedId::FIRST
}
