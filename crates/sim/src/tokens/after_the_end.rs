//! The verdict about ends: a session has ended before its token does, wherever its client is with what it has taken.

use super::delivery::Delivery;
use super::token::Token;

/// `ends_ms`: when its token ends. `is_session`: it is part of a stream that has begun. A token that is over is refused politely, with a few
/// bytes and no event.
pub(super) fn breach(delivery: &Delivery<'_>, token: &Token, ends_ms: u64, is_session: bool) -> Option<String> {
    let is_too_late = delivery.last_ms >= ends_ms && (is_session || delivery.is_event);
    is_too_late.then(|| {
        format!("{} came at {} ms by {}, which ended at {}", delivery.what, delivery.last_ms, token.id, ends_ms)
    })
}
