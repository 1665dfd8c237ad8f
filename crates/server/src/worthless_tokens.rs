//! Who has sent tokens that were worth nothing.
//!
//! A signature is checked on the thread that delivers, before it is known who asks. So a client pays for checks that were in vain: it
//! has a number of them at once, and then one now and then. Genuine tokens cost nothing, and what somebody at one address sends counts
//! for nobody at another.

use fanfare_protocol::limits::{WORTHLESS_TOKEN_PAUSE, WORTHLESS_TOKEN_SENDERS_MAX, WORTHLESS_TOKENS_MAX};
use tokio::time::Instant;

use crate::admission::AddressKey;
use crate::payer_buckets::{Bucket, PayerBuckets};

/// The senders of one connection thread. One thread uses it, so nobody waits for its lock.
#[derive(Debug)]
pub(crate) struct WorthlessTokens(PayerBuckets);

impl WorthlessTokens {
    pub(crate) fn new(start: Instant) -> Self {
        let bucket = Bucket { pause: WORTHLESS_TOKEN_PAUSE, most: WORTHLESS_TOKENS_MAX };
        Self(PayerBuckets::new(bucket, WORTHLESS_TOKEN_SENDERS_MAX, start))
    }

    /// Whether this sender has used up its checks.
    pub(crate) fn are_too_many(&self, sender: AddressKey, now: Instant) -> bool {
        self.0.is_empty(sender.key(), now)
    }

    /// One more of this sender's.
    pub(crate) fn note(&self, sender: AddressKey, now: Instant) {
        self.0.note(sender.key(), now);
    }
}
