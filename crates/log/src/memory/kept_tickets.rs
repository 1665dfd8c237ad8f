//! Tickets of the in-process store.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::TicketName;

use crate::tickets::HeldTicket;

/// What is kept of tickets, each for a time. What is over is forgotten when another ticket is made.
#[derive(Debug, Default)]
pub(super) struct KeptTickets {
    made: HashMap<TicketName, Kept>,
    used: HashMap<TicketName, Kept>,
}

#[derive(Debug)]
struct Kept {
    record: Bytes,
    until_ms: u64,
}

impl Kept {
    fn new(record: Bytes, time: Duration, now_ms: u64) -> Self {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { record, until_ms: now_ms.saturating_add(time) }
    }
}

impl KeptTickets {
    pub(super) fn make(&mut self, ticket: TicketName, record: Bytes, ttl: Duration, now_ms: u64) {
        for all in [&mut self.made, &mut self.used] {
            all.retain(|_, kept| now_ms < kept.until_ms);
        }
        self.made.insert(ticket, Kept::new(record, ttl, now_ms));
    }

    pub(super) fn find(&self, ticket: TicketName, now_ms: u64) -> HeldTicket {
        HeldTicket { made: get(&self.made, ticket, now_ms), used: get(&self.used, ticket, now_ms), now_ms }
    }

    pub(super) fn use_first(&mut self, ticket: TicketName, record: Bytes, keep: Duration, now_ms: u64) -> Bytes {
        if let Some(first) = get(&self.used, ticket, now_ms) {
            return first;
        }
        self.used.insert(ticket, Kept::new(record.clone(), keep, now_ms));
        record
    }
}

fn get(all: &HashMap<TicketName, Kept>, ticket: TicketName, now_ms: u64) -> Option<Bytes> {
    all.get(&ticket).filter(|kept| now_ms < kept.until_ms).map(|kept| kept.record.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when a second first use counts.
    #[test]
    fn a_ticket_is_used_for_the_first_time_once_and_each_text_has_its_own_time() {
        let (mut kept, ticket) = (KeptTickets::default(), TicketName::of_digest([1; 32]));
        let seconds = Duration::from_secs;
        kept.make(ticket, "made".into(), seconds(60), 1_000);
        assert_eq!(kept.find(ticket, 60_999).made.as_deref(), Some(&b"made"[..]));
        assert_eq!(kept.use_first(ticket, "one".into(), seconds(100), 2_000), "one");
        assert_eq!(kept.use_first(ticket, "two".into(), seconds(100), 3_000), "one");
        let held = kept.find(ticket, 61_000);
        assert_eq!((held.made, held.used.as_deref()), (None, Some(&b"one"[..])));
        assert_eq!(kept.find(ticket, 102_000), HeldTicket { now_ms: 102_000, ..HeldTicket::default() });
        kept.make(TicketName::of_digest([2; 32]), "other".into(), seconds(1), 102_000);
        assert_eq!((kept.made.len(), kept.used.len()), (1, 0), "nothing is remembered for ever");
    }
}
