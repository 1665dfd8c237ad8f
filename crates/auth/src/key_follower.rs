//! Keeps the keys of an issuer as they are published.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::limits::{
    KEY_FILE_BYTES_MAX, KEY_SET_REFRESH_DEFAULT, KEY_SET_REFRESH_MAX, KEY_SET_REFRESH_MIN, KEY_SET_REST,
    KEY_SET_RETRY_MAX, KEY_SET_RETRY_MIN, KEY_SET_TIMEOUT,
};
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::ask::{Ask, AskAnswer, AskError, AskRequest};
use crate::followed_keys::FollowedKeys;
use crate::key_set::{self, KeySet, KeySetError, Publicity};
use crate::safe_url::SafeUrl;
use crate::unix_seconds::UnixSeconds;

/// Reads the keys of one issuer: at once, then as often as their publisher says, and when a token names a key that is not among
/// them. What cannot be read leaves the keys as they were, until they are too old.
#[derive(Debug)]
pub struct KeyFollower {
    url: SafeUrl,
    keys: Arc<FollowedKeys>,
}

/// Why keys could not be read.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("{0}")]
    Ask(#[from] AskError),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer: {0}")]
    Set(#[from] KeySetError),
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause {
    /// Not before this time is over.
    rest: Duration,
    /// So much later at the latest.
    more: Duration,
}

impl KeyFollower {
    pub(crate) fn new(url: SafeUrl, keys: Arc<FollowedKeys>) -> Self {
        Self { url, keys }
    }

    pub(crate) fn keys(&self) -> Arc<FollowedKeys> {
        self.keys.clone()
    }

    /// Where the keys are published.
    #[must_use]
    pub fn url(&self) -> &SafeUrl {
        &self.url
    }

    /// Follows for ever. Dropping it ends it at any time. `clock` says what time it is.
    pub async fn run(self, ask: Arc<dyn Ask>, clock: impl Fn() -> UnixSeconds + Send) {
        let mut wants = self.keys.wants();
        let (mut failures, mut is_wanted) = (0, false);
        loop {
            // Who wants keys from here on may want newer ones than this look finds.
            wants.mark_unchanged();
            self.keys.look_begins();
            let pause = match self.look(&*ask, is_wanted).await {
                Ok((found, refresh)) => {
                    failures = 0;
                    self.keys.looked(Ok(found), is_wanted, clock());
                    Pause { rest: KEY_SET_REST, more: refresh.saturating_sub(KEY_SET_REST) }
                }
                Err(error) => {
                    self.keys.looked(Err(error.to_string()), is_wanted, clock());
                    failures += 1;
                    Pause { rest: retry(failures), more: Duration::ZERO }
                }
            };
            tokio::time::sleep(pause.rest).await;
            self.keys.rested();
            // The sender lives as long as this.
            is_wanted = tokio::time::timeout(pause.more, wants.changed()).await.is_ok();
        }
    }

    /// `is_wanted`: by somebody with a key that may be newer than what caches on the way hold (RFC 9111, section 5.2.1.4).
    async fn look(&self, ask: &dyn Ask, is_wanted: bool) -> Result<(KeySet, Duration), LookError> {
        let json = HeaderValue::from_static("application/jwk-set+json, application/json");
        let fresh = is_wanted.then_some((CACHE_CONTROL, HeaderValue::from_static("no-cache")));
        let request = AskRequest {
            method: Method::GET,
            uri: self.url.uri().clone(),
            headers: [(ACCEPT, json)].into_iter().chain(fresh).collect(),
            body: Bytes::new(),
            max_bytes: KEY_FILE_BYTES_MAX,
            timeout: KEY_SET_TIMEOUT,
        };
        // Twice the time, since who asks has the same deadline and knows better what went wrong.
        let answer = tokio::time::timeout(2 * KEY_SET_TIMEOUT, ask.ask(request)).await;
        let answer: AskAnswer = answer.unwrap_or(Err(AskError::TimedOut(KEY_SET_TIMEOUT)))?;
        if answer.status != StatusCode::OK {
            return Err(LookError::Status(answer.status));
        }
        let refresh = refresh(&answer.headers).min(self.keys.max_age() / 2);
        Ok((key_set::parse(&answer.body, Publicity::Published)?, refresh))
    }
}

/// How long an answer may be kept.
fn refresh(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let is = |name: &str| directives.iter().any(|directive| directive.eq_ignore_ascii_case(name));
    if is("no-store") || is("no-cache") {
        return KEY_SET_REFRESH_MIN;
    }
    let seconds = directives.iter().find_map(|directive| {
        let (name, seconds) = directive.split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| seconds.trim_matches('"').parse().ok())?
    });
    let kept = seconds.map_or(KEY_SET_REFRESH_DEFAULT, Duration::from_secs);
    kept.clamp(KEY_SET_REFRESH_MIN, KEY_SET_REFRESH_MAX)
}

/// The pause after so many failures in a row.
fn retry(failures: u32) -> Duration {
    let doubled = KEY_SET_RETRY_MIN.saturating_mul(1 << (failures - 1).min(16));
    doubled.min(KEY_SET_RETRY_MAX)
}

#[cfg(test)]
mod tests;
