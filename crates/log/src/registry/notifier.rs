//! Telling connection threads that channels have changed: each channel at once, the threads at the end of a turn.

use std::sync::Arc;

use tokio::time::Instant;

use crate::channel::{Channel, Hub};
use crate::coverage::Coverage;

#[derive(Debug)]
pub(super) struct Notifier {
    hub: Arc<Hub>,
    /// All that was published before this time has been told by the feed. `None`: that was never proven.
    proven: Option<Instant>,
    /// Threads to wake at the end of the turn, a bit for each.
    wake: u64,
}

impl Notifier {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, proven: None, wake: 0 }
    }

    /// The channel has changed: its viewers look at it in their next turn.
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

    /// All that was published before this time has been told by the feed, and noted.
    pub(super) fn set_proven(&mut self, proven: Option<Instant>) {
        self.proven = proven;
    }

    /// What of its stream a log of the gateway's own holds. If that is news, its viewers look at it in their next turn.
    pub(super) fn cover(&mut self, channel: &Arc<Channel>, is_confirmed: bool, unread_since: Option<Instant>) {
        let link = self.hub.link().filter(|_| is_confirmed);
        let coverage = Coverage { link, unread_since, proven: self.proven };
        let before = channel.lock().coverage.replace(Box::new(coverage));
        if before.as_deref() != Some(&coverage) {
            self.notify(channel);
        }
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
