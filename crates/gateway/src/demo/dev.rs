//! `fanfare dev`: two nodes over one in-process store, the publisher and the page, in one process and without Redis.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use fanfare_log::memory::MemoryStore;
use fanfare_server::ListenAddress;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use super::page::Page;
use super::show::{ended, show};
use crate::admin::Admin;
use crate::config::{Config, CorsOrigin};
use crate::http;
use crate::node::{Node, memory};
use crate::output::tell;
use crate::process::Process;
use crate::signals::Signals;

/// Where everything listens. Port 0 picks a free port.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// The page.
    pub listen: SocketAddr,
    /// The nodes: one or two.
    pub nodes: Vec<SocketAddr>,
    /// Their admin listeners, in the same order.
    pub admin: Vec<SocketAddr>,
}

/// Runs until a signal.
///
/// # Errors
/// An address cannot be listened on.
pub fn dev(options: &DevOptions, config: &Config, process: &Process) -> anyhow::Result<ExitCode> {
    ensure!((1..=2).contains(&options.nodes.len()), "--nodes: expected one or two addresses");
    ensure!(options.admin.len() == options.nodes.len(), "--admin: expected as many addresses as there are nodes");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(options, config, process))
}

async fn run(options: &DevOptions, config: &Config, process: &Process) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("signal handlers")?;
    let listener = http::bind(options.listen, "--listen")?;
    let page = listener.local_addr()?;
    tell(format_args!("page    http://{page}/"));

    let store = MemoryStore::default();
    let (stop, stopped) = watch::channel(());
    let mut nodes = Vec::new();
    let mut admins = JoinSet::new();
    for (number, (listen, admin)) in (1..).zip(options.nodes.iter().zip(&options.admin)) {
        let mut config = config.clone();
        config.server.listen = ListenAddress::Tcp(*listen);
        config.server.cors_origins = origins(page).into_iter().map(CorsOrigin).collect();
        // Two nodes share this machine with a browser.
        config.server.cores = config.server.cores.max(1);
        let admin = http::bind(*admin, "--admin")?;
        let node = Node::start(&config, process, |desired, sink, _| Ok(memory(&store, desired, sink)))?;
        let (clients, operators) = (clients(&node)?, admin.local_addr()?);
        tell(format_args!("node {number}  http://{clients}/  status http://{operators}/status"));
        let handler = Arc::new(Admin::new(Arc::clone(node.view()))?);
        let mut stopped = stopped.clone();
        admins.spawn(http::serve(admin, handler, async move { drop(stopped.changed().await) }));
        nodes.push(node);
    }
    let urls = nodes.iter().map(|node| Ok(format!("http://{}", clients(node)?))).collect::<anyhow::Result<Vec<_>>>()?;
    tell(format_args!("try     curl -N '{}/events?channel=host.cpu&last=3'", urls[0]));

    show(listener, Page::new(&urls, "Memory")?, store, ended(&mut signals)).await?;
    info!("ending");
    // Nobody else can take the clients over: there is nothing to drain for.
    nodes.into_iter().for_each(Node::shut_down);
    drop(stop);
    while admins.join_next().await.is_some() {}
    Ok(ExitCode::SUCCESS)
}

/// Where a node serves clients.
fn clients(node: &Node) -> anyhow::Result<SocketAddr> {
    node.server().tcp_address().context("a node without a port")
}

/// The origins that a page at this address can have in a browser.
fn origins(page: SocketAddr) -> Vec<String> {
    let mut origins = vec![format!("http://{page}")];
    if page.ip().is_loopback() {
        origins.push(format!("http://localhost:{}", page.port()));
    }
    origins
}
