//! What tails cost on a node with many cores, against what the node says.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::super::audience::{Audience, Shape};
use super::super::case::Case;
use super::super::figure::{Bound, Figure};
use super::super::scene::Scene;
use crate::admin;
use crate::reading::Reading;

pub(super) const CASE: Case = Case {
    name: "tails",
    title: "tails of 20 (quick: 5) channels with 4,000 small events each, read on 16 cores",
    settings: &[("SERVER__CORES", "16")],
    link: None,
    tls: false,
    run,
};

/// Events of each channel: nearly as many as a tail holds.
const EVENTS: u64 = 4_000;
/// Enough that every core has some.
const CONNECTIONS: usize = 64;
/// The node's time to write the last ones.
const SETTLE: Duration = Duration::from_secs(1);

fn run(scene: &mut Scene) -> Result<Vec<Figure>> {
    let ground = scene.ground.clone();
    let channels = ground.size.pick(20, 5);
    let shape = Shape { connections: CONNECTIONS, channels, channels_per_connection: channels, bytes: 100 };
    let mut readers = Audience::gather(&ground.stage, "tails", &scene.target, shape)?;
    scene.undisturbed()?;
    let said = || admin::sum(&[ground.admin], "fanfare_tail_bytes")?.context("no node to ask");
    let (said_before, rss_before) = (said()?, Reading::take(&[ground.pid])?.rss);
    let (_, (said_after, rss_after)) = scene.attacked(|| {
        for _ in 0..EVENTS / 100 {
            for _ in 0..100 {
                readers.voice.round()?;
            }
            if !readers.round()? {
                bail!("a reader of the tails got no event any more");
            }
        }
        ground.stage.rest(SETTLE)?;
        Ok((said()?, Reading::take(&[ground.pid])?.rss))
    })?;
    let growth = rss_after.saturating_sub(rss_before) as f64;
    let said = said_after - said_before;
    Ok(vec![
        Figure::bound("growth of memory / what the node says", growth / said, "×", Bound::Most(1.25)),
        Figure::shown("growth of memory", growth / 1e6, "MB"),
        Figure::shown("tails, as the node says", said / 1e6, "MB"),
    ])
}
