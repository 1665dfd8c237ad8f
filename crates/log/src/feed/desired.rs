//! What a feed is to follow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use fanfare_protocol::LogName;
use tokio::sync::Notify;

use crate::fair_queue::FairQueue;
use crate::payer::Payer;

/// A channel that is in the set, or that the feed still believes to be in it.
#[derive(Debug)]
struct Member {
    payer: Payer,
    /// It is in the set.
    wanted: bool,
    /// The feed was told that it is.
    told: bool,
}

#[derive(Debug, Default)]
struct DesiredState {
    members: BTreeMap<LogName, Member>,
    /// What the feed has to be told.
    changed: FairQueue<LogName>,
    /// The number of channels in the set.
    wanted: usize,
}

/// Channels whose membership has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the set, each with who pays for it. Each wants an acknowledgement ([`super::FeedEvent::Subscribed`]) even if the connection subscribes to it already:
    /// the channel was closed and opened again, and its new log waits for one.
    pub wanted: Vec<(Payer, LogName)>,
    /// Not in the set any more.
    pub unwanted: Vec<LogName>,
}

/// The channels that one feed of the node follows: the one source of truth of its subscriptions, with one queue of changes.
///
/// A feed keeps no second list. On a new connection it subscribes to [`Desired::snapshot`]; afterwards it asks for
/// [`Desired::take`] and brings the connection in line with that. Payers take turns in the queue, and a channel that comes and
/// goes before the feed has heard of it is no change.
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

    /// Adds a channel for the node itself. For the owner of the set: the registry, or the test of a feed.
    pub fn insert(&self, name: &LogName) {
        self.insert_for(Payer::NODE, name);
    }

    /// Adds a channel for a payer.
    pub fn insert_for(&self, payer: Payer, name: &LogName) {
        let mut state = self.lock();
        let member = state.members.entry(name.clone()).or_insert(Member { payer, wanted: false, told: false });
        if std::mem::replace(&mut member.wanted, true) {
            return;
        }
        state.wanted += 1;
        state.changed.push(payer, name.clone());
        drop(state);
        self.0.notify.notify_one();
    }

    /// Takes a channel out. For the owner of the set.
    pub fn remove(&self, name: &LogName) {
        let mut state = self.lock();
        let Some(member) = state.members.get_mut(name).filter(|member| member.wanted) else { return };
        member.wanted = false;
        let (told, payer) = (member.told, member.payer);
        state.wanted -= 1;
        if told {
            state.changed.push(payer, name.clone());
            drop(state);
            self.0.notify.notify_one();
        } else {
            state.members.remove(name);
            state.changed.remove(name);
        }
    }

    /// Every channel in the set, in order of names, for a new connection. Also forgets the changes so far, since the snapshot
    /// contains them.
    #[must_use]
    pub fn snapshot(&self) -> Vec<LogName> {
        let mut state = self.lock();
        state.changed = FairQueue::default();
        state.members.retain(|_, member| {
            member.told = true;
            member.wanted
        });
        state.members.keys().cloned().collect()
    }

    /// Whether the channel is followed now.
    #[must_use]
    pub fn contains(&self, name: &LogName) -> bool {
        self.lock().members.get(name).is_some_and(|member| member.wanted)
    }

    /// At most so many changes that the feed has not been told yet, one payer after the other.
    #[must_use]
    pub fn take(&self, most: usize) -> Changes {
        let mut state = self.lock();
        let mut changes = Changes::default();
        while changes.wanted.len() + changes.unwanted.len() < most
            && let Some(name) = state.changed.pop()
        {
            match state.members.get_mut(&name).filter(|member| member.wanted) {
                Some(member) => {
                    member.told = true;
                    changes.wanted.push((member.payer, name));
                }
                None => {
                    state.members.remove(&name);
                    changes.unwanted.push(name);
                }
            }
        }
        changes
    }

    /// Number of channels followed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().wanted
    }

    /// Whether nothing is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there are changes. Cancel-safe; one waiter at a time (the feed).
    pub async fn changed(&self) {
        if !self.lock().changed.is_empty() {
            return;
        }
        self.0.notify.notified().await;
    }
}
