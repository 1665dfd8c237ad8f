//! The verdict about farewells: a session is told that it is revoked only where something that hits it was, and that its token ends only shortly
//! before it does.

use fanfare_protocol::limits::{EXPIRY_SPREAD_MAX, EXPIRY_SPREAD_PART};
use tokio::time::Duration;

use super::access::Access;
use super::token::Token;

/// How long before the end of its token a session is told at most, beside a part of its life: three sweeps, of a heartbeat of 15 s.
const SWEEPS_MS: u64 = 3_000;

/// `event`: the name of what the node says, which was written at `written_ms` in answer to a request that was made at `asked_ms`: milliseconds
/// since the world began.
pub(super) fn breach(
    access: &Access,
    token: &Token,
    channels: &[String],
    event: &str,
    [asked_ms, written_ms]: [u64; 2],
) -> Option<String> {
    let is_right = match event {
        // When a revocation was in force a node knows by its own clock.
        "$revoked" => access.record.all().iter().any(|revoked| access.may_hit(revoked, token, channels)),
        // The end of a ticket is known by the clock of Redis alone.
        "$expired" if token.ticket.is_none() => {
            let life = Duration::from_millis(token.expires_ms.saturating_sub(asked_ms));
            let spread = (life / EXPIRY_SPREAD_PART).min(EXPIRY_SPREAD_MAX);
            let earlier_ms = SWEEPS_MS + u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
            written_ms + earlier_ms >= token.expires_ms
        }
        _ => true,
    };
    (!is_right).then(|| {
        format!(
            "{event} was said at {written_ms} ms by {}, asked for at {asked_ms}, which ends at {}",
            token.id, token.expires_ms
        )
    })
}
