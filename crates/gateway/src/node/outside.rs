//! What a node asks services outside, on a thread of its own: TLS and look-ups of names hold nobody else up.

use std::sync::Arc;

use anyhow::Context as _;
use fanfare_auth::{Ask, Gate, KeyFollower, UnixSeconds};
use fanfare_protocol::limits::{ASK_LOOKUPS_MAX, ISSUERS_MAX};
use fanfare_server::Clock;
use tokio::task::JoinSet;
use tracing::info;

use super::key_log::KeyLog;
use super::thread::{NodeThread, ThreadRuntime};
use crate::config::Config;
use crate::https::{Authorities, HttpsClient};

/// Starts the thread that follows the keys of issuers. `None`: nobody publishes any.
///
/// # Errors
/// No authority is known that certificates could be traced to, or there is no thread.
pub(super) fn start(
    config: &Config,
    gate: &Arc<Gate>,
    followers: Vec<KeyFollower>,
) -> anyhow::Result<Option<NodeThread>> {
    if followers.is_empty() {
        return Ok(None);
    }
    let is_https = |follower: &KeyFollower| follower.url().uri().scheme_str() == Some("https");
    let authorities = authorities(config, followers.iter().any(is_https))?;
    // Each follower asks one question at a time.
    let asks: Arc<dyn Ask> = Arc::new(HttpsClient::new(authorities, ISSUERS_MAX)?);
    let task = follow(followers, asks, KeyLog::new(Arc::clone(gate)));
    let runtime = ThreadRuntime::with_lookups(ASK_LOOKUPS_MAX)?;
    NodeThread::start_for("fanfare-outside", runtime, Arc::default(), task).map(Some)
}

/// Those of this machine are looked for only where they are needed.
fn authorities(config: &Config, is_needed: bool) -> anyhow::Result<Authorities> {
    Ok(match &config.auth.ca_file.0 {
        Some(path) => Authorities::of_file(path).context("auth.ca_file")?,
        None if is_needed => Authorities::of_this_machine()?,
        None => Authorities::none(),
    })
}

/// Ends only when a follower does, which none does.
async fn follow(followers: Vec<KeyFollower>, asks: Arc<dyn Ask>, log: KeyLog) {
    let mut tasks = JoinSet::new();
    for follower in followers {
        info!(url = %follower.url(), "following the keys of an issuer");
        let clock = Clock::system();
        tasks.spawn(follower.run(Arc::clone(&asks), move || UnixSeconds(clock.wall_ms() / 1_000)));
    }
    tokio::select! {
        _ = tasks.join_next() => {}
        () = log.run() => {}
    }
}
