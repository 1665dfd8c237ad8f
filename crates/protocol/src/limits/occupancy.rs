//! How many read a channel, counted over all nodes.

use std::time::Duration;

use super::units::less;

/// Channels of which the store is told, or asked, at once: no call of ours holds it for longer than a few milliseconds.
pub const OCCUPANCY_BATCH_MAX: usize = 256;
/// How long a life of a node lasts in the store unless it is renewed. What a node that died had counted is gone by then.
pub const OCCUPANCY_LIFE: Duration = Duration::from_millis(1_800);
/// How often a life is renewed: a node may miss it three times.
pub const OCCUPANCY_RENEW_INTERVAL: Duration = Duration::from_millis(450);
/// From the beginning of a round to that of the next: what has changed is written, and what somebody wants to know is asked.
pub const OCCUPANCY_ROUND: Duration = Duration::from_secs(1);
/// A round that takes longer than this part of [`OCCUPANCY_ROUND`] puts the next one off, so that rounds take at most this part of the time.
pub const OCCUPANCY_ROUND_PART: u32 = 4;
/// The least between two `$occupancy` of a stream: somewhat less than a round, since rounds are not told to all streams at one moment.
pub const OCCUPANCY_TOLD_INTERVAL: Duration = Duration::from_millis(900);
/// How long what is counted of a channel stays in the store unless a node with readers renews it.
pub const OCCUPANCY_KEPT: Duration = Duration::from_secs(120);
/// How often it is renewed, in whole seconds. In each of them, that part of the channels is.
pub const OCCUPANCY_KEEP_SECONDS: u64 = 40;
/// How long a node that stops takes to say so to the store, at most.
pub const OCCUPANCY_FAREWELL: Duration = Duration::from_millis(500);
/// Calls of a node to the store about this at a time; others wait, within their deadline.
pub const OCCUPANCY_CALLS_MAX: usize = 32;
/// Counts for which one payer may have the store asked at once, beside those that are known or being asked. One more is answered 429.
pub const OCCUPANCY_ASKS_AT_ONCE_MAX: u32 = 200;
/// How long one of them takes to come back: 20 a second. Each is two or three round trips.
pub const OCCUPANCY_ASK_PAUSE: Duration = Duration::from_millis(50);
/// Payers that are told apart for it. Two that share a place forget each other.
pub const OCCUPANCY_PAYERS_MAX: usize = 1_024;
/// Requests of a node that wait for a count; beside them is a [reserve](super::requests::PLACES_RESERVE_PART) for clients with few. One more is answered 503.
pub const OCCUPANCY_WAITING_MAX: usize = 256;
/// Of them those that may ask the store at once; the others take turns by client.
pub const OCCUPANCY_ASKING_MAX: usize = 16;
/// Counted channels of a thread at which is looked for a new number, and streams that are found by one, before others get their turn.
pub const OCCUPANCY_LOOKS: usize = 256;
/// Streams of a thread that are told before others get their turn.
pub const OCCUPANCY_WAKES: usize = 64;
/// The least between two times that the store is asked for the channels that `/status` lists, however many look at it.
pub const OCCUPANCY_LISTED_PAUSE: Duration = Duration::from_secs(2);
/// How long the store has for the answer.
pub const OCCUPANCY_LISTED_TIMEOUT: Duration = Duration::from_secs(2);
/// How long `/status` waits for it; then it goes without.
pub const OCCUPANCY_LISTED_WAIT: Duration = Duration::from_millis(250);
/// The oldest answer that `/status` shows.
pub const OCCUPANCY_LISTED_AGE_MAX: Duration = Duration::from_secs(5);

const _: () = {
    // Who is told a second after the end of the dead node's life hears the right number within three seconds of its death.
    assert!(OCCUPANCY_LIFE.as_millis() + OCCUPANCY_ROUND.as_millis() < 3_000);
    assert!(OCCUPANCY_RENEW_INTERVAL.as_millis() * 4 <= OCCUPANCY_LIFE.as_millis());
    assert!(less(OCCUPANCY_RENEW_INTERVAL, OCCUPANCY_ROUND) && less(OCCUPANCY_TOLD_INTERVAL, OCCUPANCY_ROUND));
    // A renewal may be missed, or come a round late.
    assert!(OCCUPANCY_KEEP_SECONDS * 2 < OCCUPANCY_KEPT.as_secs());
    assert!(OCCUPANCY_ASKS_AT_ONCE_MAX > 0 && OCCUPANCY_PAYERS_MAX.is_power_of_two() && OCCUPANCY_LOOKS > 0);
    // Requests do not take the calls that rounds and `/status` need.
    assert!(OCCUPANCY_ASKING_MAX + 2 <= OCCUPANCY_CALLS_MAX && OCCUPANCY_ASKING_MAX < OCCUPANCY_WAITING_MAX);
};
