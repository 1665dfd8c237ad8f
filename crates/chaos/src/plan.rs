//! The schedule of faults, made from a seed before anything starts.

use std::fmt;
use std::time::Duration;

use fanfare_e2e::{Direction, Flow};

use crate::action::{Action, CHANNELS, NODES, RedisStop, Wire};
use crate::dice::Dice;
use crate::pressure;
use crate::promises;

/// Everything that happens, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) actions: Vec<(Duration, Action)>,
}

/// Quiet time at the start, for the clients to arrive.
const CALM: Duration = Duration::from_secs(3);

impl Plan {
    /// The schedule of a seed. A longer run begins like a shorter one.
    pub(crate) fn new(seed: u64, duration: Duration) -> Self {
        let mut dice = Dice::of(seed, "plan", 0);
        let (mut now, mut actions) = (CALM, Vec::new());
        while now < duration {
            add(&mut dice, now, &mut actions);
            // Now and then several at once, now and then time to recover.
            let pause = dice.weighted(&[(3, 0), (6, 400), (6, 1000), (2, 3000)]);
            now += Duration::from_millis(dice.between(pause / 2, pause + 50));
        }
        actions.extend(pressure::schedule(seed, CALM, duration));
        actions.retain(|(at, _)| *at < duration);
        // Stable: what was decided first happens first.
        actions.sort_by_key(|(at, _)| *at);
        Self { actions }
    }
}

#[derive(Clone, Copy)]
enum FaultKind {
    KillNode,
    DrainNode,
    FreezeNode,
    FreezeRedis,
    StopRedis,
    FailOver,
    KillClients,
    Wire,
    Trim,
    TrimBefore,
    Retract,
    Expire,
    Delete,
    FlushAll,
}

const FAULT_WEIGHTS: [(u64, FaultKind); 14] = [
    (10, FaultKind::KillNode),
    (6, FaultKind::DrainNode),
    (8, FaultKind::FreezeNode),
    (4, FaultKind::FreezeRedis),
    (7, FaultKind::StopRedis),
    (5, FaultKind::FailOver),
    (8, FaultKind::KillClients),
    (40, FaultKind::Wire),
    (10, FaultKind::Trim),
    (8, FaultKind::TrimBefore),
    (10, FaultKind::Retract),
    (3, FaultKind::Expire),
    (4, FaultKind::Delete),
    (1, FaultKind::FlushAll),
];

/// Adds one fault, and what ends it.
fn add(dice: &mut Dice, now: Duration, actions: &mut Vec<(Duration, Action)>) {
    let node = dice.below(NODES as u64) as usize;
    let channel = dice.below(CHANNELS as u64) as usize;
    let length = Duration::from_millis(dice.weighted(&[(4, 200), (4, 800), (3, 2000), (1, 5000)]));
    let until = now + length + Duration::from_millis(dice.below(200));
    let mut push = |at: Duration, action: Action| actions.push((at, action));
    let stop = [(2, RedisStop::Term), (2, RedisStop::Kill), (3, RedisStop::Power)];
    match dice.weighted(&FAULT_WEIGHTS) {
        FaultKind::KillNode => {
            push(now, Action::KillNode(node));
            push(until, Action::StartNode(node));
        }
        // The fault runner starts the new process when the old one has ended.
        FaultKind::DrainNode => push(now, Action::DrainNode(node)),
        FaultKind::FreezeNode => {
            push(now, Action::FreezeNode(node));
            push(until, Action::ThawNode(node));
        }
        FaultKind::FreezeRedis => {
            push(now, Action::FreezeRedis);
            push(until, Action::ThawRedis);
        }
        FaultKind::StopRedis => {
            push(now, Action::StopRedis(dice.weighted(&stop)));
            push(now + length.min(Duration::from_secs(2)), Action::StartRedis);
        }
        FaultKind::FailOver => {
            // What is written from now on does not reach the replica.
            push(now, Action::Flow(Wire::Replica, Direction::ToClient, Flow::Hold));
            let over = now + length.min(Duration::from_secs(2));
            push(over, Action::FailOver);
            push(over, Action::Flow(Wire::Replica, Direction::ToClient, Flow::Pass));
            push(over + Duration::from_millis(dice.between(100, 3000)), Action::Rejoin);
        }
        FaultKind::KillClients => push(now, Action::KillClients(dice.weighted(&[(2, "pubsub"), (1, "normal")]))),
        FaultKind::Wire => disturb(dice, node, (now, until), actions),
        FaultKind::Trim => push(now, Action::Trim(channel, dice.weighted(&[(1, 0), (2, 1), (3, 5), (3, 30)]))),
        FaultKind::Retract => push(now, Action::Retract(channel, dice.weighted(&[(3, 0), (2, 1), (2, 20)]))),
        FaultKind::TrimBefore => push(now, Action::TrimBefore(channel, dice.weighted(&[(1, 0), (2, 3), (3, 20)]))),
        FaultKind::Expire => push(now, Action::Expire(promises::may_end(channel))),
        FaultKind::Delete => push(now, Action::Delete(promises::may_end(channel))),
        FaultKind::FlushAll => push(now, Action::FlushAll),
    }
}

fn disturb(dice: &mut Dice, node: usize, (now, until): (Duration, Duration), actions: &mut Vec<(Duration, Action)>) {
    let wires = [(3, Wire::Clients), (4, Wire::Front(node)), (7, Wire::Redis(node)), (2, Wire::Publishers)];
    let wire = dice.weighted(&wires);
    if dice.once_in(3) {
        return actions.push((now, Action::Cut(wire)));
    }
    let slow = Flow::Slow(*dice.pick(&[2_000, 20_000]));
    let flow = dice.weighted(&[(3, Flow::Hold), (1, slow)]);
    let both = [Direction::ToTarget, Direction::ToClient];
    let directions = dice.weighted(&[(1, &both[..]), (1, &both[..1]), (1, &both[1..])]);
    // Half of what was held arrives late after all, the other half never.
    let cut = dice.once_in(2);
    for &direction in directions {
        actions.push((now, Action::Flow(wire, direction, flow)));
        if cut {
            actions.push((until, Action::Cut(wire)));
        }
        actions.push((until, Action::Flow(wire, direction, Flow::Pass)));
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.actions.iter().try_for_each(|(at, action)| writeln!(f, "{:>9.3} s  {action:?}", at.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::{Action, CHANNELS, Plan, promises};

    const MINUTE: Duration = Duration::from_secs(60);

    // Seen to fail when the choices come from one generator that is seeded from the clock.
    #[test]
    fn a_seed_repeats_its_schedule_and_another_seed_has_another() {
        assert_eq!(Plan::new(7, MINUTE), Plan::new(7, MINUTE));
        assert_ne!(Plan::new(7, MINUTE), Plan::new(8, MINUTE));
        let (short, long) = (Plan::new(7, MINUTE / 2), Plan::new(7, MINUTE));
        assert_eq!(short.actions[..20], long.actions[..20]);
    }

    // Seen to fail when a kind is left out of `FAULT_WEIGHTS` or of `PRESSURE_WEIGHTS`.
    #[test]
    fn an_hour_holds_every_kind_of_fault() {
        let plan = Plan::new(1, 60 * MINUTE);
        let kinds: HashSet<&str> = plan.actions.iter().filter_map(|(_, action)| action.kind()).collect();
        assert_eq!(kinds.len(), 37, "{kinds:?}");
    }

    // Fails if the schedule ends the stream of any channel.
    #[test]
    fn an_hour_ends_every_stream_but_the_one_that_was_promised_to_live() {
        let plan = Plan::new(1, 60 * MINUTE);
        let ended = |index: usize| {
            let ends = |action: &Action| matches!(action, Action::Delete(of) | Action::Expire(of) if *of == index);
            plan.actions.iter().any(|(_, action)| ends(action))
        };
        let kept = |index: usize| promises::may_end(index) != index;
        assert_eq!((0..CHANNELS).filter(|index| kept(*index)).count(), 1);
        assert!((0..CHANNELS).all(|index| ended(index) != kept(index)));
    }
}
