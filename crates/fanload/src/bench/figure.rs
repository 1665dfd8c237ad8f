//! A number that is read from the outcome of a case.

use super::goal::Goal;
use crate::scenario::Outcome;

/// One number of a case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    /// What it is, with its unit.
    pub(super) label: &'static str,
    /// Where it stands in an outcome; `None` when the run did not yield it.
    pub(super) read: fn(&Outcome) -> Option<f64>,
    /// Digits after the point.
    pub(super) decimals: usize,
    /// What Fanfare has to reach.
    pub(super) goal: Option<Goal>,
}

impl Figure {
    pub(super) const fn new(label: &'static str, read: fn(&Outcome) -> Option<f64>, decimals: usize) -> Self {
        Self { label, read, decimals, goal: None }
    }

    pub(super) const fn with_goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    pub(super) const fn without_goal(mut self) -> Self {
        self.goal = None;
        self
    }
}
