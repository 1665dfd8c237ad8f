//! Telling connection threads that channels have changed: each channel at once, the threads at the end of a turn.

use std::sync::Arc;

use crate::channel::{Channel, Hub};

#[derive(Debug)]
pub(super) struct Notifier {
    hub: Arc<Hub>,
    /// Threads to wake at the end of the turn, a bit for each.
    wake: u64,
}

impl Notifier {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, wake: 0 }
    }

    /// The channel has changed: its watchers look at it in their next turn.
    pub(super) fn notify(&mut self, channel: &Arc<Channel>) {
        self.hub.notify_cores(channel, &mut self.wake);
    }

    /// Wakes the threads that have something to look at.
    pub(super) fn flush(&mut self) {
        self.hub.wake(std::mem::take(&mut self.wake));
    }

    /// A channel that is forgotten is closed.
    pub(super) fn note_closed(&self, channel: &Channel) {
        self.hub.note_closed(channel);
    }

    /// What tells the feed's present connection from those before; 0: it has none.
    pub(super) fn set_link(&self, link: u64) {
        self.hub.set_link(link);
    }

    /// The log holds all that its stream does, on the present connection. Its watchers look at it in their next turn.
    pub(super) fn confirm(&mut self, channel: &Arc<Channel>) {
        channel.lock().confirmed = self.hub.link().unwrap_or(0);
        self.notify(channel);
    }

    /// How often a channel was asked for and had no place.
    pub(super) fn refused(&self) -> u64 {
        self.hub.refused()
    }

    /// Forgets a channel unless it has a reader again.
    pub(super) fn forget(&self, channel: &Channel) -> bool {
        self.hub.forget(channel)
    }
}
