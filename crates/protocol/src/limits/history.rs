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

const _: () = {
    // Several clients fit into the reserve.
    assert!(HISTORY_ANSWERS_MAX / super::requests::PLACES_RESERVE_PART >= 4 * super::requests::PLACES_FEW);
};
