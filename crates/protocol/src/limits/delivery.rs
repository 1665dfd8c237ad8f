//! Delivery: heartbeats, turns, clients that take nothing, drains.

use std::time::Duration;

use super::units::{KIB, less};

/// `delivery.heartbeat`: longest silence on an idle stream.
pub const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(15);
/// The least that `delivery.heartbeat` may say.
pub const HEARTBEAT_MIN: Duration = Duration::from_secs(1);
/// The most that `delivery.heartbeat` may say.
pub const HEARTBEAT_MAX: Duration = Duration::from_secs(30);
/// `delivery.coalesce_ms`: how long due frames wait for company.
pub const COALESCE_DEFAULT: Duration = Duration::ZERO;
/// The most that `delivery.coalesce_ms` may say.
pub const COALESCE_MAX: Duration = Duration::from_secs(1);
/// `delivery.retry_ms`: middle of the jittered `retry:` that opens a stream.
pub const RETRY_DEFAULT: Duration = Duration::from_secs(2);
/// `delivery.max_behind`: how old the next event of a client may be before it gets `$gap` `lagging`.
/// `None`: as many as the stream retains.
pub const MAX_BEHIND_DEFAULT: Option<Duration> = None;
/// `server.tcp_user_timeout`: how long a peer may acknowledge nothing, though asked, before it
/// counts as dead.
pub const TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);
/// `server.unsent_bytes`: bytes of one stream that the kernel holds before they are sent, about
/// (`TCP_NOTSENT_LOWAT`).
pub const TCP_UNSENT_BYTES_DEFAULT: usize = 128 * KIB;
/// Idle time after which TCP asks whether the peer is still there.
pub const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Readers of one channel that are woken before those of another channel have their turn.
pub const WAKES_OF_ONE_CHANNEL: usize = 8;
/// Readers that a connection thread wakes, at most, before sockets, new sessions and other channels have their turn.
pub const WAKES_PER_TURN_MAX: usize = 64;
/// The same where what they write is large: fewer would cost more than they save.
pub const WAKES_PER_TURN_MIN: usize = 4;
/// How long such a turn is to take, about: a turn that took longer makes the next ones smaller.
pub const WAKE_TURN_TARGET: Duration = Duration::from_millis(2);

/// Wants that readers who left may leave behind in a channel in any case. Beyond it, as many as others want.
pub const LEFT_WANTS_MIN: usize = 16;

const _: () = {
    assert!(0 < WAKES_PER_TURN_MIN && WAKES_PER_TURN_MIN <= WAKES_OF_ONE_CHANNEL);
    // A turn of the usual size has room for several channels.
    assert!(2 * WAKES_OF_ONE_CHANNEL <= WAKES_PER_TURN_MAX);
};

/// `delivery.stalled`: how long a client may take nothing of what waits for it before its stream ends. Longer than two waits
/// between the kernel's probes of a window that is shut (two minutes each, `TCP_RTO_MAX` of Linux): one announcement that the
/// window is open again may be lost.
pub const STALLED_DEFAULT: Option<Duration> = Some(Duration::from_secs(5 * 60));
/// The least that `delivery.stalled` may say, `off` excepted: three intervals of a heartbeat of ten seconds.
pub const STALLED_MIN: Duration = Duration::from_secs(30);

const _: () = {
    let Some(stalled) = STALLED_DEFAULT else { panic!("a client that takes nothing for ever costs kernel memory") };
    assert!(less(STALLED_MIN, stalled));
    assert!(stalled.as_secs() > 2 * 120, "two probes");
    assert!(HEARTBEAT_DEFAULT.as_millis() * 2 < stalled.as_millis() && less(TCP_USER_TIMEOUT, stalled));
};

/// `drain.window`: time over which the ends of the sessions are spread.
pub const DRAIN_WINDOW_DEFAULT: Duration = Duration::from_secs(20);
/// `drain.deadline`: time after which the process ends, whatever is still open.
pub const DRAIN_DEADLINE_DEFAULT: Duration = Duration::from_secs(27);
