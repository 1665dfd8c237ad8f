//! One kind of attack.

use anyhow::Result;

use super::figure::Figure;
use super::scene::Scene;

/// One kind of attack, and what it shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// What is done, in one line.
    pub(super) title: &'static str,
    /// Settings of the node that are not its defaults; see [`Place`](crate::contender::Place).
    pub(super) settings: &'static [(&'static str, &'static str)],
    /// Bytes a second of a link between the node and Redis; `None`: there is none between.
    pub(super) link: Option<f64>,
    /// The node and all clients speak TLS.
    pub(super) tls: bool,
    /// Attacks the node and says the numbers that the case is about: the same ones in each run.
    pub(super) run: fn(&mut Scene) -> Result<Vec<Figure>>,
}
