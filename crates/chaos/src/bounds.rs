//! What must hold on every machine that can run the harness at all: they are to catch "for ever" and "gigabytes", not to
//! measure. docs/chaos.md lists them.

use std::time::Duration;

/// How long the admin port of a node that runs may take to answer.
pub(crate) const ADMIN_WITHIN: Duration = Duration::from_secs(10);
/// How long a node may take from its start to its first answer there.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(20);
/// Resident memory of a node, in bytes: 64 MiB of tails, 32 MiB of the feed's queue and as much again with the ingest,
/// pages in memory and on their way, what clients and their sockets need, and room for an allocator.
pub(crate) const NODE_MEMORY_MAX: u64 = 256 * 1024 * 1024;
/// `drain.deadline` of the nodes.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(8);
/// How long a node may take from SIGTERM to its end: the deadline, the 2.5 s that docs/operations.md adds, and as much
/// again for a machine with other work to do.
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_secs(21);
/// How long a healed world may take until every node is ready again.
pub(crate) const RECOVERY: Duration = Duration::from_secs(40);
/// How long the last events of all channels may take to every client, with everything healed.
pub(crate) const SERVED_WITHIN: Duration = Duration::from_secs(60);
/// How long after readers have come or gone all nodes say the right number of them: the three seconds that are promised, and as much again for
/// a machine with other work to do.
pub(crate) const COUNTED_WITHIN: Duration = Duration::from_secs(6);
/// How long a stream may go on whose client has sent 64 KiB after its request.
pub(crate) const GARBAGE_WITHIN: Duration = Duration::from_secs(20);
/// How long what a node promises with Redis at its `maxmemory` may take.
pub(crate) const FULL_MEMORY_WITHIN: Duration = Duration::from_secs(20);
/// How long the feed may take to bring what is said on a channel: refused channels are tried again at most 20 s apart.
pub(crate) const RIGHTS_WITHIN: Duration = Duration::from_secs(40);
/// How long after a revocation was acknowledged something may come by it, where the node hears: the second that is promised, and as much
/// for a machine with other work to do.
pub(crate) const REVOKED_WITHIN: Duration = Duration::from_secs(2);
/// How long after a fault a node hears again: a probe that is not back, and the pause before it connects anew.
pub(crate) const HEARS_AFTER: Duration = Duration::from_secs(3);
/// What was published so long after a revocation was acknowledged does not come by it, from a node that was not frozen: that second, the
/// second in which a node may not notice that nothing arrives any more (`redis.probe_interval` and `probe_timeout`), and as much again.
pub(crate) const NOTHING_LATER_WITHIN: Duration = Duration::from_secs(4);
/// How long after its token has ended an event may come: none at all, but for a machine with other work to do.
pub(crate) const EXPIRED_WITHIN: Duration = Duration::from_secs(2);

const _: () = assert!(DRAIN_WITHIN.as_millis() >= 2 * (DRAIN_DEADLINE.as_millis() + 2_500));
