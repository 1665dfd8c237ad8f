//! The verdict about revocations out of reach: a node whose feed was away delivers nothing by a revoked token that was published after the
//! revocation was acknowledged. One that starts later delivers nothing at all by it.
//!
//! A node that was told of it has its second, whether or not what it was told arrives: where nothing arrives on its feed any more, nothing
//! proves that all does.

use super::delivery::Delivery;
use crate::revoked_record::Revoked;

/// `revoked`: it hits the token.
pub(super) fn breach(delivery: &Delivery<'_>, revoked: &Revoked) -> Option<String> {
    let acknowledged_ms = revoked.acknowledged_ms?;
    let is_younger = delivery.published_ms.is_some_and(|published| published > acknowledged_ms);
    let is_of_later_node = delivery.node_began_ms > acknowledged_ms;
    if !(is_younger || is_of_later_node && delivery.is_event) {
        return None;
    }
    let second_is_over_ms = revoked.told[delivery.node].and_then(|told| revoked.second_is_over_ms(told));
    (delivery.first_ms > second_is_over_ms.unwrap_or(acknowledged_ms)).then(|| {
        format!(
            "{} came at {} ms from node {}, which began at {}; it was published at {:?}, and {:?} was revoked, acknowledged at \
             {acknowledged_ms}",
            delivery.what,
            delivery.first_ms,
            delivery.node,
            delivery.node_began_ms,
            delivery.published_ms,
            revoked.target
        )
    })
}
