//! What a feed is to follow.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use fanfare_protocol::LogName;
use tokio::sync::Notify;

#[derive(Debug, Default)]
struct DesiredState {
    names: BTreeSet<LogName>,
    changed: BTreeSet<LogName>,
}

/// The channels that one feed of the node follows: the one source of truth of its subscriptions, with one queue of changes.
///
/// A feed keeps no second list. On a new connection it subscribes to [`Desired::snapshot`]; afterwards it asks for
/// [`Desired::take_changes`] and brings the connection in line with [`Desired::contains`]. A name among the changes that is
/// contained gets an acknowledgement ([`super::FeedEvent::Subscribed`]) even if the connection subscribes to it already: the
/// channel may have been closed and opened again in between, and its new log waits for one.
#[derive(Debug, Clone, Default)]
pub struct Desired(Arc<DesiredShared>);

#[derive(Debug, Default)]
struct DesiredShared {
    state: Mutex<DesiredState>,
    notify: Notify,
}

impl Desired {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, DesiredState> {
        self.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds a channel. For the owner of the set: the registry, or the test of a feed.
    pub fn insert(&self, name: &LogName) {
        let mut state = self.lock();
        if state.names.insert(name.clone()) {
            state.changed.insert(name.clone());
            drop(state);
            self.0.notify.notify_one();
        }
    }

    /// Takes a channel out. For the owner of the set.
    pub fn remove(&self, name: &LogName) {
        let mut state = self.lock();
        if state.names.remove(name) {
            state.changed.insert(name.clone());
            drop(state);
            self.0.notify.notify_one();
        }
    }

    /// Every channel in the set, in order of names. Also forgets the changes so far, since the snapshot contains them.
    #[must_use]
    pub fn snapshot(&self) -> Vec<LogName> {
        let mut state = self.lock();
        state.changed.clear();
        state.names.iter().cloned().collect()
    }

    /// Whether the channel is followed now.
    #[must_use]
    pub fn contains(&self, name: &LogName) -> bool {
        self.lock().names.contains(name)
    }

    /// Names whose membership may have changed since the last call (each at most once).
    #[must_use]
    pub fn take_changes(&self) -> Vec<LogName> {
        std::mem::take(&mut self.lock().changed).into_iter().collect()
    }

    /// Number of channels followed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().names.len()
    }

    /// Whether nothing is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until membership may have changed. Cancel-safe; one waiter at a time (the feed).
    pub async fn changed(&self) {
        if !self.lock().changed.is_empty() {
            return;
        }
        self.0.notify.notified().await;
    }
}
