//! Tickets, and the requests that make them.

use std::time::Duration;

use super::units::{KIB, MIB, less};

/// Random bytes of a ticket: nobody guesses 128 bits.
pub const TICKET_SECRET_BYTES: usize = 16;
/// Bytes of a ticket: the secret, and by when it is over at the latest (seconds since 1970, 32 bits).
pub const TICKET_BYTES: usize = TICKET_SECRET_BYTES + 4;
/// The same as characters of base 64.
pub const TICKET_TEXT_BYTES: usize = (TICKET_BYTES * 8).div_ceil(6);
/// How soon a ticket has to be used, if its order does not say it; at most half of `auth.max_token_lifetime`.
pub const TICKET_TTL_DEFAULT: Duration = Duration::from_secs(60);
/// The least that an order may say.
pub const TICKET_TTL_MIN: Duration = Duration::from_secs(1);
/// The most. Together with the lifetime it is `auth.max_token_lifetime` at most.
pub const TICKET_TTL_MAX: Duration = Duration::from_secs(3_600);
/// How long a ticket is good from its first use on, if its order does not say it; at most what its `ttl` leaves of
/// `auth.max_token_lifetime`.
pub const TICKET_LIFETIME_DEFAULT: Duration = Duration::from_secs(3_600);
/// The least that an order may say: a stream ends some sweeps before its ticket does, and has to begin before that.
pub const TICKET_LIFETIME_MIN: Duration = Duration::from_secs(10);
/// How long the store remembers that a ticket is over: until the ticket itself says it, however soon it was first used.
pub const TICKET_REMEMBERED: Duration = Duration::from_secs(4_000);
/// How long after the end that stands in a ticket it is over without a question to the store, whose clock is another one than the
/// node's.
pub const TICKET_CLOCK_SLACK: Duration = Duration::from_secs(5 * 60);
/// How much earlier than a ticket the grant of its stream may end without a word: the end of a grant is rounded down to a second. Where the
/// store took longer to answer, the client is not told that its ticket is over because its grant is.
pub const TICKET_END_PRECISION: Duration = Duration::from_secs(1);
/// Largest order of a ticket, in bytes.
pub const TICKET_ORDER_BYTES_MAX: usize = 128 * KIB;
/// Bytes of orders of tickets in a node, from when a body is announced until the store has answered. One more is answered 503.
pub const TICKET_ORDERS_BYTES_MAX: usize = 2 * MIB;
/// Tickets that one payer may have made at once.
pub const TICKETS_AT_ONCE_MAX: u32 = 2_000;
/// How long one of them takes to come back: 200 a second.
pub const TICKET_PAUSE: Duration = Duration::from_millis(5);
/// Payers that are told apart. Two that share a place forget each other.
pub const TICKET_PAYERS_MAX: usize = 1_024;
/// Questions to the store about tickets that bring no stream, from one address at once. Each is one round trip: two `GET` and `TIME`.
pub const VAIN_TICKETS_AT_ONCE_MAX: u32 = 2_000;
/// How long one of them takes to come back: 500 a second.
pub const VAIN_TICKET_PAUSE: Duration = Duration::from_millis(2);
/// Addresses that are told apart for it. Two that share a place forget each other.
pub const VAIN_TICKET_SENDERS_MAX: usize = 4_096;
/// Requests of a node that wait to know what their ticket is worth. One more is refused politely.
pub const TICKETS_WAITING_MAX: usize = 512;
/// Calls of a node to the store about tickets at a time; others wait, within their deadline.
pub const TICKET_CALLS_MAX: usize = 256;

const _: () = {
    assert!(TICKET_SECRET_BYTES * 8 >= 128);
    assert!(less(TICKET_TTL_MIN, TICKET_TTL_DEFAULT) && less(TICKET_TTL_DEFAULT, TICKET_TTL_MAX));
    assert!(less(TICKET_LIFETIME_MIN, TICKET_LIFETIME_DEFAULT));
    // Who comes with a ticket that is over is told so by the store, until the ticket itself says it: the end that stands in it counts from the
    // last moment of its `ttl`, and it may have been used at the first.
    assert!(TICKET_TTL_MAX.as_secs() + TICKET_CLOCK_SLACK.as_secs() < TICKET_REMEMBERED.as_secs());
    // A stream of the shortest ticket begins, however the store takes its time within this.
    assert!(less(TICKET_END_PRECISION, TICKET_LIFETIME_MIN));
    assert!(TICKET_ORDER_BYTES_MAX * 8 <= TICKET_ORDERS_BYTES_MAX);
    // Permits are asked for in 32 bits.
    assert!(TICKET_ORDERS_BYTES_MAX < u32::MAX as usize);
    assert!(TICKETS_AT_ONCE_MAX > 0 && TICKET_PAYERS_MAX.is_power_of_two());
    assert!(VAIN_TICKETS_AT_ONCE_MAX > 0 && VAIN_TICKET_SENDERS_MAX.is_power_of_two());
};
