//! How a contender did in one figure.

use serde::Serialize;

use crate::statistic::Statistic;

/// One figure of one contender, over all rounds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Score {
    pub(super) value: Option<Statistic>,
    /// To the floor's values of the same rounds; absent for the floor itself.
    pub(super) ratio: Option<Statistic>,
}
