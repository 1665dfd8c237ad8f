//! The verdict about revocations within reach: where a node's feed is connected, nothing comes by a revoked token later than a second after
//! that was acknowledged.
//!
//! Of events that is so whatever becomes of reads, and of the connection: where the log cannot be read, or nothing proves that the feed brings
//! what is announced, the session waits. Of other bytes (heartbeats, a farewell, the rest of an event that has begun) it is so where the feed
//! brings everything and Redis answers the node in time.

use super::delivery::Delivery;
use crate::redis::Server;
use crate::revoked_record::{Revoked, Told};

/// `revoked`: it hits the token.
pub(super) fn breach(delivery: &Delivery<'_>, revoked: &Revoked, redis: &Server) -> Option<String> {
    let told @ Told { connection, arrives_ms } = revoked.told[delivery.node]?;
    let over_ms = revoked.second_is_over_ms(told)?;
    let stored_ms = revoked.stored_ms;
    let is_within_reach = || {
        delivery.is_event
            || redis.is_heard_since(connection, stored_ms) && redis.answers_in_time_since(delivery.node, stored_ms)
    };
    let came_ms = if delivery.is_event { delivery.first_ms } else { delivery.last_ms };
    (came_ms > over_ms && is_within_reach()).then(|| {
        format!(
            "{} came at {came_ms} ms from node {}, which heard at {arrives_ms} that {:?} is revoked, acknowledged at {:?}",
            delivery.what, delivery.node, revoked.target, revoked.acknowledged_ms
        )
    })
}
