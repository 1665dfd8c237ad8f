//! Revoking by way of a node.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanfare_log::{AppendRequest, PublishError, Publisher};
use fanfare_protocol::EntryId;
use fanfare_protocol::limits::REVOCATION_WRITES_MAX;
use fanfare_server::Clock;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::config::Config;
use crate::revocation::{self, Issuers, Revoke};

type Appending = Pin<Box<dyn Future<Output = Result<EntryId, PublishError>> + Send>>;

/// Writes to the log of revocations, which all nodes follow.
pub struct RevocationWriter {
    issuers: Issuers,
    keep: Duration,
    /// Bounds what is written at the same time. Never waited for.
    places: Arc<Semaphore>,
    stats: Arc<RevokeStats>,
    append: Box<dyn Fn(AppendRequest) -> Appending + Send + Sync>,
}

impl RevocationWriter {
    pub(crate) fn new(config: &Config, publisher: impl Publisher) -> Self {
        let append = move |request| -> Appending {
            let publisher = publisher.clone();
            Box::pin(async move { publisher.append(request).await })
        };
        Self {
            issuers: revocation::issuers(config),
            keep: revocation::kept_for(config),
            places: Arc::new(Semaphore::new(REVOCATION_WRITES_MAX)),
            stats: Arc::default(),
            append: Box::new(append),
        }
    }

    /// Revokes something, for this peer. Resolves when that is stored, with the id of its entry. The error says what was expected.
    pub(crate) fn revoke(&self, revoke: &Revoke, peer: Option<SocketAddr>) -> Result<Appending, String> {
        let target = revoke.target(&self.issuers)?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        let appending = (self.append)(revocation::entry(&target, self.keep));
        let peer = peer.map(|peer| peer.to_string());
        let (stats, keep) = (Arc::clone(&self.stats), self.keep);
        // Before it is stored: a client that hangs up leaves this line, and nobody knows what came of it.
        info!(kind = target.kind(), issuer = target.issuer(), peer, "a revocation is asked for");
        Ok(Box::pin(async move {
            let busy =
                |_| PublishError::Unreachable("This node writes as many revocations as it may at once.".to_owned());
            let outcome = match place.map_err(busy) {
                Ok(_place) => appending.await.and_then(|id| revocation::effect(id, keep, Clock::system().wall_ms())),
                Err(busy) => Err(busy),
            };
            stats.count(&outcome);
            match &outcome {
                Ok(id) => info!(kind = target.kind(), issuer = target.issuer(), peer, %id, "revoked"),
                Err(error) => warn!(kind = target.kind(), issuer = target.issuer(), peer, %error, "not revoked"),
            }
            outcome
        }))
    }

    /// What became of revocations.
    pub(crate) fn stats(&self) -> &RevokeStats {
        &self.stats
    }
}

/// What became of revocations that were asked for.
#[derive(Debug, Default)]
pub(crate) struct RevokeStats([AtomicU64; Self::OUTCOMES.len()]);

impl RevokeStats {
    const OUTCOMES: [&str; 6] = ["stored", "rejected", "denied", "refused", "unreachable", "unknown"];

    fn count(&self, outcome: &Result<EntryId, PublishError>) {
        let index = match outcome {
            Ok(_) => 0,
            Err(PublishError::Rejected(_)) => 1,
            Err(PublishError::Denied(_)) => 2,
            Err(PublishError::Refused(_)) => 3,
            Err(PublishError::Unreachable(_)) => 4,
            Err(PublishError::Unavailable(_)) => 5,
        };
        self.0[index].fetch_add(1, Ordering::Relaxed);
    }

    /// How many of each outcome.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::OUTCOMES.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use fanfare_log::{PublishRequest, Published};

    use super::*;

    /// A store whose clock stands still.
    #[derive(Clone)]
    struct Stopped;

    impl Publisher for Stopped {
        async fn publish(&self, _: PublishRequest) -> Result<Published, PublishError> {
            pending().await
        }

        async fn append(&self, _: AppendRequest) -> Result<EntryId, PublishError> {
            Ok(EntryId { ms: 1, seq: 0 })
        }
    }

    // Fails when what is stored is believed to be revoked whatever its date.
    #[tokio::test]
    async fn what_is_stored_with_a_date_of_long_ago_is_not_told_as_revoked() {
        let writer = RevocationWriter::new(&Config::default(), Stopped);
        let revoke = writer.revoke(&Revoke { channel: Some("c".into()), ..Revoke::default() }, None).unwrap();
        assert!(matches!(revoke.await, Err(PublishError::Rejected(_))));
        assert!(writer.stats().outcomes().eq(RevokeStats::OUTCOMES.map(|name| (name, u64::from(name == "rejected")))));
    }

    /// A store that never answers.
    #[derive(Clone)]
    struct Mute;

    impl Publisher for Mute {
        async fn publish(&self, _: PublishRequest) -> Result<Published, PublishError> {
            pending().await
        }

        async fn append(&self, _: AppendRequest) -> Result<EntryId, PublishError> {
            pending().await
        }
    }

    // Fails without the bound, and when a place is not given back.
    #[tokio::test(start_paused = true)]
    async fn one_more_than_may_be_written_at_once_is_refused_and_not_the_one_after_that() {
        let writer = RevocationWriter::new(&Config::default(), Mute);
        let revoke = || writer.revoke(&Revoke { channel: Some("c".into()), ..Revoke::default() }, None).unwrap();
        let mut writing: Vec<_> = (0..REVOCATION_WRITES_MAX).map(|_| revoke()).collect();
        assert!(matches!(revoke().await, Err(PublishError::Unreachable(_))));
        assert!(
            writer.stats().outcomes().eq(RevokeStats::OUTCOMES.map(|name| (name, u64::from(name == "unreachable"))))
        );
        writing.pop();
        assert!(tokio::time::timeout(Duration::from_secs(1), revoke()).await.is_err(), "it is being written");
    }
}
