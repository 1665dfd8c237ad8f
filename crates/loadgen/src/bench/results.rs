//! What the runs have yielded so far.

use serde::Serialize;

use super::case::{Case, Figure};
use super::statistic::Statistic;
use crate::integrity::Integrity;
use crate::scenario::Outcome;

/// The contender that all others are compared with.
pub(super) const FLOOR: &str = "floor";
/// The contender that has targets.
pub(super) const FANFARE: &str = "fanfare";

/// The outcomes of one case.
#[derive(Debug)]
pub(super) struct CaseResults {
    pub(super) case: Case,
    /// Names of the contenders that take part.
    pub(super) contenders: Vec<&'static str>,
    /// By contender and round; `None` for runs that are still to come.
    outcomes: Vec<Vec<Option<Outcome>>>,
}

/// One figure of one contender.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cell {
    pub(super) value: Option<Statistic>,
    /// To the floor's values of the same rounds; absent for the floor itself.
    pub(super) ratio: Option<Statistic>,
}

impl CaseResults {
    pub(super) fn new(case: Case, contenders: Vec<&'static str>, rounds: usize) -> Self {
        let outcomes = contenders.iter().map(|_| std::iter::repeat_with(|| None).take(rounds).collect()).collect();
        Self { case, contenders, outcomes }
    }

    /// How often each contender runs.
    pub(super) fn rounds(&self) -> usize {
        self.outcomes.first().map_or(0, Vec::len)
    }

    pub(super) fn put(&mut self, contender: usize, round: usize, outcome: Outcome) {
        self.outcomes[contender][round] = Some(outcome);
    }

    /// Every run that is over: contender, round, outcome.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&'static str, usize, &Outcome)> {
        let rounds = self.contenders.iter().zip(&self.outcomes);
        rounds.flat_map(|(&name, outcomes)| {
            outcomes.iter().enumerate().filter_map(move |(round, outcome)| Some((name, round, outcome.as_ref()?)))
        })
    }

    /// A figure of a contender over all rounds.
    pub(super) fn cell(&self, figure: &Figure, contender: usize) -> Cell {
        let values = self.values(figure, contender);
        let floor = self.contenders.iter().position(|&name| name == FLOOR).filter(|&floor| floor != contender);
        let ratio = floor.and_then(|floor| Statistic::of_ratios(&values, &self.values(figure, floor)));
        Cell { value: Statistic::of(values.iter().copied().flatten()), ratio }
    }

    /// What clients of a contender saw, over all rounds.
    pub(super) fn integrity(&self, contender: usize) -> Integrity {
        let mut sum = Integrity::default();
        for outcome in self.outcomes[contender].iter().flatten() {
            sum.add(&outcome.integrity);
        }
        sum
    }

    fn values(&self, figure: &Figure, contender: usize) -> Vec<Option<f64>> {
        self.outcomes[contender].iter().map(|outcome| (figure.read)(outcome.as_ref()?)).collect()
    }
}

/// Whether a contender promises what the checker checks. Others lose events by their nature, which the tables tell.
pub(super) fn keeps_the_guarantee(contender: &str) -> bool {
    [FLOOR, FANFARE].contains(&contender)
}
