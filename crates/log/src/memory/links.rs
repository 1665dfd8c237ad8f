//! Every link of the in-process store, as the store sees them.

use std::collections::HashSet;
use std::sync::Arc;

use fanfare_protocol::LogName;
use slab::Slab;
use tokio::sync::Notify;

use super::faults::{Faults, Lane};
use crate::feed::{FeedEvent, FeedSink};

/// What the store knows of one link.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) sink: FeedSink,
    pub(super) connected: bool,
    pub(super) subscribed: HashSet<LogName>,
    pub(super) lane: Lane,
    pub(super) poke: Arc<Notify>,
}

impl Wire {
    pub(super) fn disconnect(&mut self) {
        if std::mem::take(&mut self.connected) {
            self.subscribed.clear();
            self.lane.clear();
            self.sink.send(FeedEvent::Disconnected);
            self.poke.notify_one();
        }
    }
}

/// Every link of a store.
#[derive(Debug, Default)]
pub(super) struct Links(pub(super) Slab<Wire>);

impl Links {
    /// Sends an event to every link that subscribes to its channel.
    pub(super) fn deliver(&mut self, channel: &LogName, event: &FeedEvent, faults: &mut Faults) {
        faults.begin_message();
        for (_, wire) in self.0.iter_mut().filter(|(_, wire)| wire.subscribed.contains(channel)) {
            wire.lane.carry(channel, event, faults, &wire.sink);
        }
    }
}

/// What tests do to all links at once.
#[cfg(feature = "testing")]
impl Links {
    pub(super) fn release(&mut self) {
        self.0.iter_mut().for_each(|(_, wire)| wire.lane.release(&wire.sink));
    }

    pub(super) fn disconnect(&mut self) {
        self.0.iter_mut().for_each(|(_, wire)| wire.disconnect());
    }

    pub(super) fn poke(&self) {
        self.0.iter().for_each(|(_, wire)| wire.poke.notify_one());
    }
}
