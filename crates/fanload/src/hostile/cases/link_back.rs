//! The link to Redis comes back, and what was missed is more than it carries in many seconds.
//!
//! Small events were read from the Stream before, from which a node may conclude that many fit into a page.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::super::case::Case;
use super::super::console::Console;
use super::super::figure::{Bound, Figure};
use super::super::scene::{Ground, Scene};
use super::super::stream::{Asked, Stream};
use crate::stage::Stage;

pub(super) const CASE: Case = Case {
    name: "link-back",
    title: "after 3,000 events of 200 B the link to Redis (40 MB/s) is lost for 9 s (quick: 3 s), and 400 (quick: 100) of 1 MB are stored",
    settings: &[],
    link: Some(LINK),
    tls: false,
    run,
};

const CHANNEL: &str = "fanload-link-back";
/// Bytes a second of the link.
const LINK: f64 = 40e6;
/// Events before, and the bytes of one.
const SMALL: (usize, usize) = (3_000, 200);
/// Bytes of an event that is missed.
const LARGE: usize = 1_000_000;
/// How long the small events may take.
const BEFORE: Duration = Duration::from_secs(30);
/// How long the client waits for what it missed.
const PATIENCE: Duration = Duration::from_secs(45);

/// What came after the link was back.
#[derive(Debug, Default)]
struct Caught {
    /// Seconds until the first missed event.
    first: Option<f64>,
    /// Seconds until the last one.
    last: Option<f64>,
    events: usize,
    gaps: usize,
    bytes: usize,
}

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let link = scene.link.take().context("no link")?;
    let away = ground.size.pick(Duration::from_secs(9), Duration::from_secs(3));
    let large = ground.size.pick(400, 100);
    let mut console = Console::connect(ground.redis)?;
    let mut stream = read_small_ones(&ground, &mut console)?;

    scene.undisturbed()?;
    let (attacked, caught) = scene.attacked(|| {
        let lost = Instant::now();
        link.lose();
        console.publish_many(CHANNEL, &vec![b'x'; LARGE], large, 8)?;
        console.publish(CHANNEL, b"the last one")?;
        ground.stage.rest(away.saturating_sub(lost.elapsed()))?;
        link.restore();
        catch_up(&mut stream, large + 1, &ground.stage)
    })?;
    // The node keeps it for as long as it runs.
    scene.link = Some(link);
    let rate = caught.first.zip(caught.last).map_or(f64::NAN, |(first, last)| {
        // The first event was on its way before it came.
        (caught.bytes - LARGE) as f64 / (last - first) / LINK
    });
    let all = (large + 1) as f64;
    Ok(vec![
        Figure::bound("first missed event", caught.first.unwrap_or(PATIENCE.as_secs_f64()), "s", Bound::Most(3.0)),
        Figure::bound(
            "rate of catching up / link",
            if caught.last.is_some() { rate } else { 0.0 },
            "",
            Bound::Least(0.8),
        ),
        Figure::bound("missed events that came / all", caught.events as f64 / all, "", Bound::Least(1.0)),
        Figure::bound("$gap", caught.gaps as f64, "", Bound::Most(0.0)),
        Figure::shown("sent by Redis / stored", attacked.redis_sent as f64 / (large * LARGE) as f64, "×"),
        Figure::shown("caught up after", caught.last.unwrap_or(f64::NAN), "s"),
        Figure::shown("growth of memory", attacked.growth_mb(), "MB"),
    ])
}

/// A client that has read small events from the Stream, and goes on.
fn read_small_ones(ground: &Ground, console: &mut Console) -> Result<Stream> {
    let position = Some(console.publish(CHANNEL, b"the client has this one")?);
    console.publish_many(CHANNEL, &[b's'; SMALL.1], SMALL.0, 100)?;
    let asked = Asked { position, ..Asked::plain(ground.node, format!("channel={CHANNEL}")) };
    let mut stream = Stream::open(&asked, BEFORE)?;
    let deadline = Instant::now() + BEFORE;
    for number in 0..SMALL.0 {
        if stream.find(deadline, |block| block.is_event())?.is_none() {
            bail!("{number} of {} events came before the link was lost", SMALL.0);
        }
    }
    Ok(stream)
}

/// Reads until `wanted` events have come, or the patience is over.
fn catch_up(stream: &mut Stream, wanted: usize, stage: &Stage) -> Result<Caught> {
    let (begun, mut caught) = (Instant::now(), Caught::default());
    while caught.events < wanted {
        stage.check()?;
        let Some(block) = stream.find(begun + PATIENCE, |block| block.is_event() || block.is_gap())? else { break };
        if block.is_gap() {
            caught.gaps += 1;
            continue;
        }
        let now = begun.elapsed().as_secs_f64();
        caught.first.get_or_insert(now);
        caught.events += 1;
        caught.bytes += block.bytes.unwrap_or(0);
        if caught.events == wanted {
            caught.last = Some(now);
        }
    }
    Ok(caught)
}
