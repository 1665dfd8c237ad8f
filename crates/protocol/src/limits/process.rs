//! The process: threads, descriptors, log lines, its end.

use std::time::Duration;

use super::admission::LISTENERS_MAX;
use super::units::{MIB, less};

/// Log lines that wait for whatever reads standard error. One more is dropped and counted.
pub const LOG_QUEUE_LINES_MAX: usize = 4_096;
/// And their bytes.
pub const LOG_QUEUE_BYTES_MAX: usize = MIB;
/// How long the end of the process waits until the last lines are written.
pub const LOG_FLUSH_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How long the threads of a process may take to end once they have been told to. Then it ends without them.
pub const END_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Connections of the admin listener at a time: scrapers, probes and a few people.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Of these, streams of `/status`: pages that people have open.
pub const STATUS_STREAMS_MAX: usize = 8;
/// The pause between two values of such a stream.
pub const STATUS_PAUSE: Duration = Duration::from_secs(1);
/// A peer of the admin listener that takes or acknowledges nothing for so long is gone.
pub const ADMIN_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long connections of the admin listener may take to end politely.
pub const ADMIN_END_TIMEOUT: Duration = Duration::from_millis(500);
/// Descriptors that a process keeps for itself, whatever its clients do, beside those of its core threads and of its pool:
/// the admin listener's connections (64); the runtimes of the other threads, six with four each (24); the feed, the control
/// connection and the publishing one, and as many again while they are replaced (6); name resolution (8); files that the
/// metrics of the process are read from (8); a file of certificates (1); standard streams and the log (4); listeners, that of the operators and
/// the spare one (10); and some
/// for what nobody thought of.
pub const DESCRIPTORS_RESERVED: usize = 128;
/// Descriptors of one core thread's runtime.
pub const DESCRIPTORS_PER_CORE: usize = 4;
/// The least that must be left for clients for a node to start.
pub const DESCRIPTORS_FOR_CLIENTS_MIN: usize = 32;

const _: () = {
    assert!(ADMIN_CONNECTIONS_MAX + 24 + 6 + 8 + 8 + 1 + 4 + (LISTENERS_MAX + 2) <= DESCRIPTORS_RESERVED);
    // Scrapers and probes have places whoever looks.
    assert!(STATUS_STREAMS_MAX * 2 <= ADMIN_CONNECTIONS_MAX);
    assert!(ADMIN_END_TIMEOUT.as_millis() < END_TIMEOUT.as_millis());
};

/// How often each thread of a node shows that it takes turns, at least. A connection thread does with each of its sweeps.
pub const TURN_AT_LEAST: Duration = Duration::from_secs(1);
/// A thread of which nothing was seen for so long is stuck: `admin.stuck_after`.
pub const STUCK_AFTER_DEFAULT: Duration = Duration::from_secs(30);
/// The least of it.
pub const STUCK_AFTER_MIN: Duration = Duration::from_secs(5);
/// Of the time between two looks at the threads so much counts at most: where nobody looked, or the process as a whole was halted,
/// nothing is known. Kubernetes asks every ten seconds unless it is told otherwise.
pub const STUCK_LOOK_MAX: Duration = Duration::from_secs(10);
/// The pause until the archive's probe is read again after a read that failed, at most.
pub const ARCHIVE_PROBE_RETRY_MAX: Duration = Duration::from_secs(1);

const _: () = {
    // A thread has several turns before it counts as stuck.
    assert!(TURN_AT_LEAST.as_millis() * 3 < STUCK_AFTER_MIN.as_millis());
    assert!(less(STUCK_AFTER_MIN, STUCK_AFTER_DEFAULT) && less(STUCK_LOOK_MAX, STUCK_AFTER_DEFAULT));
};
