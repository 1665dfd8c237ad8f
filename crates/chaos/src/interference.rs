//! What may keep a node from hearing what was revoked, and since when nothing does.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fanfare_e2e::{Direction, Flow};

use crate::action::{Action, Wire};

/// Something that may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// One direction between a node and Redis.
    ToRedis(usize),
    FromRedis(usize),
    /// Redis, or its connections.
    Redis,
    /// A part of what nodes may do there ([`Access`](crate::access::Access)).
    Rights(usize),
    Memory,
}

impl Cause {
    /// Whether it concerns this node.
    fn concerns(self, node: usize) -> bool {
        !matches!(self, Self::ToRedis(other) | Self::FromRedis(other) if other != node)
    }
}

#[derive(Clone, Copy, Debug)]
struct State {
    goes_on: bool,
    changed: Instant,
}

/// What is done to the nodes' ways to Redis, and to Redis. What is done to nodes themselves their lives tell.
#[derive(Debug, Default)]
pub(crate) struct Interference(Mutex<BTreeMap<Cause, State>>);

impl Interference {
    /// An action is done now. To be said before it, and again afterwards.
    pub(crate) fn note(&self, action: Action) {
        match action {
            Action::Cut(Wire::Redis(node)) => self.change(Cause::FromRedis(node), None),
            Action::Flow(Wire::Redis(node), Direction::ToTarget, flow) => {
                self.change(Cause::ToRedis(node), Some(flow != Flow::Pass));
            }
            Action::Flow(Wire::Redis(node), Direction::ToClient, flow) => {
                self.change(Cause::FromRedis(node), Some(flow != Flow::Pass));
            }
            Action::FreezeRedis | Action::StopRedis(_) => self.change(Cause::Redis, Some(true)),
            Action::ThawRedis | Action::StartRedis => self.change(Cause::Redis, Some(false)),
            Action::FailOver | Action::KillClients(_) | Action::FlushAll => self.change(Cause::Redis, None),
            Action::TakeAccess(access) => self.change(Cause::Rights(access as usize), Some(true)),
            Action::GiveAccess(access) => self.change(Cause::Rights(access as usize), Some(false)),
            Action::LimitMemory => self.change(Cause::Memory, Some(true)),
            Action::LiftMemoryLimit => self.change(Cause::Memory, Some(false)),
            _ => {}
        }
    }

    /// Everything has healed.
    pub(crate) fn note_healed(&self) {
        let changed = Instant::now();
        self.lock().values_mut().for_each(|state| *state = State { goes_on: false, changed });
    }

    /// Whether nothing has kept a node from hearing since then.
    pub(crate) fn is_none_since(&self, node: usize, since: Instant) -> bool {
        let is_over = |state: &State| !state.goes_on && state.changed < since;
        self.lock().iter().all(|(cause, state)| !cause.concerns(node) || is_over(state))
    }

    /// `goes_on`: whether it does from now on; `None`: as before.
    fn change(&self, cause: Cause, goes_on: Option<bool>) {
        let changed = Instant::now();
        let mut causes = self.lock();
        let before = causes.get(&cause).is_some_and(|state| state.goes_on);
        causes.insert(cause, State { goes_on: goes_on.unwrap_or(before), changed });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Cause, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    // Fails when a fault of one node counts for all, and when one that goes on is over with the next.
    #[test]
    fn a_wire_concerns_its_node_and_redis_everybody_until_it_is_over() {
        let (interference, before) = (Interference::default(), Instant::now());
        assert!(interference.is_none_since(0, before));
        interference.note(Action::Flow(Wire::Redis(0), Direction::ToClient, Flow::Hold));
        assert!(!interference.is_none_since(0, before) && interference.is_none_since(1, before));
        interference.note(Action::Cut(Wire::Redis(0)));
        let later = Instant::now() + Duration::from_millis(1);
        assert!(!interference.is_none_since(0, later), "the wire is still held");
        interference.note(Action::Flow(Wire::Redis(0), Direction::ToClient, Flow::Pass));
        assert!(interference.is_none_since(0, later) && !interference.is_none_since(0, before));
        interference.note(Action::FreezeRedis);
        assert!(!interference.is_none_since(1, later + Duration::from_secs(1)));
        interference.note_healed();
        assert!(interference.is_none_since(1, Instant::now() + Duration::from_secs(1)));
    }
}
