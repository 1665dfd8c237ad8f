//! Tickets, and the requests that make them.

use std::time::Duration;

use super::units::{KIB, less};

/// Random bytes of a ticket: nobody guesses 128 bits.
pub const TICKET_BYTES: usize = 16;
/// The same as characters of base 64.
pub const TICKET_TEXT_BYTES: usize = (TICKET_BYTES * 8).div_ceil(6);
/// How soon a ticket has to be used, if its order does not say it.
pub const TICKET_TTL_DEFAULT: Duration = Duration::from_secs(60);
/// The least that an order may say.
pub const TICKET_TTL_MIN: Duration = Duration::from_secs(1);
/// The most.
pub const TICKET_TTL_MAX: Duration = Duration::from_secs(3_600);
/// How long a ticket is good from its first use on, if its order does not say it; at most `auth.max_token_lifetime`.
pub const TICKET_LIFETIME_DEFAULT: Duration = Duration::from_secs(3_600);
/// The least that an order may say.
pub const TICKET_LIFETIME_MIN: Duration = Duration::from_secs(1);
/// How long it is known of a ticket that it is over: who comes with it later comes with an unknown one.
pub const TICKET_REMEMBERED: Duration = Duration::from_secs(3_600);
/// Largest order of a ticket, in bytes.
pub const TICKET_ORDER_BYTES_MAX: usize = 128 * KIB;
/// Tickets that one payer may have made at once.
pub const TICKETS_AT_ONCE_MAX: u32 = 2_000;
/// How long one of them takes to come back: 200 a second.
pub const TICKET_PAUSE: Duration = Duration::from_millis(5);
/// Payers that are told apart. Two that share a place forget each other.
pub const TICKET_PAYERS_MAX: usize = 1_024;
/// Calls of a node to the store about tickets at a time; others wait, within their deadline.
pub const TICKET_CALLS_MAX: usize = 256;

const _: () = {
    assert!(TICKET_BYTES * 8 >= 128);
    assert!(less(TICKET_TTL_MIN, TICKET_TTL_DEFAULT) && less(TICKET_TTL_DEFAULT, TICKET_TTL_MAX));
    assert!(less(TICKET_LIFETIME_MIN, TICKET_LIFETIME_DEFAULT));
    assert!(TICKETS_AT_ONCE_MAX > 0 && TICKET_PAYERS_MAX.is_power_of_two());
};
