//! Revoking by way of a node.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fanfare_log::{AppendRequest, PublishError, Publisher};
use fanfare_protocol::EntryId;
use fanfare_protocol::limits::REVOCATION_WRITES_MAX;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::revocation::{self, Revoke};

type Appending = Pin<Box<dyn Future<Output = Result<EntryId, PublishError>> + Send>>;

/// Writes to the log of revocations, which all nodes follow.
pub struct RevocationWriter {
    issuers: Vec<Option<String>>,
    keep: Duration,
    /// Bounds what is written at the same time. Never waited for.
    places: Arc<Semaphore>,
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
            append: Box::new(append),
        }
    }

    /// Revokes something. Resolves when that is stored, with the id of its entry. The error says what was expected.
    pub(crate) fn revoke(&self, revoke: &Revoke) -> Result<Appending, String> {
        let target = revoke.target(&self.issuers)?;
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let busy = PublishError::Unreachable("This node writes as many revocations as it may at once.".to_owned());
            return Ok(Box::pin(async { Err(busy) }));
        };
        let appending = (self.append)(revocation::entry(&target, self.keep));
        Ok(Box::pin(async move {
            let _place = place;
            appending.await
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use fanfare_log::{PublishRequest, Published};

    use super::*;

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

    // Seen to fail without the bound, and when a place is not given back.
    #[tokio::test(start_paused = true)]
    async fn one_more_than_may_be_written_at_once_is_refused_and_not_the_one_after_that() {
        let writer = RevocationWriter::new(&Config::default(), Mute);
        let revoke = || writer.revoke(&Revoke { channel: Some("c".into()), ..Revoke::default() }).unwrap();
        let mut writing: Vec<_> = (0..REVOCATION_WRITES_MAX).map(|_| revoke()).collect();
        assert!(matches!(revoke().await, Err(PublishError::Unreachable(_))));
        writing.pop();
        assert!(tokio::time::timeout(Duration::from_secs(1), revoke()).await.is_err(), "it is being written");
    }
}
