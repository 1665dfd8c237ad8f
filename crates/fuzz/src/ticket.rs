//! What stands in a URL as a ticket, what somebody orders one with, and what the store holds of one.

use std::time::Duration;

use fanfare_auth::{Ticket, TicketBounds, TicketOrder, TicketState, UnixSeconds};

const BOUNDS: TicketBounds = TicketBounds { channels: 4, life: Duration::from_secs(86_400) };
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// The first byte says what the others are.
pub(crate) fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => as_ticket(rest),
        1 => as_order(rest),
        _ => as_record(rest),
    }
}

/// There is one spelling of a ticket, and nothing prints it.
fn as_ticket(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(ticket) = Ticket::parse(text) else { return };
    assert_eq!(ticket.text(), text);
    assert_eq!(format!("{ticket:?}"), "Ticket(..)", "a log shows it");
}

/// An order stays within the bounds, and what is kept of it is read again.
fn as_order(body: &[u8]) {
    let Ok(order) = TicketOrder::parse(body, &BOUNDS) else { return };
    assert!((1..=BOUNDS.channels).contains(&order.channels.len()));
    assert!((1..=3_600).contains(&order.ttl.as_secs()) && order.lifetime.as_secs() >= 10);
    assert!(order.over_at(NOW).0 <= NOW.0 + BOUNDS.life.as_secs(), "it lives longer than a token may");
    let record = order.into_record(NOW, None);
    let state = TicketState::read(Some(&record.encode()), None);
    assert_eq!(state, Ok(TicketState::Unused(record)));
}

/// What is read of a store is written back as it was meant, and is good for no longer than it says.
fn as_record(text: &[u8]) {
    if let Ok(TicketState::Unused(record)) = TicketState::read(Some(text), None) {
        assert_eq!(TicketState::read(Some(&record.encode()), None), Ok(TicketState::Unused(record)));
    }
    let Ok(TicketState::Used(used)) = TicketState::read(None, Some(text)) else { return };
    let left = used.left(NOW.0.saturating_mul(1_000), BOUNDS.life);
    assert!(left.is_none_or(|left| left <= used.record.lifetime && left <= BOUNDS.life));
    assert_eq!(TicketState::read(None, Some(&used.encode())), Ok(TicketState::Used(used)));
}
