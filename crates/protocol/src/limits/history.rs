//! History.

/// Entries of a history page when the request does not say.
pub const HISTORY_LIMIT_DEFAULT: usize = 100;
/// `history.max_limit`: the most entries that a history request may ask for.
pub const HISTORY_LIMIT_MAX_DEFAULT: usize = 1000;
/// History answers of a node that are being made, or that their clients have not taken yet. One more is answered 503.
pub const HISTORY_ANSWERS_MAX: usize = 64;
/// History has connections to the store of its own, one for so many of those for streams; and one at least. As many history
/// requests read at a time.
pub const POOL_CONNECTIONS_PER_HISTORY_CONNECTION: usize = 4;

/// Beside [`HISTORY_ANSWERS_MAX`] there is one place for so many, for clients that hold fewer than [`HISTORY_ANSWERS_FEW`].
pub const HISTORY_RESERVE_PART: usize = 4;
/// A client that holds fewer history answers may have one of the reserve. It pages with one, and may ask for another channel.
pub const HISTORY_ANSWERS_FEW: usize = 2;

const _: () = {
    // Several clients fit into the reserve.
    assert!(HISTORY_ANSWERS_MAX / HISTORY_RESERVE_PART >= 4 * HISTORY_ANSWERS_FEW);
};
