//! The verdict about revocations out of reach: a node whose feed was away delivers nothing by a revoked token that was published after the
//! revocation was acknowledged. One that starts later delivers nothing at all by it.
//!
//! A feed may be away without its node's knowing: nothing arrives any more, and only a probe that does not come back tells. What the node reads
//! from the archive meanwhile it delivers. That is so for the time of a probe at most, and counted.

use fanfare_protocol::limits::{REDIS_PROBE_INTERVAL_DEFAULT, REDIS_PROBE_TIMEOUT_DEFAULT};

use super::delivery::Delivery;
use crate::redis::Server;
use crate::revoked_record::Revoked;

/// How long a node may not notice that nothing arrives on its feed, in milliseconds.
const UNNOTICED_MS: u64 = (REDIS_PROBE_INTERVAL_DEFAULT.as_millis() + REDIS_PROBE_TIMEOUT_DEFAULT.as_millis()) as u64;

/// What comes of a look.
pub(super) enum Found {
    Nothing,
    /// It came from a node that had not noticed yet that its feed was away.
    Unnoticed,
    Breach(String),
}

/// `revoked`: it hits the token.
pub(super) fn look(delivery: &Delivery<'_>, revoked: &Revoked, redis: &Server) -> Found {
    let Some(acknowledged_ms) = revoked.acknowledged_ms else { return Found::Nothing };
    let is_younger = delivery.published_ms.is_some_and(|published| published > acknowledged_ms);
    let is_of_later_node = delivery.node_began_ms > acknowledged_ms;
    if !(is_younger || is_of_later_node && delivery.is_event) {
        return Found::Nothing;
    }
    // Where it was told of it, it has a second.
    let told = revoked.told[delivery.node];
    let from_ms = told.and_then(|told| revoked.second_is_over_ms(told)).unwrap_or(acknowledged_ms);
    let unheard = told.and_then(|told| redis.may_be_unheard_until_ms(told.connection, delivery.first_ms));
    let unnoticed_ms = unheard.map_or(0, |until| until.min(revoked.stored_ms + UNNOTICED_MS) + 1_000);
    if delivery.first_ms <= from_ms {
        return Found::Nothing;
    }
    if delivery.first_ms <= unnoticed_ms {
        return Found::Unnoticed;
    }
    Found::Breach(format!(
        "{} came at {} ms from node {}, which began at {}; it was published at {:?}, and {:?} was revoked, acknowledged at \
         {acknowledged_ms}",
        delivery.what, delivery.first_ms, delivery.node, delivery.node_began_ms, delivery.published_ms, revoked.target
    ))
}
