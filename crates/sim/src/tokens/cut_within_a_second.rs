//! The verdict about revocations within a second: no event begins later than a second after the revocation of its token was acknowledged.
//!
//! Of events that is so whatever becomes of the feed, of reads and of connections: where the log cannot be read, or nothing proves that the
//! feed has brought what was announced, the session waits. Of other bytes (heartbeats, a farewell, the rest of an event that has begun) it is
//! so where the feed brings everything and Redis answers the node in time, from when the node was told.

use super::delivery::Delivery;
use crate::redis::Server;
use crate::revoked_record::{Revoked, Told};

/// `revoked`: it hits the token.
pub(super) fn breach(delivery: &Delivery<'_>, revoked: &Revoked, redis: &Server) -> Option<String> {
    let acknowledged_ms = revoked.acknowledged_ms?;
    if delivery.is_event && delivery.first_ms > acknowledged_ms + 1_000 {
        return Some(format!(
            "{} came at {} ms from node {}, and {:?} was revoked, acknowledged at {acknowledged_ms}",
            delivery.what, delivery.first_ms, delivery.node, revoked.target
        ));
    }
    let told @ Told { connection, arrives_ms } = revoked.told[delivery.node]?;
    let over_ms = revoked.second_is_over_ms(told)?;
    let (came_ms, stored_ms) = (delivery.last_ms, revoked.stored_ms);
    let is_within_reach =
        || redis.is_heard_since(connection, stored_ms) && redis.answers_in_time_since(delivery.node, stored_ms);
    (!delivery.is_event && came_ms > over_ms && is_within_reach()).then(|| {
        format!(
            "{} came at {came_ms} ms from node {}, which heard at {arrives_ms} that {:?} is revoked, acknowledged at {:?}",
            delivery.what, delivery.node, revoked.target, revoked.acknowledged_ms
        )
    })
}
