//! The verdict about farewells: a session is told that it is revoked only where something that hits it was, and that its token ends only shortly
//! before it does, or shortly after its node has found that the log of revocations is not what it was, which had been set back by then.

use fanfare_protocol::limits::{EXPIRY_SPREAD_MAX, EXPIRY_SPREAD_PART, REVOCATIONS_RESET_SPREAD};
use tokio::time::Duration;

use super::access::Access;
use super::token::Token;

/// How long before the end of its token a session is told at most, beside a part of its life: three sweeps, of a heartbeat of 15 s.
const SWEEPS_MS: u64 = 3_000;

/// A node knows to the second when it found that.
const SECOND_MS: u64 = 1_000;

/// `reset_ms`: when its node last found that the log of revocations is not what it was. `event`: the name of what the node says, which was written at `written_ms` in answer to a request that was made at `asked_ms`: milliseconds
/// since the world began.
pub(super) fn breach(
    access: &Access,
    token: &Token,
    channels: &[String],
    event: &str,
    reset_ms: Option<u64>,
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
                || reset_ms.is_some_and(|reset_ms| follows_reset(access, reset_ms, [asked_ms, written_ms]))
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

/// Whether a session that was asked for and said farewell at these times has done so for a reset that its node found at `reset_ms`, for which
/// there is a reason.
fn follows_reset(access: &Access, reset_ms: u64, [asked_ms, written_ms]: [u64; 2]) -> bool {
    let spread_ms = u64::try_from(REVOCATIONS_RESET_SPREAD.as_millis()).unwrap_or(u64::MAX);
    let was_there = asked_ms <= reset_ms + SECOND_MS;
    let is_soon = (reset_ms..=reset_ms + SECOND_MS + spread_ms + SWEEPS_MS).contains(&written_ms);
    was_there && is_soon && access.record.was_set_back_by(reset_ms + SECOND_MS)
}
