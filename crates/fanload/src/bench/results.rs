//! What the runs have yielded so far.

use super::case::Case;
use super::figure::Figure;
use super::score::Score;
use crate::integrity::Integrity;
use crate::scenario::Outcome;
use crate::statistic::Statistic;

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
    /// By contender: why it turned out not to be able to take part.
    unable: Vec<Option<String>>,
    /// Contenders that were known not to be able to take part, and why.
    excluded: Vec<(&'static str, &'static str)>,
}

impl CaseResults {
    pub(super) fn new(case: Case, contenders: Vec<&'static str>, rounds: usize) -> Self {
        let outcomes = contenders.iter().map(|_| std::iter::repeat_with(|| None).take(rounds).collect()).collect();
        let unable = vec![None; contenders.len()];
        Self { case, contenders, outcomes, unable, excluded: Vec::new() }
    }

    /// Names contenders that cannot take part, each with the reason.
    pub(super) fn without(self, excluded: Vec<(&'static str, &'static str)>) -> Self {
        Self { excluded, ..self }
    }

    /// How often each contender runs.
    pub(super) fn rounds(&self) -> usize {
        self.outcomes.first().map_or(0, Vec::len)
    }

    pub(super) fn put(&mut self, contender: usize, round: usize, outcome: Outcome) {
        self.outcomes[contender][round] = Some(outcome);
    }

    /// A contender cannot take part.
    pub(super) fn withdraw(&mut self, contender: usize, why: String) {
        self.unable[contender] = Some(why);
    }

    /// Whether a contender can take part, as far as is known.
    pub(super) fn takes_part(&self, contender: usize) -> bool {
        self.unable[contender].is_none()
    }

    /// Who cannot take part, and why.
    pub(super) fn unable(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let withdrawn = self.contenders.iter().zip(&self.unable);
        let withdrawn = withdrawn.filter_map(|(&name, why)| Some((name, why.as_deref()?)));
        self.excluded.iter().copied().chain(withdrawn)
    }

    /// Every run that is over: contender, round, outcome.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&'static str, usize, &Outcome)> {
        let rounds = self.contenders.iter().zip(&self.outcomes);
        rounds.flat_map(|(&name, outcomes)| {
            outcomes.iter().enumerate().filter_map(move |(round, outcome)| Some((name, round, outcome.as_ref()?)))
        })
    }

    /// A figure of a contender over all rounds.
    pub(super) fn score(&self, figure: &Figure, contender: usize) -> Score {
        let values = self.values(figure, contender);
        let floor = self.contenders.iter().position(|&name| name == FLOOR).filter(|&floor| floor != contender);
        let ratio = floor.and_then(|floor| Statistic::of_ratios(&values, &self.values(figure, floor)));
        Score { value: Statistic::of(values.iter().copied().flatten()), ratio }
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

/// Every run in which a contender broke what it promises.
pub(super) fn breaches(results: &[CaseResults]) -> Vec<String> {
    let mut breaches = Vec::new();
    for result in results {
        for (name, round, outcome) in result.runs() {
            let seen = &outcome.integrity;
            if keeps_the_guarantee(name) && !seen.holds() {
                breaches.push(format!("{}, {name}, run {}: {}", result.case.key, round + 1, seen.faults()));
            }
        }
    }
    breaches
}

/// Whether a contender promises what the checker checks. Others lose events by their nature, which the tables tell.
fn keeps_the_guarantee(contender: &str) -> bool {
    [FLOOR, FANFARE].contains(&contender)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::cases::{self, Size};
    use super::*;
    use crate::disturbances::Disturbances;
    use crate::latency::Latency;
    use crate::publish::Breaks;
    use crate::reading::{Cpu, Reading};
    use crate::scenario::{Parameters, Scenario};
    use crate::target::Protocol;

    /// A run of 1,000 deliveries that cost `microseconds` each and of which `lost` did not come.
    fn outcome(microseconds: f64, lost: u64) -> Outcome {
        Outcome {
            scenario: Scenario::Fanout,
            parameters: Parameters::of(Scenario::Fanout),
            protocol: Protocol::default(),
            cut_short: None,
            published: 1,
            deliveries: 1_000,
            elapsed: Duration::from_secs(1),
            server_cpu: Cpu { user: 0.0, system: microseconds / 1e3 },
            client_cpu: Cpu::default(),
            latency: Latency::new(),
            compared: None,
            before: Reading::default(),
            after: Reading::default(),
            integrity: Integrity { delivered: 1_000, lost, ..Integrity::default() },
            disturbances: Disturbances::default(),
            breaks: Breaks::default(),
            numbers: BTreeMap::new(),
        }
    }

    fn fanout(contenders: &[&'static str]) -> CaseResults {
        let case = cases::all(Size::Full).swap_remove(0);
        CaseResults::new(case, contenders.to_vec(), 2)
    }

    // Seen to fail when the rounds of both are not matched, and when the floor is compared with itself.
    #[test]
    fn a_contender_is_compared_with_the_floor_of_its_round() {
        let mut results = fanout(&[FLOOR, FANFARE]);
        for (contender, round, microseconds) in [(0, 0, 4.0), (1, 0, 5.0), (1, 1, 12.0), (0, 1, 8.0)] {
            results.put(contender, round, outcome(microseconds, 0));
        }
        let figure = &results.case.figures[0];
        let ratio = results.score(figure, 1).ratio.unwrap();
        assert!((ratio.min - 1.25).abs() < 1e-9 && (ratio.max - 1.5).abs() < 1e-9, "{ratio:?}");
        assert_eq!(results.score(figure, 0).ratio, None);
    }

    // Seen to fail when a contender that cannot take part has a value.
    #[test]
    fn who_cannot_take_part_has_no_value_and_says_why() {
        let mut results = fanout(&[FLOOR, FANFARE]);
        results.put(0, 0, outcome(4.0, 0));
        assert!(results.takes_part(1));
        results.withdraw(1, "it speaks no TLS".to_owned());
        assert!(!results.takes_part(1) && results.takes_part(0));
        assert_eq!(results.unable().collect::<Vec<_>>(), [(FANFARE, "it speaks no TLS")]);
        assert!(results.score(&results.case.figures[0], 1).value.is_none());
        let results = results.without(vec![("centrifugo", "it sends no id")]);
        assert_eq!(results.unable().count(), 2);
    }

    // Seen to fail when no contender is held to the guarantee, and when all are.
    #[test]
    fn a_lost_event_is_a_breach_for_those_who_promise_to_lose_none() {
        let mut results = fanout(&[FANFARE, "nchan"]);
        results.put(0, 1, outcome(5.0, 3));
        results.put(1, 0, outcome(5.0, 7));
        let breaches = breaches(&[results]);
        assert_eq!(breaches, ["fanout, fanfare, run 2: 3 lost"]);
    }
}
