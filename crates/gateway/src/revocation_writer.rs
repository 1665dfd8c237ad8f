//! Revoking by way of a node.

use std::pin::Pin;
use std::time::Duration;

use fanfare_log::{AppendRequest, PublishError, Publisher};
use fanfare_protocol::EntryId;

use crate::config::Config;
use crate::revocation::{self, Revoke};

type Appending = Pin<Box<dyn Future<Output = Result<EntryId, PublishError>> + Send>>;

/// Writes to the log of revocations, which all nodes follow.
pub struct RevocationWriter {
    issuers: Vec<Option<String>>,
    keep: Duration,
    append: Box<dyn Fn(AppendRequest) -> Appending + Send + Sync>,
}

impl RevocationWriter {
    pub(crate) fn new(config: &Config, publisher: impl Publisher) -> Self {
        let append = move |request| -> Appending {
            let publisher = publisher.clone();
            Box::pin(async move { publisher.append(request).await })
        };
        Self { issuers: revocation::issuers(config), keep: revocation::kept_for(config), append: Box::new(append) }
    }

    /// Revokes something. Resolves when that is stored, with the id of its entry. The error says what was expected.
    pub(crate) fn revoke(&self, revoke: &Revoke) -> Result<Appending, String> {
        let target = revoke.target(&self.issuers)?;
        Ok((self.append)(revocation::entry(&target, self.keep)))
    }
}
