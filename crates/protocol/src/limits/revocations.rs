//! Revocations: what a node knows of them, and how it carries them out.

use std::time::Duration;

use super::feed::PROBES_UNDER_WAY_MAX;
use super::units::KIB;

/// Revocations in force that a node knows, about 300 bytes each. If there are more it believes no token: it could not know whether that was
/// revoked.
pub const REVOCATIONS_MAX: usize = 200_000;
/// Entries of the log of revocations that are in force: with so many of them writers refuse the next. A target, below what nodes hold: writers at
/// the same time do not see each other.
pub const REVOCATIONS_WRITTEN_MAX: usize = 190_000;
/// Revocations that a node writes at the same time. One more is refused.
pub const REVOCATION_WRITES_MAX: usize = 16;
/// Longest entry of the log of revocations that is read, in bytes: names of all lengths fit, however they are escaped.
pub const REVOCATION_BYTES_MAX: usize = 16 * KIB;
/// What a connection thread does about revocations in one turn: revocations that it looks sessions up for, and sessions that it wakes or ends.
pub const REVOCATION_WORK_PER_TURN: usize = 64;
/// A client whose grant was revoked has so long to take its farewell, then it is cut.
pub const REVOKED_FAREWELL: Duration = Duration::from_millis(500);
/// When the log of revocations turns out to be another one, streams that need a grant say farewell within this time, each at a moment of chance:
/// whoever gave the grants is asked again by all of them.
pub const REVOCATIONS_RESET_SPREAD: Duration = Duration::from_secs(60);
/// A node that knows as many as it may reads their log again after this time: some may be out of force by then.
pub const REVOCATIONS_REREAD: Duration = Duration::from_secs(60);
/// For so long a node may not have read what was announced in the log of revocations. Then nobody gets anything by a grant until it has.
pub const REVOCATIONS_PATIENCE: Duration = Duration::from_millis(300);
/// Time between two proofs that the feed brings everything, where revocations are followed.
pub const REVOCATIONS_PROBE_INTERVAL: Duration = Duration::from_millis(200);
/// For so long it may not be proven that the feed has brought everything. Then nobody gets anything by a grant until it is.
pub const REVOCATIONS_UNPROVEN_PATIENCE: Duration = Duration::from_millis(700);
/// Who asks for something that is done at once waits so long for it to be known what is revoked, before it is refused.
pub const REVOCATIONS_WAIT_MAX: Duration = Duration::from_secs(1);
/// The pause before a node reads a log again that is not contiguous: some entry of it may not be readable for a while.
pub const REVOCATIONS_BROKEN_PAUSE: Duration = Duration::from_millis(100);
/// How often a node asks whether its store could evict the log of revocations.
pub const REVOCATIONS_STORE_LOOK: Duration = Duration::from_secs(1);
/// The same until the store has said so once: before that no token is believed.
pub const REVOCATIONS_STORE_LOOK_FIRST: Duration = Duration::from_millis(50);

const _: () = {
    // Five hundred nodes that all write as many as they may do not bring nodes to where they believe no token.
    assert!(REVOCATIONS_WRITTEN_MAX + 500 * REVOCATION_WRITES_MAX < REVOCATIONS_MAX);
    // All that is promised about the end of a session: a second after its revocation was acknowledged.
    assert!(
        REVOKED_FAREWELL.as_millis() + REVOCATIONS_PATIENCE.as_millis() + REVOCATIONS_BROKEN_PAUSE.as_millis() < 1_000
    );
    // Nor is an event delivered later, if the announcement of its revocation was held up on a feed of which nobody noticed anything yet.
    assert!(REVOCATIONS_UNPROVEN_PATIENCE.as_millis() + REVOCATIONS_PATIENCE.as_millis() <= 1_000);
    // However long the way is on which one can still prove something, the next one is not held up by it.
    assert!(
        REVOCATIONS_PROBE_INTERVAL.as_millis() * PROBES_UNDER_WAY_MAX as u128
            >= REVOCATIONS_UNPROVEN_PATIENCE.as_millis()
    );
    // Two probes may be late. Whoever waits for a proof lives to see the next ones.
    assert!(REVOCATIONS_PROBE_INTERVAL.as_millis() * 3 < REVOCATIONS_UNPROVEN_PATIENCE.as_millis());
    assert!(REVOCATIONS_PROBE_INTERVAL.as_millis() * 3 < REVOCATIONS_WAIT_MAX.as_millis());
};
