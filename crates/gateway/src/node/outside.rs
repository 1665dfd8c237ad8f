//! What a node asks services outside, on a thread of its own: TLS and look-ups of names hold nobody else up.

use std::future::pending;
use std::sync::Arc;

use anyhow::Context as _;
use fanfare_auth::{Ask, Forward, ForwardOptions, Gate, KeyFollower, SafeUrl, UnixSeconds};
use fanfare_log::stats::Durations;
use fanfare_protocol::limits::ASK_LOOKUPS_MAX;
use fanfare_server::Clock;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::forward_log::ForwardLog;
use super::key_log::KeyLog;
use super::on_thread::OnThread;
use super::thread::{NodeThread, ThreadRuntime};
use super::timed_ask::TimedAsk;
use crate::config::Config;
use crate::https::{Authorities, HttpsClient, PlainHttp};

/// What services outside are asked for. By default nobody asks anybody.
#[derive(Default)]
pub(super) struct Outside {
    pub(super) thread: Option<NodeThread>,
    /// Asks the application.
    pub(super) forward: Option<Arc<Forward>>,
    /// How long its answers take.
    pub(super) answers: Arc<Durations>,
}

impl Outside {
    /// Starts the thread that follows the keys of issuers and asks the application, if there is one or the other.
    ///
    /// # Errors
    /// No authority is known that certificates could be traced to, or there is no thread.
    pub(super) fn start(config: &Config, gate: &Arc<Gate>, followers: Vec<KeyFollower>) -> anyhow::Result<Self> {
        let application = config.forward_auth.url.0.as_ref();
        if followers.is_empty() && application.is_none() {
            return Ok(Self::default());
        }
        let is_https = |url: &SafeUrl| url.uri().scheme_str() == Some("https");
        let is_needed = followers.iter().map(KeyFollower::url).chain(application).any(is_https);
        let authorities = authorities(config, is_needed)?;
        let runtime = ThreadRuntime::with_lookups(ASK_LOOKUPS_MAX)?;
        let plain = if config.auth.private_http { PlainHttp::PrivateNetworks } else { PlainHttp::ThisMachine };
        // Each follower asks one question at a time, and those to the application are bounded before they get here.
        let client = HttpsClient::new(authorities, plain)?;
        let answers = Arc::default();
        let forward = application.map(|url| {
            let asks = TimedAsk::new(OnThread::new(client.clone(), runtime.handle()), Arc::clone(&answers));
            Arc::new(Forward::new(forward_options(config, url), Arc::new(asks)))
        });
        let task = run(followers, Arc::new(client), KeyLog::new(Arc::clone(gate)), forward.clone());
        let thread = NodeThread::start_for("fanfare-outside", runtime, Arc::default(), task)?;
        Ok(Self { thread: Some(thread), forward, answers })
    }
}

fn forward_options(config: &Config, url: &SafeUrl) -> ForwardOptions {
    let forward = &config.forward_auth;
    ForwardOptions {
        url: url.clone(),
        headers: forward.headers.0.clone(),
        timeout: forward.timeout.0,
        concurrency: forward.concurrency,
        keep: forward.keep.0,
        denied_grace: forward.denied_grace.0,
        lifetime: forward.lifetime.0,
        max_lifetime: forward.max_lifetime.0,
        channels: config.limits.channels_per_connection,
        public: config.auth.public.clone().into(),
    }
}

/// Those of this machine are looked for only where they are needed.
fn authorities(config: &Config, is_needed: bool) -> anyhow::Result<Authorities> {
    let authorities = match &config.auth.ca_file.0 {
        Some(path) => Authorities::of_file(path).context("auth.ca_file")?,
        None if is_needed => Authorities::of_this_machine()?,
        None => return Ok(Authorities::none()),
    };
    info!(authorities = authorities.count(), "certificates of services are traced to these authorities");
    if let Some(skipped) = authorities.skipped() {
        warn!("some authorities of this machine are not among them: {skipped}");
    }
    Ok(authorities)
}

/// Ends only when a follower does, which none does.
async fn run(followers: Vec<KeyFollower>, asks: Arc<dyn Ask>, key_log: KeyLog, forward: Option<Arc<Forward>>) {
    tokio::select! {
        () = follow(followers, asks) => {}
        () = key_log.run() => {}
        () = log_forward(forward) => {}
    }
}

async fn follow(followers: Vec<KeyFollower>, asks: Arc<dyn Ask>) {
    let mut tasks = JoinSet::new();
    for follower in followers {
        info!(url = %follower.url(), "following the keys of an issuer");
        let clock = Clock::system();
        tasks.spawn(follower.run(Arc::clone(&asks), move || UnixSeconds(clock.wall_ms() / 1_000)));
    }
    if tasks.join_next().await.is_none() {
        pending::<()>().await;
    }
}

async fn log_forward(forward: Option<Arc<Forward>>) {
    match forward {
        Some(forward) => ForwardLog::new().run(forward).await,
        None => pending().await,
    }
}
