//! The second half of the schedule: what presses on the bounds of nodes. It has dice of its own, so that the faults of the
//! first half stay those of their seed.

use std::time::Duration;

use fanfare_e2e::{Direction, Flow};

use crate::access::Access;
use crate::action::{Action, NODES, Wire};
use crate::attack::Attack;
use crate::bounds::ADMIN_WITHIN;
use crate::dice::Dice;

#[derive(Clone, Copy)]
enum PressureKind {
    Attack,
    Rate,
    Access,
    Memory,
    Log,
}

const PRESSURE_WEIGHTS: [(u64, PressureKind); 5] = [
    (12, PressureKind::Attack),
    (5, PressureKind::Rate),
    (5, PressureKind::Access),
    (3, PressureKind::Memory),
    (2, PressureKind::Log),
];

const ATTACKS: [(u64, Attack); 6] = [
    (2, Attack::Names),
    (2, Attack::RefusedNames),
    (2, Attack::Newest),
    (2, Attack::OldPositions),
    (1, Attack::Garbage),
    (3, Attack::Silence),
];

const ACCESSES: [Access; 6] =
    [Access::Functions, Access::Sizes, Access::Publish, Access::Archive, Access::FirstChannels, Access::OtherChannels];

/// Bytes a second of the wire between Redis and a node: from one on which an event of some MB takes longer than a node waits.
const RATES: [u32; 4] = [2_000_000, 5_000_000, 10_000_000, 40_000_000];

/// Everything of a seed from `begin` to `end`.
pub(crate) fn schedule(seed: u64, begin: Duration, end: Duration) -> Vec<(Duration, Action)> {
    let mut dice = Dice::of(seed, "pressure", 0);
    let (mut now, mut actions) = (begin, Vec::new());
    while now < end {
        add(&mut dice, now, &mut actions);
        now += Duration::from_millis(dice.between(500, 3_000));
    }
    actions
}

/// Adds one fault, and what ends it.
fn add(dice: &mut Dice, now: Duration, actions: &mut Vec<(Duration, Action)>) {
    let node = dice.below(NODES as u64) as usize;
    let length = Duration::from_millis(dice.between(1_500, 7_000));
    let mut during = |begin: Action, end: Action| actions.extend([(now, begin), (now + length, end)]);
    match dice.weighted(&PRESSURE_WEIGHTS) {
        PressureKind::Attack => {
            let attack = dice.weighted(&ATTACKS);
            // Longer than operators may wait for an answer.
            let length = if attack == Attack::Silence { length + ADMIN_WITHIN } else { length };
            actions.push((now, Action::Attack(attack, node, length)));
        }
        PressureKind::Rate => {
            let flow = |flow| Action::Flow(Wire::Redis(node), Direction::ToClient, flow);
            during(flow(Flow::Shared(*dice.pick(&RATES))), flow(Flow::Pass));
        }
        PressureKind::Access => {
            let access = *dice.pick(&ACCESSES);
            during(Action::TakeAccess(access), Action::GiveAccess(access));
        }
        PressureKind::Memory => during(Action::LimitMemory, Action::LiftMemoryLimit),
        PressureKind::Log => during(Action::LeaveLog(node), Action::ReadLog(node)),
    }
}
