//! The sessions of one thread that asked how many read their channels (`occupancy=1`).
//!
//! All of it is beside the sessions: one that did not ask costs nothing. Nothing is queued for one that did: what it is told is looked up
//! when it can take it, so that a slow client gets the latest number and none before it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
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

/// All in order, so that a round is gone through in parts, and that a simulation can repeat in which order sessions are woken.
#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<SessionSlot, Watcher>,
    /// By the slots of their tallies.
    channels: BTreeMap<usize, Watched>,
    /// The round of which is being found whom it concerns.
    round: Round,
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
    sessions: BTreeSet<SessionSlot>,
}

impl Watched {
    /// Whether a new number is known since the last look.
    fn look(&mut self) -> bool {
        let total = self.watch.tally().total();
        let is_new = total.is_some() && self.seen != total;
        if is_new {
            self.seen = total;
        }
        is_new
    }
}

/// How far a round has been gone through.
#[derive(Debug, Default)]
struct Round {
    /// Those that were to be woken again after it.
    again: BTreeSet<SessionSlot>,
    next: Next,
}

/// At what is looked next.
#[derive(Debug, Clone, Copy, Default)]
enum Next {
    /// The first channel from this slot on.
    Channel(usize),
    /// The first session of a channel with a new number, after this one.
    Session { of: usize, after: Option<SessionSlot> },
    /// There is no more.
    #[default]
    Nothing,
}

impl Watchers {
    /// A session asks about these channels.
    pub(crate) fn insert(&self, session: SessionSlot, tallies: Vec<Arc<Tally>>, occupancy: &Occupancy) {
        let state = &mut *self.0.borrow_mut();
        let told = tallies.iter().map(|tally| (tally.slot(), None)).collect();
        for tally in tallies {
            let watched = state.channels.entry(tally.slot()).or_insert_with(|| {
                let watch = occupancy.watch(tally);
                Watched { seen: watch.tally().total(), watch, sessions: BTreeSet::new() }
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
        state.round.again.remove(&session);
        for (channel, _) in watcher.told {
            if let Some(watched) = state.channels.get_mut(&channel) {
                watched.sessions.remove(&session);
                if watched.sessions.is_empty() {
                    state.channels.remove(&channel);
                }
            }
        }
    }

    /// A round of the reporter is over: whom it concerns is to be found ([`Self::find`]).
    pub(crate) fn begin_round(&self) {
        let State { again, round, .. } = &mut *self.0.borrow_mut();
        // Who is to be woken again after this one is not among them: it would be woken without an end.
        *round = Round { again: std::mem::take(again), next: Next::Channel(0) };
    }

    /// Finds sessions that the round concerns, by a look at so many channels and sessions. Returns whether there are more.
    pub(crate) fn find(&self, most: usize) -> bool {
        let State { sessions, channels, waking, round, .. } = &mut *self.0.borrow_mut();
        let mut wake = |session: SessionSlot| {
            if let Some(watcher) = sessions.get_mut(&session).filter(|watcher| !watcher.is_due) {
                watcher.is_due = true;
                waking.push_back(session);
            }
        };
        for _ in 0..most {
            if let Some(session) = round.again.pop_first() {
                wake(session);
                continue;
            }
            round.next = match round.next {
                Next::Channel(from) => match channels.range_mut(from..).next() {
                    Some((channel, watched)) => match watched.look() {
                        true => Next::Session { of: *channel, after: None },
                        false => Next::Channel(channel + 1),
                    },
                    None => Next::Nothing,
                },
                Next::Session { of, after } => {
                    let sessions = channels.get(&of).map(|watched| &watched.sessions);
                    let behind = (after.map_or(Unbounded, Excluded), Unbounded);
                    match sessions.and_then(|sessions| sessions.range(behind).next()) {
                        Some(session) => {
                            wake(*session);
                            Next::Session { of, after: Some(*session) }
                        }
                        None => Next::Channel(of + 1),
                    }
                }
                Next::Nothing => return false,
            };
        }
        true
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
