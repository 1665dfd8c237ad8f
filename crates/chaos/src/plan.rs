//! The schedule of faults, made from a seed before anything starts.

use std::fmt;
use std::time::Duration;

use fanfare_e2e::{Direction, Flow};

use crate::access::Access;
use crate::attack::Attack;
use crate::dice::Dice;
use crate::pressure;

/// How many nodes there are.
pub(crate) const NODES: usize = 3;
/// How many channels there are.
pub(crate) const CHANNELS: usize = 12;

/// How Redis ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedisStop {
    /// SIGTERM: it saves.
    Term,
    /// SIGKILL: what it had not written is gone.
    Kill,
    /// SIGKILL, and the end of its append-only file is cut off: what a power failure leaves when not every write is
    /// synced.
    Power,
}

/// A connection that a proxy carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Some of the clients and the balancer.
    Clients,
    /// The balancer and a node.
    Front(usize),
    /// A node and Redis.
    Redis(usize),
    /// The publishers and Redis.
    Publishers,
    /// Redis and its replica.
    Replica,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    KillNode(usize),
    DrainNode(usize),
    StartNode(usize),
    FreezeNode(usize),
    ThawNode(usize),
    FreezeRedis,
    ThawRedis,
    StopRedis(RedisStop),
    StartRedis,
    /// The replica takes over without what was written since it was cut off.
    FailOver,
    /// The former primary comes back as a replica.
    Rejoin,
    KillClients(&'static str),
    Cut(Wire),
    Flow(Wire, Direction, Flow),
    /// `XTRIM MAXLEN`: so many entries are left.
    Trim(usize, u64),
    /// `XTRIM MINID`: from the entry on that so many others have followed.
    TrimBefore(usize, u64),
    Retract(usize, u64),
    Expire(usize),
    Delete(usize),
    FlushAll,
    /// Hostile clients at a node, for so long.
    Attack(Attack, usize, Duration),
    /// A part of the nodes' rights in Redis is taken away.
    TakeAccess(Access),
    GiveAccess(Access),
    /// Redis has reached its `maxmemory`.
    LimitMemory,
    LiftMemoryLimit,
    /// Nobody reads what a node logs, and its pipe is full.
    LeaveLog(usize),
    ReadLog(usize),
}

impl Action {
    /// The kind of fault; `None` for what ends one.
    pub(crate) fn kind(self) -> Option<&'static str> {
        Some(match self {
            Self::KillNode(_) => "node killed (SIGKILL)",
            Self::DrainNode(_) => "node drained and replaced (SIGTERM)",
            Self::FreezeNode(_) => "node frozen (SIGSTOP)",
            Self::FreezeRedis => "Redis frozen (SIGSTOP)",
            Self::StopRedis(RedisStop::Term) => "Redis restarted (SIGTERM)",
            Self::StopRedis(RedisStop::Kill) => "Redis killed (SIGKILL)",
            Self::StopRedis(RedisStop::Power) => "Redis lost its newest writes",
            Self::KillClients("pubsub") => "CLIENT KILL TYPE pubsub",
            Self::KillClients(_) => "CLIENT KILL TYPE normal",
            Self::Cut(Wire::Clients | Wire::Front(_)) => "client connections cut",
            Self::Cut(_) => "Redis connections cut",
            Self::Flow(_, _, Flow::Pass) => return None,
            Self::Flow(Wire::Clients | Wire::Front(_), _, Flow::Hold) => "client connections black-holed",
            Self::Flow(Wire::Replica, _, Flow::Hold | Flow::Slow(_) | Flow::Shared(_)) => "replica cut off",
            Self::Flow(_, _, Flow::Hold) => "Redis connections black-holed",
            Self::Flow(Wire::Clients | Wire::Front(_), _, Flow::Slow(_) | Flow::Shared(_)) => {
                "client connections slowed"
            }
            Self::Flow(_, _, Flow::Slow(_)) => "Redis connections slowed",
            Self::Flow(_, _, Flow::Shared(_)) => "Redis connections of a node at a rate",
            Self::FailOver => "failover to a replica without the newest writes",
            Self::Trim(..) => "stream trimmed (XTRIM MAXLEN)",
            Self::TrimBefore(..) => "stream trimmed (XTRIM MINID)",
            Self::Retract(..) => "entry retracted (XDEL)",
            Self::Expire(_) => "stream expired (PEXPIRE)",
            Self::Delete(_) => "stream deleted (DEL)",
            Self::FlushAll => "everything deleted (FLUSHALL)",
            Self::Attack(attack, ..) => attack.words(),
            Self::TakeAccess(access) => access.words(),
            Self::LimitMemory => "Redis at maxmemory",
            Self::LeaveLog(_) => "log pipe of a node left unread",
            Self::StartNode(_) | Self::ThawNode(_) | Self::ThawRedis | Self::StartRedis | Self::Rejoin => return None,
            Self::GiveAccess(_) | Self::LiftMemoryLimit | Self::ReadLog(_) => return None,
        })
    }

    /// Whether it must be done later when it cannot be done now: nothing else would end the fault.
    pub(crate) fn is_owed(self) -> bool {
        matches!(self, Self::GiveAccess(_) | Self::LiftMemoryLimit)
    }
}

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
        FaultKind::Expire => push(now, Action::Expire(channel)),
        FaultKind::Delete => push(now, Action::Delete(channel)),
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

    use super::Plan;

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
}
