//! A client of HTTP/2 that opens streams and never grants window.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::super::case::Case;
use super::super::console::Console;
use super::super::figure::{Bound, Figure};
use super::super::http2::{Http2, INITIAL_WINDOW, get};
use super::super::scene::Scene;
use crate::admin;

pub(super) const CASE: Case = Case {
    name: "no-window",
    title: "a client of HTTP/2 that takes 1,000 bytes on each of 100 streams and grants no window then, while 500 (quick: 200) \
            events of 10 KB come for each",
    settings: &[],
    link: None,
    tls: false,
    run,
};

const STREAMS: u32 = 100;
const CHANNEL: &str = "fanload-no-window";
const BYTES: usize = 10_000;
/// What each stream may be sent: its beginning, so that what waits is more than that.
const WINDOW: u32 = 1_000;
/// Between two looks at the node.
const LOOK: Duration = Duration::from_millis(100);
/// Between two events.
const PAUSE: Duration = Duration::from_millis(10);
/// How long the node may take to open all streams.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of all slices: what each stream may hold.
const SLICES: f64 = STREAMS as f64 * 16_384.0;

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let events = ground.size.pick(500, 200);
    let node = [ground.admin];
    let gauge = |name| admin::sum(&node, name).map(Option::unwrap_or_default);
    let calm = scene.undisturbed()?;
    let (attacked, unsent) = scene.attacked(|| {
        let before = gauge("fanfare_http2_streams_total")?;
        let mut connection = Http2::connect(ground.node, Ipv4Addr::LOCALHOST, &[(INITIAL_WINDOW, WINDOW)])?;
        let path = format!("/events?channel={CHANNEL}");
        let asked: Vec<u8> = (0..STREAMS).flat_map(|number| get(2 * number + 1, &path)).collect();
        if !connection.send(&asked) {
            bail!("the node takes no streams");
        }
        let asked = Instant::now();
        while gauge("fanfare_http2_streams_total")? < before + f64::from(STREAMS) {
            ensure!(asked.elapsed() < PATIENCE, "the node does not open the streams");
            ground.stage.rest(LOOK)?;
        }
        let mut console = Console::connect(ground.redis)?;
        let data = vec![b'x'; BYTES];
        let mut most = 0.0_f64;
        for number in 0..events {
            console.publish(CHANNEL, &data).context("no event")?;
            ground.stage.rest(PAUSE)?;
            // Asking costs the node something as well.
            if number % 20 == 0 {
                most = most.max(gauge("fanfare_http2_unsent_bytes")?);
            }
        }
        connection.take_what_came();
        Ok(most)
    })?;
    Ok(vec![
        Figure::bound("held for the streams, at most / their slices", unsent / SLICES, "", Bound::Most(1.0)),
        Figure::bound("p99 of others", attacked.latency_ms(0.99), "ms", Bound::Most(50.0))
            .beside(calm.latency_ms(0.99)),
        Figure::bound("growth of memory", attacked.growth_mb(), "MB", Bound::Most(16.0)),
        Figure::shown("CPU of the node", attacked.node_cpu_percent(), "%").beside(calm.node_cpu_percent()),
        Figure::shown("held for the streams, at most", unsent / 1e6, "MB"),
    ])
}
