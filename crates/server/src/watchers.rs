//! The sessions of one thread that asked how many read their channels (`occupancy=1`).
//!
//! All of it is beside the sessions: one that did not ask costs nothing. Nothing is queued for one that did: what it is told is looked up
//! when it can take it, so that a slow client gets the latest number and none before it.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use fanfare_log::occupancy::Watch;
use fanfare_log::{Occupancy, Tally};
use fanfare_protocol::block;
use fanfare_protocol::limits::OCCUPANCY_TOLD_INTERVAL;
use tokio::time::Instant;

use crate::sessions::{SessionSlot, Sessions};

/// Who is told what, and who is to be told.
#[derive(Debug, Default)]
pub(crate) struct Watchers(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<SessionSlot, Watcher>,
    /// By the slots of their tallies.
    channels: HashMap<usize, Watched>,
    /// Sessions to be woken, each once.
    waking: VecDeque<SessionSlot>,
    /// Those that were told something a moment ago, or could not be told all: they are woken again after the next round.
    again: BTreeSet<SessionSlot>,
}

/// A session that asked.
#[derive(Debug)]
struct Watcher {
    /// Its channels, by the slots of their tallies, and what it was told of each.
    told: Box<[(usize, Option<u64>)]>,
    told_at: Option<Instant>,
    /// Something may have changed since it was last asked.
    is_due: bool,
}

/// A channel of such sessions.
#[derive(Debug)]
struct Watched {
    watch: Watch,
    /// What they were last woken for.
    seen: Option<u64>,
    sessions: HashSet<SessionSlot>,
}

impl Watchers {
    /// A session asks about these channels.
    pub(crate) fn insert(&self, session: SessionSlot, tallies: Vec<Arc<Tally>>, occupancy: &Occupancy) {
        let state = &mut *self.0.borrow_mut();
        let told = tallies.iter().map(|tally| (tally.slot(), None)).collect();
        for tally in tallies {
            let watched = state.channels.entry(tally.slot()).or_insert_with(|| {
                let watch = occupancy.watch(tally);
                Watched { seen: watch.tally().total(), watch, sessions: HashSet::new() }
            });
            watched.sessions.insert(session);
        }
        state.sessions.insert(session, Watcher { told, told_at: None, is_due: true });
    }

    /// The session is over.
    pub(crate) fn remove(&self, session: SessionSlot) {
        let state = &mut *self.0.borrow_mut();
        let Some(watcher) = state.sessions.remove(&session) else { return };
        state.again.remove(&session);
        for (channel, _) in watcher.told {
            if let Some(watched) = state.channels.get_mut(&channel) {
                watched.sessions.remove(&session);
                if watched.sessions.is_empty() {
                    state.channels.remove(&channel);
                }
            }
        }
    }

    /// A round of the reporter is over: finds whom it concerns.
    pub(crate) fn take_over(&self) {
        let State { sessions, channels, waking, again } = &mut *self.0.borrow_mut();
        let mut wake = |session: SessionSlot| {
            if let Some(watcher) = sessions.get_mut(&session).filter(|watcher| !watcher.is_due) {
                watcher.is_due = true;
                waking.push_back(session);
            }
        };
        std::mem::take(again).into_iter().for_each(&mut wake);
        for watched in channels.values_mut() {
            let total = watched.watch.tally().total();
            if total.is_some() && watched.seen != total {
                watched.seen = total;
                watched.sessions.iter().copied().for_each(&mut wake);
            }
        }
    }

    /// Wakes some of those that are to be told something. Returns whether there are more.
    pub(crate) fn wake(&self, most: usize, sessions: &Sessions) -> bool {
        let waking = &mut self.0.borrow_mut().waking;
        let some = most.min(waking.len());
        waking.drain(..some).for_each(|session| sessions.wake_session(session));
        !waking.is_empty()
    }

    /// What is to be said to a session now; empty if nothing is. It is taken for said.
    pub(crate) fn news(&self, session: SessionSlot, now: Instant) -> Vec<u8> {
        let State { sessions, channels, again, .. } = &mut *self.0.borrow_mut();
        let mut blocks = Vec::new();
        let Some(watcher) = sessions.get_mut(&session).filter(|watcher| watcher.is_due) else { return blocks };
        watcher.is_due = false;
        if watcher.told_at.is_some_and(|told_at| now - told_at < OCCUPANCY_TOLD_INTERVAL) {
            again.insert(session);
            return blocks;
        }
        let mut is_known = true;
        for (channel, told) in &mut watcher.told {
            let Some(tally) = channels.get(channel).map(|watched| watched.watch.tally()) else { continue };
            let total = tally.total();
            is_known &= total.is_some();
            if let Some(total) = total.filter(|total| Some(*total) != *told) {
                block::occupancy(&mut blocks, tally.name(), total);
                *told = Some(total);
            }
        }
        if !is_known {
            again.insert(session);
        }
        if !blocks.is_empty() {
            watcher.told_at = Some(now);
        }
        blocks
    }
}

#[cfg(test)]
mod tests;
