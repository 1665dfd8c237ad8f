//! Handshakes of TLS that begin and do not go on.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::super::case::Case;
use super::super::figure::{Bound, Figure};
use super::super::scene::{Ground, Scene};
use super::super::socket;
use crate::admin;
use crate::reading::Reading;

pub(super) const CASE: Case = Case {
    name: "handshakes",
    title: "10,000 (quick: 3,000) half-open TLS handshakes from four addresses: half of them stop within their first \
            message, half after it; the others speak TLS too",
    settings: &[("LIMITS__HEAD_TIMEOUT", "5m")],
    link: None,
    tls: true,
    run,
};

/// Addresses they come from.
const ADDRESSES: usize = 4;
/// How long a connect may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The node's time to answer the last ones.
const SETTLE: Duration = Duration::from_secs(2);

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let total = ground.size.pick(10_000, 3_000);
    let calm = scene.undisturbed()?;
    let refused = || admin::labelled(&[ground.admin], "fanfare_refusals_total", "silent");
    let refused_before = refused()?;
    let (attacked, (bytes, held)) = scene.attacked(|| {
        let before = Reading::take(&[ground.pid])?.rss;
        let sockets = open(&ground, total)?;
        ground.stage.rest(SETTLE)?;
        let held = socket::count_open(&sockets);
        let grown = Reading::take(&[ground.pid])?.rss.saturating_sub(before);
        Ok((grown as f64 / held.max(1) as f64, held))
    })?;
    let (opened, calm_opened) = (&attacked.openings, &calm.openings);
    Ok(vec![
        Figure::bound("memory of a half-open handshake", bytes, "bytes", Bound::Most(16_384.0)),
        Figure::bound("others open a channel with readers", opened.known.primed_ms(), "ms", Bound::Most(100.0))
            .beside(calm_opened.known.primed_ms()),
        Figure::bound("p99 of others", attacked.latency_ms(0.99), "ms", Bound::Most(50.0))
            .beside(calm.latency_ms(0.99)),
        Figure::shown("CPU of the node", attacked.node_cpu_percent(), "%").beside(calm.node_cpu_percent()),
        Figure::shown("handshakes still open / all", held as f64 / total as f64, ""),
        Figure::shown("refused as silent", refused()? - refused_before, ""),
    ])
}

/// Begins so many handshakes.
fn open(ground: &Ground, total: usize) -> Result<Vec<TcpStream>> {
    let mut hello = Vec::new();
    let mut session = ground.tls.as_ref().context("a node without TLS")?.session()?;
    session.write_tls(&mut hello)?;
    let mut sockets = Vec::with_capacity(total);
    for number in 0..total {
        let from = Ipv4Addr::new(127, 0, 8, 1 + (number % ADDRESSES) as u8);
        let mut socket = socket::connect(ground.node, from, PATIENCE)?;
        // In turns for each address.
        let said = if (number / ADDRESSES).is_multiple_of(2) { &hello[..hello.len() / 2] } else { &hello[..] };
        socket.write_all(said).context("the node takes no handshake")?;
        sockets.push(socket);
        ground.stage.check()?;
    }
    Ok(sockets)
}
