//! What is measured: scenarios at their sizes, and the figures that are read from each.

use std::time::Duration;

use crate::scenario::{Outcome, Parameters, Scenario};

/// A scenario at a size.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Its name on the command line.
    pub(super) key: &'static str,
    /// The scenario.
    pub(super) scenario: Scenario,
    /// Its size.
    pub(super) parameters: Parameters,
    /// Only Fanfare takes part, since a bare loop has no counterpart for it.
    pub(super) fanfare_only: bool,
    /// Settings of the node that are not its defaults; see [`Place`](crate::contender::Place).
    pub(super) settings: &'static [(&'static str, &'static str)],
    /// What is read from its outcome.
    pub(super) figures: &'static [Figure],
}

/// One number of a case.
#[derive(Debug)]
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

/// What Fanfare has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// The value itself, at most.
    Most(f64),
    /// The value itself, at least.
    Least(f64),
    /// So many times the floor's value, at most.
    MostTimesFloor(f64),
    /// So many times the floor's value, at least.
    LeastTimesFloor(f64),
}

impl Goal {
    /// Whether a value, and its ratio to the floor's, reach it; `None` when the number that it is about is missing.
    pub(super) fn is_reached(self, value: Option<f64>, ratio: Option<f64>) -> Option<bool> {
        match self {
            Self::Most(limit) => value.map(|value| value <= limit),
            Self::Least(limit) => value.map(|value| value >= limit),
            Self::MostTimesFloor(limit) => ratio.map(|ratio| ratio <= limit),
            Self::LeastTimesFloor(limit) => ratio.map(|ratio| ratio >= limit),
        }
    }
}

/// How large the cases are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// As the documents show them.
    Full,
    /// A few minutes for everything: to see that it works, and roughly where it stands.
    Quick,
}

const CPU: Figure = figure("CPU µs per delivery", Outcome::cpu_per_delivery, 2);

const fn figure(label: &'static str, read: fn(&Outcome) -> Option<f64>, decimals: usize) -> Figure {
    Figure { label, read, decimals, goal: None }
}

impl Figure {
    const fn with_goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }
}

fn milliseconds(outcome: &Outcome, quantile: f64) -> Option<f64> {
    let latency = &outcome.latency.0;
    (!latency.is_empty()).then(|| latency.value_at_quantile(quantile) as f64 / 1e3)
}

fn number(outcome: &Outcome, name: &str) -> Option<f64> {
    outcome.numbers.get(name).copied()
}

static FANOUT: [Figure; 1] = [CPU.with_goal(Goal::MostTimesFloor(1.15))];

static BURST: [Figure; 2] = [
    figure("deliveries per CPU second", Outcome::deliveries_per_cpu_second, 0).with_goal(Goal::LeastTimesFloor(20.0)),
    CPU,
];

static RATE: [Figure; 4] = [
    figure("latency p50, ms", |outcome| milliseconds(outcome, 0.5), 2),
    figure("latency p99, ms", |outcome| milliseconds(outcome, 0.99), 2).with_goal(Goal::MostTimesFloor(1.1)),
    figure("latency max, ms", |outcome| milliseconds(outcome, 1.0), 2),
    CPU,
];

static SLOW: [Figure; 2] = [
    figure("latency p50 of the others, ms", |outcome| milliseconds(outcome, 0.5), 2),
    figure("latency p99 of the others, ms", |outcome| milliseconds(outcome, 0.99), 2),
];

static CPU_ALONE: [Figure; 1] = [CPU];

static STORM: [Figure; 3] = [
    figure("seconds until all caught up", |outcome| number(outcome, "caught_up_seconds"), 2),
    CPU,
    figure("reads of Redis Streams", |outcome| number(outcome, "archive_reads"), 0).with_goal(Goal::Most(48.0)),
];

static HOLD: [Figure; 3] = [
    figure(
        "KiB of the process per connection",
        |outcome| Some(number(outcome, "rss_bytes_per_connection")? / 1024.0),
        3,
    )
    .with_goal(Goal::Most(1.0)),
    figure("subscriptions per CPU second", |outcome| number(outcome, "opened_per_cpu_second"), 0)
        .with_goal(Goal::Least(10_000.0)),
    figure("subscriptions per second", |outcome| number(outcome, "opened_per_second"), 0),
];

static FULL: [Figure; 3] = [
    figure("latency p50, ms", |outcome| milliseconds(outcome, 0.5), 1),
    figure("latency p99, ms", |outcome| milliseconds(outcome, 0.99), 1),
    CPU,
];

static CHANNELS: [Figure; 3] = [
    figure("bytes of the process per channel", |outcome| number(outcome, "rss_bytes_per_channel"), 0),
    figure("seconds to follow all again", |outcome| number(outcome, "followed_again_seconds"), 2),
    figure("reads of Redis Streams", |outcome| number(outcome, "archive_reads"), 0),
];

static LARGE: [Figure; 2] = [
    figure("rise of the process at its peak, MiB", |outcome| Some(number(outcome, "rss_rise_bytes")? / 1_048_576.0), 1),
    CPU,
];

impl Case {
    /// What is done, in one line.
    pub(super) fn title(&self) -> String {
        let Parameters { baseline, rate, cuts, slow, .. } = self.parameters;
        let (connections, channels) = (grouped(self.parameters.connections), grouped(self.parameters.channels));
        let events = grouped(self.parameters.events as usize);
        match self.scenario {
            Scenario::Hold => format!("from {} to {connections} idle connections", grouped(baseline)),
            Scenario::Fanout => {
                format!("one channel, {connections} connections, the next event when all have the last")
            }
            Scenario::Burst => format!("{connections} connections, {events} events at once"),
            Scenario::Rate | Scenario::Full => {
                format!("one channel, {connections} connections, {rate} events a second")
            }
            Scenario::Many => format!("{channels} channels with one connection each"),
            Scenario::Storm if self.settings.is_empty() => {
                format!("{connections} connections come back at once, {events} events missed by each")
            }
            Scenario::Storm => {
                "as storm, but the node has forgotten the channel and must read it from Redis".to_owned()
            }
            Scenario::Churn => format!("{connections} connections, {cuts} cuts a second, {rate} events a second"),
            Scenario::Slow | Scenario::Soak => {
                format!("as rate, but {} % of the connections read a few bytes a second", slow * 100.0)
            }
            Scenario::Large => {
                format!("{} KiB to {connections} connections in one event", self.parameters.bytes / 1_024)
            }
            Scenario::Channels => format!("{channels} channels over {connections} connections; Redis closes the feed"),
        }
    }

    /// Smaller where that saves time and changes little.
    fn shrink(&mut self) {
        let parameters = &mut self.parameters;
        parameters.duration = parameters.duration.min(Duration::from_secs(3));
        match self.scenario {
            Scenario::Fanout => parameters.events /= 2,
            Scenario::Many => parameters.events /= 4,
            Scenario::Storm => parameters.connections /= 3,
            Scenario::Hold => parameters.connections /= 2,
            Scenario::Large => parameters.connections /= 5,
            Scenario::Channels => {
                parameters.connections /= 5;
                parameters.channels /= 5;
            }
            _ => {}
        }
    }
}

/// All cases, in the order of the tables.
pub(super) fn all(size: Size) -> Vec<Case> {
    let case = |key, scenario, figures| Case {
        key,
        scenario,
        parameters: Parameters::of(scenario),
        fanfare_only: false,
        settings: &[],
        figures,
    };
    let only = |case| Case { fanfare_only: true, ..case };
    let mut wide = case("fanout-15k", Scenario::Fanout, &FANOUT);
    wide.parameters.connections = 15_000;
    wide.parameters.events = 60;
    let mut churn = case("churn", Scenario::Churn, &CPU_ALONE);
    churn.parameters.duration = Duration::from_secs(5);
    // A channel that is forgotten with its last reader has to be read from Redis again, as on a node that was restarted.
    let cold = Case { settings: &[("CHANNEL__LINGER", "0s")], ..case("storm-cold", Scenario::Storm, &STORM) };
    let mut cases = vec![
        case("fanout", Scenario::Fanout, &FANOUT),
        wide,
        case("burst", Scenario::Burst, &BURST),
        case("rate", Scenario::Rate, &RATE),
        case("many", Scenario::Many, &CPU_ALONE),
        case("storm", Scenario::Storm, &STORM),
        cold,
        case("hold", Scenario::Hold, &HOLD),
        churn,
        case("slow", Scenario::Slow, &SLOW),
        case("large", Scenario::Large, &LARGE),
        only(case("full", Scenario::Full, &FULL)),
        only(case("channels", Scenario::Channels, &CHANNELS)),
    ];
    if size == Size::Quick {
        cases.iter_mut().for_each(Case::shrink);
    }
    cases
}

fn grouped(number: usize) -> String {
    super::table::grouped(number as f64, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_something_to_show() {
        for size in [Size::Full, Size::Quick] {
            let cases = all(size);
            let keys: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.key).collect();
            assert_eq!(keys.len(), cases.len());
            assert!(cases.iter().all(|case| !case.figures.is_empty()));
        }
    }

    #[test]
    fn a_target_is_about_the_value_or_about_its_ratio() {
        assert_eq!(Goal::Most(1.0).is_reached(Some(0.9), None), Some(true));
        assert_eq!(Goal::Least(1.0).is_reached(Some(0.9), None), Some(false));
        assert_eq!(Goal::MostTimesFloor(1.15).is_reached(Some(9.0), Some(1.2)), Some(false));
        assert_eq!(Goal::LeastTimesFloor(20.0).is_reached(Some(9.0), Some(21.0)), Some(true));
        assert_eq!(Goal::LeastTimesFloor(20.0).is_reached(Some(9.0), None), None, "no floor, no verdict");
    }
}
