//! Connections of HTTP/2: what they hold, and what their peers may make a node do.

use super::units::{KIB, MIB};

/// `limits.streams_per_connection`: requests of one HTTP/2 connection that may be under way at once
/// (`SETTINGS_MAX_CONCURRENT_STREAMS`). A browser has one connection for all its tabs, and lets whatever is beyond this wait without a
/// word: a hundred tabs with a stream and a request each are to fit. A connection that breaks takes all of them along, so not thousands.
pub const HTTP2_STREAMS_DEFAULT: u32 = 256;
/// The most that `limits.streams_per_connection` may say.
pub const HTTP2_STREAMS_MAX: u32 = 10_000;
/// The least: what RFC 9113 section 6.5.2 asks for.
pub const HTTP2_STREAMS_MIN: u32 = 100;
/// The most bytes of one stream that are on their way: it gets no more before these have left.
pub const HTTP2_SLICE_BYTES: usize = 16 * KIB;
/// The same where the node holds [`HTTP2_UNSENT_BYTES_MAX`]: what every stream may have, so that each goes on.
pub const HTTP2_SLICE_BYTES_SCARCE: usize = KIB;
/// Bytes that streams of the node have on their way, from which on each gets only [`HTTP2_SLICE_BYTES_SCARCE`] more. With that times the
/// streams added it is a bound.
pub const HTTP2_UNSENT_BYTES_MAX: usize = 64 * MIB;
/// Bytes of one request's body that a client may send before they are read (`SETTINGS_INITIAL_WINDOW_SIZE`): the default of RFC 9113.
pub const HTTP2_STREAM_WINDOW: u32 = 65_535;
/// The same of all requests of a connection, so that a few which wait for a decision do not hold up the others.
pub const HTTP2_CONNECTION_WINDOW: u32 = 256 * KIB as u32;
/// Bytes of a client that are read at a time, beside the rest of a frame that has begun. One byte on the wire may be a field of 70 bytes in
/// memory (HPACK, RFC 7541), so this bounds what the heads of requests take that nobody has looked at: about 140 KiB for a connection.
pub const HTTP2_READ_BYTES: usize = 2 * KIB;
/// A frame of a body with fewer bytes counts as one that carries no request.
pub const HTTP2_SMALL_DATA_BYTES: u32 = 128;
/// Frames that carry no request (`SETTINGS`, `PING`, `RST_STREAM`, `WINDOW_UPDATE`, `PRIORITY`, small ones) which a client may send at once.
/// One more ends its connection.
pub const HTTP2_FRAMES_AT_ONCE: u32 = 1_000;
/// So many more in each second ...
pub const HTTP2_FRAMES_PER_SECOND: u32 = 100;
/// ... and for each frame of an answer that it gets: two windows and a `PING` to measure the way.
pub const HTTP2_FRAMES_PER_ANSWER: u32 = 3;
/// Requests of a connection that were wrong, or too many at once: one more ends it.
pub const HTTP2_WRONG_STREAMS_MAX: usize = 256;

const _: () = {
    assert!(HTTP2_STREAMS_MIN <= HTTP2_STREAMS_DEFAULT && HTTP2_STREAMS_DEFAULT <= HTTP2_STREAMS_MAX);
    assert!(HTTP2_SLICE_BYTES_SCARCE < HTTP2_SLICE_BYTES && HTTP2_SLICE_BYTES < HTTP2_UNSENT_BYTES_MAX);
    // Whoever closes all its streams at once is not flooding.
    assert!(HTTP2_FRAMES_AT_ONCE > 2 * HTTP2_STREAMS_DEFAULT);
};
