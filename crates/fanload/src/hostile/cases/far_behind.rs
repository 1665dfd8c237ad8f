//! One reader that is hundreds of megabytes behind, and reads as fast as it can.
//!
//! Small events come first, from which a node may conclude that many fit into a page. The budget of tails is small: a node
//! may fill it with pages, and growth beyond it is what the case is about.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::case::Case;
use super::super::console::Console;
use super::super::figure::{Bound, Figure};
use super::super::scene::Scene;
use super::super::stream::{Asked, Stream};

pub(super) const CASE: Case = Case {
    name: "far-behind",
    title: "one reader is 2,000 events of 200 B and 900 (quick: 300) of 1 MB behind and reads fast; tail.budget is 16 MiB",
    settings: &[("TAIL__BUDGET", "16MiB")],
    link: None,
    tls: false,
    run,
};

const CHANNEL: &str = "fanload-far-behind";
/// The small events, and the bytes of one.
const SMALL: (usize, usize) = (2_000, 200);
/// Bytes of a large event's data.
const BYTES: usize = 1_000_000;
/// How long the reader may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let events = ground.size.pick(900, 300);
    let mut console = Console::connect(ground.redis)?;
    let position = console.publish(CHANNEL, b"the reader has this one")?;
    console.publish_many(CHANNEL, &[b's'; SMALL.1], SMALL.0, 100)?;
    console.publish_many(CHANNEL, &vec![b'x'; BYTES], events, 8)?;

    let calm = scene.undisturbed()?;
    let asked = Asked { position: Some(position), ..Asked::plain(ground.node, format!("channel={CHANNEL}")) };
    let all = SMALL.0 + events;
    let (attacked, (read, seconds)) = scene.attacked(|| {
        let begun = Instant::now();
        let mut stream = Stream::open(&asked, PATIENCE)?;
        let mut read = 0;
        while read < all && stream.find(begun + PATIENCE, |block| block.is_event())?.is_some() {
            read += 1;
            ground.stage.check()?;
        }
        Ok((read, begun.elapsed().as_secs_f64()))
    })?;
    let ratio = attacked.latency_ms(0.99) / calm.latency_ms(0.99);
    Ok(vec![
        Figure::bound("growth of memory", attacked.growth_mb(), "MB", Bound::Most(64.0)),
        Figure::bound("p99 of others / undisturbed", ratio, "×", Bound::Most(3.0)),
        Figure::shown("longest of others", attacked.latency_ms(1.0), "ms"),
        Figure::bound("events read by the reader / all", read as f64 / all as f64, "", Bound::Least(1.0)),
        Figure::shown("sent by Redis / stored", attacked.redis_sent as f64 / (events * BYTES) as f64, "×"),
        Figure::shown("read by the reader", (read.saturating_sub(SMALL.0) * BYTES) as f64 / 1e6 / seconds, "MB/s"),
    ])
}
