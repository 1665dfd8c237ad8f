//! Ephemeral events on one channel: at the rate of the target, and as fast as connections in a pipeline take them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::super::case::Case;
use super::super::console::Console;
use super::super::figure::{Bound, Figure};
use super::super::scene::Scene;
use super::super::stream::{Asked, Stream};
use crate::admin;

pub(super) const CASE: Case = Case {
    name: "flood",
    title: "480,000 ephemeral events a second on one channel, or as many as four connections can publish",
    settings: &[],
    link: None,
    tls: false,
    run: |scene| flood(scene, RATE),
};

pub(super) const FASTEST: Case = Case {
    name: "flood-fastest",
    title: "ephemeral events on one channel as fast as four connections can publish them",
    settings: &[],
    link: None,
    tls: false,
    run: |scene| flood(scene, f64::INFINITY),
};

/// Events a second, all connections together.
const RATE: f64 = 480_000.0;

const CHANNEL: &str = "fanload-flood";
const PUBLISHERS: usize = 4;
/// Events of one connection that wait for their replies.
const BATCH: usize = 500;
const BYTES: usize = 100;
/// How long the reader may take to be primed.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the reader waits for bytes before it looks whether to end.
const LOOK: Duration = Duration::from_millis(100);
/// Messages of the feed by kind. What the node has shed is a kind of its own.
const FEED_EVENTS: &str = "fanfare_feed_events_total";

fn flood(scene: &mut Scene, rate: f64) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let asked = Asked::plain(ground.node, format!("channel={CHANNEL}"));
    let mut stream = Stream::open(&asked, PATIENCE)?;
    stream.find(Instant::now() + PATIENCE, |block| block.id.is_some())?.context("the reader was not primed")?;
    let calm = scene.undisturbed()?;
    let node = [ground.admin];
    let (brought, shed) =
        (admin::labelled(&node, FEED_EVENTS, "ephemeral")?, admin::labelled(&node, FEED_EVENTS, "shed")?);
    let (attacked, (published, seconds, received)) = scene.attacked(|| {
        let (begun, done) = (Instant::now(), AtomicBool::new(false));
        let (published, received) = std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..PUBLISHERS)
                .map(|_| scope.spawn(|| publish(ground.redis, rate / PUBLISHERS as f64, &done)))
                .collect();
            let reader = scope.spawn(|| read(&mut stream, &done));
            let rested = ground.stage.rest(ground.size.span());
            done.store(true, Ordering::Relaxed);
            let joined =
                publishers.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a publisher panicked"))?);
            let published = joined.sum::<Result<u64>>()?;
            rested?;
            Ok::<_, anyhow::Error>((published, reader.join().map_err(|_| anyhow!("the reader panicked"))?))
        })?;
        Ok((published, begun.elapsed().as_secs_f64(), received))
    })?;
    let brought = admin::labelled(&node, FEED_EVENTS, "ephemeral")? - brought;
    let shed = admin::labelled(&node, FEED_EVENTS, "shed")? - shed;
    let accounted = (brought + shed) / published as f64;
    Ok(vec![
        Figure::shown("published a second", published as f64 / seconds, ""),
        Figure::bound("cuts of the feed", attacked.feed_cuts, "", Bound::Most(0.0)),
        Figure::bound("p99 of others", attacked.latency_ms(0.99), "ms", Bound::Most(50.0))
            .beside(calm.latency_ms(0.99)),
        Figure::bound("brought or counted as shed / published", accounted, "", Bound::Least(0.99)),
        Figure::shown("received by the reader / published", received as f64 / published as f64, ""),
    ])
}

/// Publishes at most `rate` events a second until `done`; says how many.
fn publish(redis: SocketAddr, rate: f64, done: &AtomicBool) -> Result<u64> {
    let begun = Instant::now();
    let mut console = Console::connect(redis)?;
    let (key, data, mut published) = (format!("sse:{CHANNEL}"), [b'x'; BYTES], 0);
    while !done.load(Ordering::Relaxed) {
        for _ in 0..BATCH {
            console.put(&[b"PUBLISH", key.as_bytes(), &data]);
        }
        console.settle()?;
        published += BATCH as u64;
        let due = Duration::from_secs_f64(published as f64 / rate);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    Ok(published)
}

/// Events that come until `done`, or until the node ends the stream.
fn read(stream: &mut Stream, done: &AtomicBool) -> u64 {
    let mut received = 0;
    while !done.load(Ordering::Relaxed) {
        match stream.find(Instant::now() + LOOK, |block| block.is_event()) {
            Ok(found) => received += u64::from(found.is_some()),
            Err(_) => break,
        }
    }
    received
}
