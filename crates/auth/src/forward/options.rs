//! Whom to ask about requests, and how.

use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::Pattern;
use http::HeaderName;

use crate::safe_url::SafeUrl;

/// The issuer of grants that the application gives.
pub const FORWARD_ISSUER: &str = "forward_auth";

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct ForwardOptions {
    /// Where the application answers.
    pub url: SafeUrl,
    /// The headers of a request that are sent along.
    pub headers: Vec<HeaderName>,
    /// How long an answer may take, the wait for a place included.
    pub timeout: Duration,
    /// Questions under way at once.
    pub concurrency: usize,
    /// How long a grant counts for a request that sends exactly the same, in whole seconds. Zero: each is asked about.
    pub keep: Duration,
    /// How long a denial is [young](crate::Forward::is_young_denial), in whole seconds. Zero: never.
    pub denied_grace: Duration,
    /// How long a grant lasts, if the answer does not say it.
    pub lifetime: Duration,
    /// How long it lasts at most, whatever the answer says.
    pub max_lifetime: Duration,
    /// The most channels that a stream may have which the application names.
    pub channels: usize,
    /// What everybody may follow and read as history.
    pub public: Arc<[Pattern]>,
}
