//! A process with one node: `fanfare serve`, from configuration to exit code.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use fanfare_log::{Archive, Desired, FeedSink, MinLives, Publisher};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::admin::Admin;
use crate::config::{self, Config, Layered, Sources};
use crate::descriptors::Descriptors;
use crate::http;
use crate::logging::LogControl;
use crate::node::{Node, Store};
use crate::process::Process;
use crate::reload;
use crate::signal_thread::{Order, SignalThread};

/// Runs a node until a signal has ended it. The calling thread serves the admin listener; it does nothing for clients, so
/// that probes are answered however busy those are. Signals have a [thread](SignalThread) of their own.
///
/// # Errors
/// Whatever keeps the node from starting, and an ingest that ended by itself.
pub fn serve<A: Archive, P: Publisher>(
    layered: Layered,
    sources: &Sources,
    log: &LogControl,
    make_store: impl FnOnce(&Config, Desired, FeedSink, MinLives) -> anyhow::Result<Store<A, P>>,
) -> anyhow::Result<ExitCode> {
    let mut signals = SignalThread::start(log.pipe().clone())?;
    let process = Process { log: log.pipe().clone(), descriptors: Descriptors::raise() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
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
        let mut node =
            Node::start(&config, &process, |desired, sink, lives| make_store(&config, desired, sink, lives))?;
        signals.watch_over(node.server().drainer(), config.drain.clone());
        info!(%address, "listening for operators");

        let admin = Arc::new(Admin::new(Arc::clone(node.view()))?);
        let (stop_admin, stopped) = oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let admin = tokio::spawn(http::serve(listener, admin, async { drop(stopped.await) }));

        let code = loop {
            let order = tokio::select! {
                stopped = node.stopped() => break stopped.map(|()| ExitCode::SUCCESS),
                order = signals.next() => order,
            };
            match order {
                Order::Reload => {
                    // Also where the configuration has a mistake: who renews certificates does not know of it.
                    node.reread_certificates();
                    reload(&mut config, sources, log);
                }
                Order::End(code) => break Ok(ExitCode::from(code)),
            }
        };
        signals.shutting_down();
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
