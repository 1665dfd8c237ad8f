//! How long publishes over HTTP take, and how they fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_log::stats::Durations;
use fanfare_log::{AppendRequest, PublishError, PublishRequest, Published, Publisher};
use fanfare_protocol::EntryId;
use tokio::time::Instant;

/// What became of publishes. Connection threads write it together: each publish is a round trip to the store.
#[derive(Debug, Default)]
pub(super) struct PublishStats {
    /// From asking the store to its answer, or to the error in place of one.
    pub(super) lengths: Durations,
    errors: [AtomicU64; KINDS.len()],
}

/// What a failure is called, in the order of the counters.
const KINDS: [&str; 5] = ["rejected", "denied", "refused", "unreachable", "unknown"];

const fn kind(error: &PublishError) -> usize {
    match error {
        PublishError::Rejected(_) => 0,
        PublishError::Denied(_) => 1,
        PublishError::Refused(_) => 2,
        PublishError::Unreachable(_) => 3,
        PublishError::Unavailable(_) => 4,
    }
}

impl PublishStats {
    /// Failures by kind.
    pub(super) fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS.into_iter().zip(self.errors.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

/// A publisher whose publishes are counted.
#[derive(Debug, Clone)]
pub(super) struct TimedPublisher<P> {
    publisher: P,
    stats: Arc<PublishStats>,
}

impl<P> TimedPublisher<P> {
    pub(super) fn new(publisher: P, stats: Arc<PublishStats>) -> Self {
        Self { publisher, stats }
    }
}

impl<P: Publisher> Publisher for TimedPublisher<P> {
    async fn publish(&self, request: PublishRequest) -> Result<Published, PublishError> {
        let began = Instant::now();
        let outcome = self.publisher.publish(request).await;
        self.stats.lengths.record(began.elapsed());
        if let Err(error) = &outcome {
            self.stats.errors[kind(error)].fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Counted by who asks for it.
    async fn append(&self, request: AppendRequest) -> Result<EntryId, PublishError> {
        self.publisher.append(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Refusing;

    impl Publisher for Refusing {
        async fn publish(&self, _: PublishRequest) -> Result<Published, PublishError> {
            Err(PublishError::Refused("OOM".into()))
        }

        async fn append(&self, _: AppendRequest) -> Result<EntryId, PublishError> {
            Err(PublishError::Refused("OOM".into()))
        }
    }

    #[tokio::test]
    async fn a_publish_that_fails_is_counted_by_what_is_known_of_it() {
        let stats = Arc::new(PublishStats::default());
        let publisher = TimedPublisher::new(Refusing, Arc::clone(&stats));
        let channel = fanfare_protocol::ChannelName::parse("a").unwrap();
        let event = fanfare_protocol::Event { name: None, data: bytes::Bytes::new() };
        let request = PublishRequest { channel, event, dedup: None, max_len: None, ttl: None };
        assert!(publisher.publish(request).await.is_err());
        let failed: Vec<_> = stats.errors().filter(|(_, count)| *count > 0).collect();
        assert_eq!((failed, stats.lengths.snapshot().0.iter().sum::<u64>()), (vec![("refused", 1)], 1));
    }
}
