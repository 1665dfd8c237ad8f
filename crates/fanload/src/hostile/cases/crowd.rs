//! One event to a crowd, and a moment later one to a single reader on the same core.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::super::audience::{Audience, Shape};
use super::super::case::Case;
use super::super::console::Console;
use super::super::figure::{Bound, Figure};
use super::super::scene::Scene;
use super::super::stream::{Asked, Stream};
use crate::statistic::Statistic;

pub(super) const CASE: Case = Case {
    name: "crowd",
    title: "one event to 8,000 (quick: 2,000) readers, and 5 ms later one to a single reader on the same core",
    settings: &[("SERVER__CORES", "1")],
    link: None,
    tls: false,
    run,
};

const CHANNEL: &str = "fanload-single";
/// Between the event to the crowd and that to the single reader.
const LATER: Duration = Duration::from_millis(5);
/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(100);

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let rounds = ground.size.pick(20, 5);
    let shape =
        Shape { connections: ground.size.pick(8_000, 2_000), channels: 1, channels_per_connection: 1, bytes: 200 };
    let mut crowd = Audience::gather(&ground.stage, "crowd", &scene.target, shape)?;
    let asked = Asked::plain(ground.node, format!("channel={CHANNEL}"));
    let mut single = Stream::open(&asked, PATIENCE)?;
    single.find(Instant::now() + PATIENCE, |block| block.id.is_some())?.context("the single reader was not primed")?;
    let mut console = Console::connect(ground.redis)?;
    scene.undisturbed()?;

    let alone = (0..rounds).map(|_| {
        ground.stage.rest(PAUSE)?;
        wait(&mut console, &mut single)
    });
    let alone = alone.collect::<Result<Vec<_>>>()?;
    let (attacked, waits) = scene.attacked(|| {
        let waits = (0..rounds).map(|_| {
            ground.stage.rest(PAUSE)?;
            let number = crowd.voice.round()?;
            std::thread::sleep(LATER);
            let wait = wait(&mut console, &mut single)?;
            crowd.fleet.watch(number, true)?;
            crowd.fleet.reached(number, PATIENCE)?;
            Ok(wait)
        });
        waits.collect::<Result<Vec<_>>>()
    })?;
    let of = |values: Vec<f64>| Statistic::of(values).context("no rounds");
    let (alone, behind) = (of(alone)?, of(waits)?);
    Ok(vec![
        Figure::bound("wait of a single reader", behind.median, "ms", Bound::Most(10.0)).beside(alone.median),
        Figure::shown("longest wait of a single reader", behind.max, "ms"),
        Figure::shown("p99 of others", attacked.latency_ms(0.99), "ms"),
    ])
}

/// Publishes an event for the single reader; milliseconds until it has come.
fn wait(console: &mut Console, single: &mut Stream) -> Result<f64> {
    let begun = Instant::now();
    console.publish(CHANNEL, b"for one")?;
    single.find(begun + PATIENCE, |block| block.is_event())?.context("the single reader got nothing")?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}
