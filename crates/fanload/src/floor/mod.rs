//! The floor: the least that any server can do for the same work.
//!
//! A bare readiness loop on one thread. It answers a subscription with the head that Fanfare sends, and writes each event, in
//! the bytes that Fanfare writes, to every listener of its channel: one `write` for each event and connection, straight
//! from one shared buffer. What was missed before a reconnect leaves together with the head, in one `write`. There is no
//! Redis, no heartbeat, no limit on a client, no proof of anything. What a server costs above this is what its features
//! cost; what it costs below this it owes to writing several events at once.
//!
//! With `--tls`, each event is protected for each connection by rustls' buffered connection, and written: the least that
//! a server with TLS in its own process can do. With `--http2`, many subscribers share a connection: each event is handed to
//! the HTTP/2 library stream by stream, and each connection then written once.
//!
//! Channels are numbers (the digits at the end of a `channel` parameter); events arrive as frames of the [feed].

mod audience;
mod channel;
mod feed;
mod feeds;
mod frame;
mod gone;
mod id;
mod listen;
mod request;
mod server;
mod session;
mod socket_outlet;
mod stream_outlet;
mod subscriber;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::transport::identity::Identity;

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
    /// Speak TLS, with a new certificate for 127.0.0.1 and localhost unless --cert names one
    #[arg(long)]
    pub tls: bool,
    /// The certificate, PEM, with what leads to its authority behind it
    #[arg(long, value_name = "FILE", requires_all = ["tls", "key"])]
    pub cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Speak HTTP/2 instead of HTTP/1.1: in cleartext with prior knowledge, over TLS by ALPN
    #[arg(long)]
    pub http2: bool,
}

impl Arguments {
    fn speech(&self) -> Result<server::Speech> {
        let files = self.cert.as_deref().zip(self.key.as_deref());
        let tls = self.tls.then(|| Identity::new(files, self.http2)).transpose()?;
        Ok(server::Speech { tls, http2: self.http2 })
    }
}

/// Serves until the process ends. When both addresses listen, one line on standard output names them (see
/// [`ready_addresses`]).
///
/// # Errors
/// When an address cannot be bound, certificate or key cannot be used, or the readiness loop fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut server = server::Server::bind(arguments.listen, arguments.feed, arguments.speech()?)?;
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
