//! The floor: the least that any server can do for the same work.
//!
//! A bare readiness loop on one thread. It answers a subscription with the head that Fanfare sends, and writes each event, in
//! the bytes that Fanfare writes, to every listener of its channel: one `write` for each event and connection, straight
//! from one shared buffer. What was missed before a reconnect leaves together with the head, in one `write`. There is no
//! Redis, no heartbeat, no limit on a client, no proof of anything. What a server costs above this is what its features
//! cost; what it costs below this it owes to writing several events at once.
//!
//! Channels are numbers (the digits at the end of a `channel` parameter); events arrive as frames of the [feed].

mod channel;
mod feed;
mod feeds;
mod frame;
mod id;
mod listen;
mod request;
mod server;
mod subscriber;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};

/// What stands before the two addresses in the line that says that the floor serves.
const READY: (&str, &str) = ("floor: events on ", ", feed on ");

/// The command line of `fanload floor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Where subscribers connect; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where publishers connect; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub feed: SocketAddr,
}

/// Serves until the process ends. When both addresses listen, one line on standard output names them (see
/// [`ready_addresses`]).
///
/// # Errors
/// When an address cannot be bound, or the readiness loop fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut server = server::Server::bind(arguments.listen, arguments.feed)?;
    let (listen, feed) = server.addresses()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}{listen}{}{feed}", READY.0, READY.1)
        .and_then(|()| out.flush())
        .context("cannot say where it listens")?;
    server.run()
}

/// The addresses of events and feed in what a floor has written so far; `None` before it serves.
pub fn ready_addresses(output: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (line, _) = output.split_once('\n')?;
    let (listen, feed) = line.strip_prefix(READY.0)?.split_once(READY.1)?;
    Some((listen.parse().ok()?, feed.parse().ok()?))
}
