//! A process with one node: `fanfare serve`, from configuration to exit code.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use fanfare_log::{Archive, Desired, FeedSink, Publisher};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::admin::Admin;
use crate::config::{self, Config, Layered, Sources};
use crate::http;
use crate::logging::LogControl;
use crate::node::{Node, Store};
use crate::reload;
use crate::signals::{Ask, Signals};

/// What a shell makes of a process that a signal ended.
const EXIT_SIGNAL: u8 = 128;

/// Runs a node until a signal has ended it. The calling thread serves the admin listener and waits for signals; it does
/// nothing for clients, so that probes are answered however busy those are.
///
/// # Errors
/// Whatever keeps the node from starting, and an ingest that ended by itself.
pub fn serve<A: Archive, P: Publisher>(
    layered: Layered,
    sources: &Sources,
    log: &LogControl,
    make_store: impl FnOnce(&Config, Desired, FeedSink) -> anyhow::Result<Store<A, P>>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new().context("signal handlers")?;
        let mut config = layered.config;
        info!(
            version = env!("CARGO_PKG_VERSION"),
            redis = config.redis.url.redacted(),
            prefix = config.redis.prefix.0,
            "starting"
        );
        // Before the node: a node without its admin listener must not serve.
        let listener = http::bind(config.admin.listen, "admin.listen")?;
        let address = listener.local_addr()?;
        let mut node = Node::start(&config, |desired, sink| make_store(&config, desired, sink))?;
        info!(%address, "listening for operators");

        let admin = Arc::new(Admin::new(Arc::clone(node.view()))?);
        let (stop_admin, stopped) = oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let admin = tokio::spawn(http::serve(listener, admin, async { drop(stopped.await) }));

        let mut draining = false;
        let code = loop {
            let ask = tokio::select! {
                stopped = node.stopped() => break stopped.map(|()| ExitCode::SUCCESS),
                ask = signals.next() => ask,
            };
            match ask {
                Ask::Reload => reload(&mut config, sources, log),
                Ask::End { .. } if !draining => {
                    draining = true;
                    info!(window = %config.drain.window, deadline = %config.drain.deadline, "draining; a second signal ends at once");
                    node.server().drain();
                }
                Ask::End { number } => {
                    warn!("a second signal: ending at once");
                    break Ok(ExitCode::from(EXIT_SIGNAL + number));
                }
            }
        };
        node.shut_down();
        drop(stop_admin);
        admin.await.context("the admin listener")?;
        info!("ended");
        code
    })
}

/// Reads the configuration again; on any mistake everything stays as it is.
fn reload(running: &mut Config, sources: &Sources, log: &LogControl) {
    let layered = match config::load(sources) {
        Ok(layered) => layered,
        Err(error) => {
            for problem in error.problems {
                warn!(%problem, "the configuration was not reloaded");
            }
            return;
        }
    };
    let changes = reload::changes(running, &layered);
    if let Err(error) = log.set_level(&layered.config.log.level) {
        return warn!(%error, "the log level was not changed");
    }
    running.log.level = layered.config.log.level;
    info!(applied = changes.applied.join(" "), "reloaded the configuration");
    if !changes.waiting.is_empty() {
        warn!(keys = changes.waiting.join(" "), "these changes wait for a restart");
    }
}
