//! One run of a case.

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::case::Case;
use super::figure::Figure;
use super::link::Link;
use super::observation::Observation;
use super::scene::Scene;
use super::size::Size;
use crate::contender::{Fanfare, Place, Wire};
use crate::cores::Cores;
use crate::disturbances::Disturbances;
use crate::integrity::Integrity;
use crate::stage::Stage;

/// What one run of a case has shown.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    /// `None` in cases that compare something else.
    pub(super) undisturbed: Option<Observation>,
    pub(super) attacked: Option<Observation>,
    pub(super) figures: Vec<Figure>,
    /// What the other clients got.
    pub(super) integrity: Integrity,
    /// What happened to their connections.
    pub(super) disturbances: Disturbances,
}

/// Runs a case once, with a fresh node and a fresh Redis; returns also what the node says it is.
///
/// # Errors
/// When a server cannot be started, or something of the measuring fails.
pub(super) fn once(
    case: &Case,
    fanfare: &Fanfare,
    cores: Option<Cores>,
    size: Size,
    stage: &Stage,
) -> Result<(String, Run)> {
    let directory = tempfile::Builder::new().prefix("fanload-").tempdir().context("no temporary directory")?;
    let place = Place {
        server_core: cores.map(|cores| cores.server),
        helper_core: cores.map(|cores| cores.others),
        directory: directory.path().to_owned(),
        settings: case.settings,
        wire: Wire { tls: case.tls, http2: false },
    };
    let mut link = None;
    let running = fanfare.start_through(&place, |redis| match case.link {
        None => Ok(redis),
        Some(rate) => Ok(link.insert(Link::to(redis, rate)?).address()),
    })?;
    let description = running.description.clone();
    let mut scene = Scene::open(running, link, size, stage)?;
    let figures = (case.run)(&mut scene)?;
    let total = scene.verdict()?;
    let Scene { undisturbed, attacked, .. } = scene;
    let run = Run { undisturbed, attacked, figures, integrity: total.integrity, disturbances: total.disturbances };
    Ok((description, run))
}
