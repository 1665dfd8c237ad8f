//! How many tickets each payer may have made.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;

use fanfare_auth::Grant;
use fanfare_protocol::limits::{TICKET_PAUSE, TICKET_PAYERS_MAX, TICKETS_AT_ONCE_MAX};
use tokio::time::Instant;

use crate::admission::AddressKey;
use crate::payer_buckets::{Bucket, PayerBuckets};

/// The payers of a node. Each ticket is a round trip to the store, so that the lock is nothing beside it.
#[derive(Debug)]
pub(crate) struct TicketRate {
    buckets: PayerBuckets,
    hasher: RandomState,
}

impl TicketRate {
    pub(crate) fn new(start: Instant) -> Self {
        let bucket = Bucket { pause: TICKET_PAUSE, most: TICKETS_AT_ONCE_MAX };
        Self { buckets: PayerBuckets::new(bucket, TICKET_PAYERS_MAX, start), hasher: RandomState::new() }
    }

    /// Takes one of the payer's: the subject of its token, else its address. `false`: it has none left.
    pub(crate) fn take(&self, grant: Option<&Grant>, client: AddressKey, now: Instant) -> bool {
        let subject = grant.and_then(|grant| Some((grant.issuer.as_deref(), grant.subject.as_deref()?)));
        let payer = subject.and_then(|subject| NonZeroU64::new(self.hasher.hash_one(subject)));
        self.buckets.take(payer.unwrap_or_else(|| client.key()), now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    // Fails when a subject behind many addresses is many payers, or all subjects behind one address are one.
    #[test]
    fn a_subject_pays_for_itself_and_who_has_none_by_its_address() {
        let (start, here) = (Instant::now(), AddressKey::of(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let there = AddressKey::of(IpAddr::from([192, 0, 2, 7]));
        let rate = TicketRate::new(start);
        let subject = |name: &str| Grant { subject: Some(name.into()), ..Grant::default() };
        let (one, other) = (subject("one"), subject("other"));
        for number in 0..TICKETS_AT_ONCE_MAX {
            assert!(rate.take(Some(&one), if number % 2 == 0 { here } else { there }, start));
        }
        assert!(!rate.take(Some(&one), here, start));
        assert!(rate.take(Some(&other), here, start) && rate.take(Some(&Grant::default()), here, start));
        assert_eq!((0..TICKETS_AT_ONCE_MAX).filter(|_| rate.take(None, here, start)).count(), 1_999);
        assert!(!rate.take(None, here, start) && rate.take(None, there, start));
        assert!(rate.take(Some(&one), here, start + TICKET_PAUSE), "one has come back");
    }
}
