//! The verdict about refusals of tickets: one that is good is not refused for good, and a stream begins by none of whose maker's token it has
//! been known for a second that it is revoked.

use super::access::Access;
use super::token::Token;
use crate::ticket_record;
use crate::world::World;

/// A ticket ends early by so much, in milliseconds: grants end at whole seconds, and no stream begins whose farewell would be due, which is
/// three sweeps (of a heartbeat of 15 s) and up to a tenth of what is left before that.
const ENDS_EARLY_MS: u64 = 5_000;

/// A ticket was refused with this status, to a request that was made then: milliseconds since the world began.
pub(super) fn breach(
    world: &World,
    access: &Access,
    token: &Token,
    channels: &[String],
    asked_ms: u64,
    status: u16,
) -> Option<String> {
    let ticket = token.ticket?;
    let redis = world.redis.lock();
    let is_good = match status {
        204 => {
            let [_, ahead] = redis.skews_since(world.record.at(asked_ms));
            let latest_ms = world.record.redis_ms(world.record.now_ms(), ahead);
            access.tickets.end(ticket.name).is_none_or(|end| end.earliest_ms > latest_ms + ENDS_EARLY_MS)
        }
        401 => {
            // What was lost may have come back since.
            let may_be_lost = world.scenario.failovers || world.scenario.removals;
            let is_revoked = access.record.all().iter().any(|revoked| {
                let (target, at) = (&revoked.target, revoked.at());
                access.hits(target, at, token, channels) || access.hits_maker(target, at, token)
            });
            let is_known = ticket_record::keys(ticket.name).iter().any(|key| redis.holds(key));
            is_known && !is_revoked && !may_be_lost
        }
        _ => false,
    };
    is_good.then(|| format!("ticket {} is good and was refused with {status} at {asked_ms} ms", token.id))
}

/// A stream has begun by a ticket that was asked for then.
pub(super) fn breach_of_maker(access: &Access, token: &Token, asked_ms: u64) -> Option<String> {
    let is_known = |acknowledged_ms: Option<u64>| acknowledged_ms.is_some_and(|at| asked_ms > at + 1_000);
    let in_force = access.record.in_force();
    let by = in_force
        .iter()
        .find(|revoked| is_known(revoked.acknowledged_ms) && access.hits_maker(&revoked.target, revoked.at(), token))?;
    Some(format!("a stream began by ticket {} at {asked_ms} ms, whose maker is revoked: {:?}", token.id, by.target))
}
