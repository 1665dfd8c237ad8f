//! Connections to Redis, and the feed that Pub/Sub messages come in by.

use std::time::Duration;

use super::units::{MIB, less};

/// `redis.pool_size`: connections for archive reads.
pub const REDIS_POOL_SIZE_DEFAULT: usize = 8;
/// `redis.command_timeout`: deadline of a command.
pub const REDIS_COMMAND_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// `redis.probe_interval`: time between two proofs that the Pub/Sub path works.
pub const REDIS_PROBE_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);
/// `redis.probe_timeout`: deadline of such a proof.
pub const REDIS_PROBE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(3);
/// Such proofs that are under way at the same time: on a slow link the next begins before the last one is over.
pub const PROBES_UNDER_WAY_MAX: usize = 4;
/// Redis' clock and that of a machine may be so far apart before `fanfare redis check` warns.
pub const CLOCKS_APART_MAX: Duration = Duration::from_secs(3);
/// Age of the last proof at which a node is no longer ready: one proof may fail.
pub const READY_PROBE_AGE_MAX_DEFAULT: Duration = Duration::from_secs(15);
/// `redis.reconcile_interval`: time in which every followed channel is compared with the archive.
pub const REDIS_RECONCILE_INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
/// Longest pause between two attempts to connect.
pub const REDIS_BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Channels in one SUBSCRIBE or UNSUBSCRIBE.
pub const SUBSCRIBE_BATCH_MAX: usize = 512;
/// Bytes of messages between the feed and the ingest.
pub const FEED_QUEUE_BYTES_MAX: usize = 32 * MIB;
/// Messages between the feed and the ingest.
pub const FEED_QUEUE_MESSAGES_MAX: usize = 65_536;

/// Data of an event that the publishing function pushes, in bytes. Larger data it announces by a doorbell: a message above Redis'
/// `client-output-buffer-limit pubsub` (32 MB by default) would cut the connection of every node that follows the channel.
pub const PUSHED_DATA_BYTES_MAX: usize = MIB;
/// Messages that the ingest takes in before it looks at anything else: about a millisecond of work.
pub const FEED_TURN_MESSAGES: usize = 1_024;
/// Messages that the feed hands to the ingest in one step: some tens of microseconds under the queue's lock.
pub const FEED_HANDED_OVER_MAX: usize = 256;
/// Ephemeral messages of one channel that wait, times this, are at most what is free in the queue.
pub const FEED_SHARE_EPHEMERALS_DIVISOR: usize = 4;
/// Ephemeral messages of all channels that wait, times this, are at most the whole queue (and one message more).
pub const FEED_SHARE_EPHEMERALS_ALL_DIVISOR: usize = 2;
/// Other messages of one channel that wait are at most what is free in the queue, times this.
pub const FEED_SHARE_ENTRIES_FACTOR: usize = 4;
/// Longest pause of the feed after a connection that had brought something: it is as long as subscribing took.
pub const FEED_PAUSE_MAX: Duration = Duration::from_secs(1);

const _: () = {
    assert!(FEED_HANDED_OVER_MAX <= FEED_TURN_MESSAGES && FEED_TURN_MESSAGES <= FEED_QUEUE_MESSAGES_MAX);
    assert!(less(FEED_PAUSE_MAX, REDIS_BACKOFF_MAX));
    // Ephemeral messages are turned away before entries are, and a flood of entries leaves room for thousands of others.
    assert!(
        FEED_SHARE_EPHEMERALS_ALL_DIVISOR > 1 && FEED_SHARE_EPHEMERALS_DIVISOR > 1 && FEED_SHARE_ENTRIES_FACTOR > 1
    );
    assert!(FEED_QUEUE_MESSAGES_MAX / (FEED_SHARE_ENTRIES_FACTOR + 1) >= 10 * FEED_TURN_MESSAGES);
};

/// Entries of a channel that messages have named and that are still to be compared with its stream. A message beyond them asks for a
/// read as the others do, but nobody looks whether its entry is there.
pub const ANNOUNCED_MAX: usize = 64;
/// Two messages without their entries are told of if no more time lies between them: as long as the alert looks back.
pub const UNFOUNDED_TOGETHER: Duration = Duration::from_secs(30 * 60);

const _: () = assert!(ANNOUNCED_MAX > 0, "a message that names no entry of its stream has to be noticed");
