//! Requests of the newest events of many channels that the node does not hold.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::super::case::Case;
use super::super::console::Console;
use super::super::figure::{Bound, Figure};
use super::super::scene::{Ground, Scene};
use super::super::stream::{self, Asked};

pub(super) const CASE: Case = Case {
    name: "last",
    title: "ten requests a second of the newest 1,000 events of 64 channels, other channels each time",
    settings: &[],
    link: None,
    tls: false,
    run,
};

const CHANNELS: usize = 64;
const EVENTS: usize = 1_000;
const BYTES: usize = 160;
/// Between two requests.
const EVERY: Duration = Duration::from_millis(100);
/// How long the streams are kept after the last request.
const KEPT: Duration = Duration::from_secs(2);
/// The channel that all others are copies of.
const FIRST: &str = "fanload-last";
/// Copies that wait for their replies.
const BATCH: usize = 64;
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;
/// `archive.bytes_per_second`, whose default is 64 MiB, and what Redis adds to entries on the wire, in MB.
const OUTPUT: f64 = 67.1 * 1.2;

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let requests = ground.size.span().div_duration_f64(EVERY) as usize;
    store(&ground, requests)?;
    let calm = scene.undisturbed()?;
    let (attacked, received) = scene.attacked(|| attack(&ground, requests))?;
    let primed = received.iter().filter(|&&bytes| bytes > BYTES * EVENTS).count();
    let received = received.iter().sum::<usize>() as f64 / 1e6;
    Ok(vec![
        Figure::bound("sent by Redis", attacked.redis_mb_per_second(), "MB/s", Bound::Most(OUTPUT))
            .beside(calm.redis_mb_per_second()),
        Figure::bound("p50 of others", attacked.latency_ms(0.5), "ms", Bound::Most(3.0)).beside(calm.latency_ms(0.5)),
        Figure::shown("requests", requests as f64, ""),
        Figure::shown("requests that got a channel's events", primed as f64, ""),
        Figure::shown("received by the attacker", received / attacked.seconds, "MB/s"),
    ])
}

fn name(request: usize, channel: usize) -> String {
    format!("{FIRST}-{request}-{channel}")
}

/// Fills one stream and copies it to all channels.
fn store(ground: &Ground, requests: usize) -> Result<()> {
    let mut console = Console::connect(ground.redis)?;
    console.publish_many(FIRST, &[b'x'; BYTES], EVENTS, 500)?;
    let first = format!("sse:{FIRST}");
    for request in 0..requests {
        for channel in 0..CHANNELS {
            let copy = format!("sse:{}", name(request, channel));
            console.put(&[b"COPY", first.as_bytes(), copy.as_bytes()]);
            if channel % BATCH == BATCH - 1 {
                console.settle()?;
            }
        }
        ground.stage.check()?;
    }
    console.settle().map(drop)
}

/// How many bytes each request got.
fn attack(ground: &Ground, requests: usize) -> Result<Vec<usize>> {
    let begun = Instant::now();
    let end = begun + EVERY * requests as u32 + KEPT;
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(requests);
        for number in 0..requests {
            ground.stage.rest((EVERY * number as u32).saturating_sub(begun.elapsed()))?;
            let names = (0..CHANNELS).map(|channel| format!("channel={}", name(number, channel)));
            let query = format!("{}&last={EVENTS}", names.collect::<Vec<_>>().join("&"));
            let asked = Asked::plain(ground.node, query);
            threads.push(scope.spawn(move || read(&asked, end)));
        }
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("an attacker panicked"))).collect()
    })
}

/// Reads all that comes until the end, and looks at nothing: that is cheap for the attacker.
fn read(asked: &Asked, end: Instant) -> usize {
    let (mut received, mut piece) = (0, vec![0; PIECE]);
    let Ok(mut socket) = stream::request(asked, KEPT) else { return 0 };
    while let Ok(Some(count)) = stream::read_until(&mut socket, &mut piece, end)
        && count > 0
    {
        received += count;
    }
    received
}
