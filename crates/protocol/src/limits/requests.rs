//! Requests, their heads and what they may ask for.

use std::time::Duration;

use super::units::{KIB, MIB};

/// `limits.channels_per_connection`: channels of one stream.
pub const CHANNELS_PER_CONNECTION_DEFAULT: usize = 64;
/// The most that `limits.channels_per_connection` may say.
pub const CHANNELS_PER_CONNECTION_MAX: usize = 256;
/// Longest position of any number of channels, in bytes: the version, then per channel the widest
/// tag, the long form of an id and a separator.
pub const POSITION_BYTES_MAX: usize = position_bytes_max(CHANNELS_PER_CONNECTION_MAX);
/// Longest position that a cross-origin reconnect sends without a CORS preflight, in bytes
/// (web-platform-tests `eventsource-cross-origin-preflight`).
pub const POSITION_BYTES_SAFE: usize = 128;
/// Least value of `limits.url_bytes`: a path and a channel of usual length.
pub const URL_BYTES_MIN: usize = 256;
/// `limits.url_bytes`: longest request target, in bytes.
pub const URL_BYTES_DEFAULT: usize = 8 * KIB;
/// `limits.header_bytes`: largest request head, in bytes.
pub const HEADER_BYTES_DEFAULT: usize = 16 * KIB;
/// How long a client may take to send a request's head.
pub const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The same while the node drains: browsers open connections in advance and leave them.
pub const REQUEST_HEAD_TIMEOUT_DRAINING: Duration = Duration::from_secs(2);
/// `limits.body_timeout`: how long a client may take to send a request's body.
pub const REQUEST_BODY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Beside the places for answers of a kind there is one for so many of those, for clients that hold fewer than [`PLACES_FEW`].
pub const PLACES_RESERVE_PART: usize = 4;
/// A client that holds fewer answers of a kind may have a place of the reserve. It pages with one, and may ask for another channel.
pub const PLACES_FEW: usize = 2;
/// How long a client may take to read a response that is not a stream.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// `server.keep_alive`: how long an idle connection is kept for another request.
pub const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(60);
/// After the last byte of a response, how long the client's remaining bytes are read and thrown away.
pub const CLOSE_LINGER: Duration = Duration::from_secs(1);
/// And how many of them.
pub const CLOSE_LINGER_BYTES_MAX: usize = MIB;
/// How long a request that needs the store waits, for a free connection to it as well.
pub const STORE_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a subscription waits for the decision whether it may be, once it has a place.
pub const DECISION_TIMEOUT: Duration = Duration::from_secs(5);
/// Subscriptions of a node that wait for such a decision. One more is refused politely.
pub const DECISIONS_WAITING_MAX: usize = 1_024;
/// `delivery.subscribe_timeout`: how long a new stream waits for its channels to open.
pub const SUBSCRIBE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// `limits.last_max`: the most entries that `last=N` may ask for, per channel.
pub const LAST_MAX_DEFAULT: usize = 1000;
/// `limits.cursor_age`: how old, by the milliseconds in its id, a position may be to be resumed
/// from; an older one is a `$gap`. `None`: as old as the stream retains.
pub const CURSOR_AGE_DEFAULT: Option<Duration> = None;

/// Bytes of a request's head beside its target and its position: what browsers, proxies and cookies add, about.
pub const HEAD_FIELDS_BYTES: usize = 2 * KIB;

/// Longest position of so many channels, in bytes (as [`POSITION_BYTES_MAX`] has it).
#[must_use]
pub const fn position_bytes_max(channels: usize) -> usize {
    1 + channels * (11 + 2 + 22 + 1)
}

/// Longest position of so many channels as long as their tags differ early and their ids are of this century, in bytes: what has
/// to fit into a URL, for clients that cannot send a header.
#[must_use]
pub const fn position_bytes_usual(channels: usize) -> usize {
    1 + channels * 16
}

/// The least that `limits.header_bytes` may be: whoever could open a stream can come back to it with its position.
#[must_use]
pub const fn header_bytes_min(url_bytes: usize, channels: usize) -> usize {
    url_bytes + position_bytes_max(channels) + HEAD_FIELDS_BYTES
}

const _: () = {
    assert!(header_bytes_min(URL_BYTES_DEFAULT, CHANNELS_PER_CONNECTION_DEFAULT) <= HEADER_BYTES_DEFAULT);
    assert!(position_bytes_usual(CHANNELS_PER_CONNECTION_MAX) < URL_BYTES_DEFAULT);
};

/// The least that `heartbeat=` of a request may say, in seconds: read timeouts of 5 s are defaults of HTTP clients.
pub const CLIENT_HEARTBEAT_SECONDS_MIN: u8 = 5;
/// The most that it may say: what proxies on the way wait for is hardly ever longer.
pub const CLIENT_HEARTBEAT_SECONDS_MAX: u8 = 60;

const _: () = {
    assert!(CLIENT_HEARTBEAT_SECONDS_MIN < CLIENT_HEARTBEAT_SECONDS_MAX);
};
