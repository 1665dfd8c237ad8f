//! What the schedule may do, one thing at a time.

use std::time::Duration;

use fanfare_e2e::{Direction, Flow};

use crate::access::Access;
use crate::attack::Attack;

/// How many nodes there are.
pub(crate) const NODES: usize = 3;
/// How many channels there are.
pub(crate) const CHANNELS: usize = 12;

/// The name of a channel.
pub(crate) fn channel(index: usize) -> String {
    format!("c{index:02}")
}

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
