//! The demonstration: the host's own figures, published as they are measured, and a page that plots them and can be cut
//! off from one node to be seen resuming on another.

mod dev;
pub mod host;
pub mod page;
pub mod publisher;
mod show;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use fanfare_log::{Desired, feed};
use fanfare_protocol::limits;

pub use dev::{DevOptions, dev};
use page::Page;
use show::{ended, show};

use crate::config::Config;
use crate::http;
use crate::node;
use crate::output::tell;
use crate::signals::Signals;

/// What the demonstration is told on the command line.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where the page is served.
    pub listen: SocketAddr,
    /// Base URLs of the nodes that the page connects to: one or two.
    pub nodes: Vec<String>,
}

/// Publishes to Redis and serves the page, for nodes that run elsewhere. Ends with a signal.
///
/// # Errors
/// The page's address cannot be listened on, or Redis refuses for good.
pub fn demo(options: &DemoOptions, config: &Config) -> anyhow::Result<ExitCode> {
    ensure!((1..=2).contains(&options.nodes.len()), "--nodes: expected one or two URLs");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new().context("signal handlers")?;
        let listener = http::bind(options.listen, "--listen")?;
        tell(format_args!("page  http://{}/", listener.local_addr()?));
        let page = Page::new(&options.nodes, "Redis")?;
        // Nothing is followed here: what the feed has to say is taken and forgotten.
        let (sink, mut source) = feed(limits::FEED_QUEUE_BYTES_MAX);
        let store = node::redis(config, Desired::new(), sink, config.min_lives())?;
        tokio::select! {
            shown = show(listener, page, store.publisher, ended(&mut signals)) => shown?,
            () = async { loop { source.recv().await; } } => {}
            () = store.feed => {}
            () = store.upkeep => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}
