//! How much each address, and each subject, may begin in a second.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use fanfare_protocol::limits::{ADMISSION_PAYERS_MAX, CHANNELS_PER_CONNECTION_MAX};
use tokio::time::Instant;

use crate::payer_buckets::{Bucket, PayerBuckets};

/// What a payer has begun too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Sessions,
    Channels,
}

/// The rates of one kind of payer.
#[derive(Debug)]
pub(super) struct PayerRates {
    sessions: Option<PayerBuckets>,
    channels: Option<PayerBuckets>,
}

impl PayerRates {
    /// `sessions` and `channels` in a second, and as many at once; `None`: without a bound.
    pub(super) fn new(sessions: Option<NonZeroU32>, channels: Option<NonZeroU32>, start: Instant) -> Self {
        let whole_stream = u32::try_from(CHANNELS_PER_CONNECTION_MAX).unwrap_or(u32::MAX);
        Self {
            sessions: sessions.map(|rate| buckets(rate, 1, start)),
            channels: channels.map(|rate| buckets(rate, whole_stream, start)),
        }
    }

    /// Whether this payer may begin a session now, as far as its sessions say.
    pub(super) fn have_one(&self, payer: NonZeroU64, now: Instant) -> bool {
        self.sessions.as_ref().is_none_or(|sessions| !sessions.is_empty(payer, now))
    }

    /// Takes what a session with so many channels costs.
    pub(super) fn take(&self, payer: NonZeroU64, channels: usize, now: Instant) -> Result<(), Excess> {
        let take = |buckets: &Option<PayerBuckets>, count: u32, excess| match buckets {
            Some(buckets) if !buckets.take(payer, count, now) => Err(excess),
            _ => Ok(()),
        };
        take(&self.sessions, 1, Excess::Sessions)?;
        take(&self.channels, u32::try_from(channels).unwrap_or(u32::MAX), Excess::Channels)
    }
}

/// So many in a second, and as many at once, or `least` at once if that is more: what is larger could never begin.
pub(super) fn buckets(per_second: NonZeroU32, least: u32, start: Instant) -> PayerBuckets {
    let bucket = Bucket { pause: Duration::from_secs(1) / per_second.get(), most: per_second.get().max(least) };
    PayerBuckets::new(bucket, ADMISSION_PAYERS_MAX, start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payer(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    // Fails when a stream of the most channels can never begin, and when one payer's are another's.
    #[test]
    fn a_payer_may_begin_as_much_as_its_rate_says_and_one_full_stream_at_once_in_any_case() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let rates = PayerRates::new(NonZeroU32::new(3), NonZeroU32::new(10), start);
        assert_eq!(rates.take(payer(1), CHANNELS_PER_CONNECTION_MAX, start), Ok(()));
        assert_eq!(rates.take(payer(1), 1, start), Err(Excess::Channels));
        assert_eq!(rates.take(payer(1), 1, start), Err(Excess::Channels));
        assert!(!rates.have_one(payer(1), start) && rates.have_one(payer(2), start));
        assert_eq!(rates.take(payer(1), 1, start), Err(Excess::Sessions));
        assert_eq!(rates.take(payer(2), 10, start), Ok(()));
        assert_eq!(rates.take(payer(1), 10, start + second), Ok(()));
        assert_eq!(rates.take(payer(1), 1, start + second), Err(Excess::Channels));
    }

    #[test]
    fn without_a_rate_everything_may_begin() {
        let start = Instant::now();
        let rates = PayerRates::new(None, None, start);
        assert!((0..10_000).all(|_| rates.have_one(payer(1), start) && rates.take(payer(1), 256, start).is_ok()));
    }
}
