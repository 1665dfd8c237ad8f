//! All cases at their sizes, and what is read from each.

use std::time::Duration;

use super::case::Case;
use super::figure::Figure;
use super::goal::Goal;
use super::wired;
use crate::contender::Wire;
use crate::scenario::{Outcome, Parameters, Scenario};

/// How large the cases are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// As the documents show them.
    Full,
    /// A few minutes for everything: to see that it works, and roughly where it stands.
    Quick,
}

/// All cases, in the order of the tables; those with a wire of their own last.
pub(super) fn all(size: Size) -> Vec<Case> {
    let plain = in_cleartext(size);
    let over = |wire: Wire, keys: &[&str]| {
        let cases = plain.iter().filter(|case| keys.contains(&case.key.as_str()));
        cases.map(|case| wired::over(case.clone(), wire)).collect::<Vec<_>>()
    };
    let tls = over(Wire { tls: true, http2: false }, &["fanout", "hold"]);
    let http2 = over(Wire { tls: false, http2: true }, &["fanout", "hold"]);
    let both = over(Wire { tls: true, http2: true }, &["fanout"]);
    plain.iter().cloned().chain(tls).chain(http2).chain(both).chain([requests(size)]).collect()
}

/// All cases of HTTP/1.1 in cleartext over another wire.
pub(super) fn over(size: Size, wire: Wire) -> Vec<Case> {
    in_cleartext(size).into_iter().map(|case| wired::over(case, wire)).collect()
}

/// Short requests by a client that knows nothing of event streams.
fn requests(size: Size) -> Case {
    let mut case = Case {
        key: "h2-tls-requests".to_owned(),
        scenario: Scenario::Requests,
        parameters: Parameters::of(Scenario::Requests),
        fanfare_only: true,
        settings: &[("HISTORY__ENABLED", "true")],
        wire: Wire { tls: true, http2: true },
        figures: REQUESTS.to_vec(),
    };
    if size == Size::Quick {
        case.shrink();
    }
    case
}

fn in_cleartext(size: Size) -> Vec<Case> {
    let case = |key: &str, scenario, figures: &[Figure]| Case {
        key: key.to_owned(),
        scenario,
        parameters: Parameters::of(scenario),
        fanfare_only: false,
        settings: &[],
        wire: Wire::default(),
        figures: figures.to_vec(),
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
        case("many", Scenario::Many, &MANY),
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

const CPU: Figure = Figure::new("CPU µs per delivery", Outcome::cpu_per_delivery, 2);

fn milliseconds(outcome: &Outcome, quantile: f64) -> Option<f64> {
    let latency = &outcome.latency.0;
    (!latency.is_empty()).then(|| latency.value_at_quantile(quantile) as f64 / 1e3)
}

fn number(outcome: &Outcome, name: &str) -> Option<f64> {
    outcome.numbers.get(name).copied()
}

static FANOUT: [Figure; 1] = [CPU.with_goal(Goal::MostTimesFloor(1.15))];

static BURST: [Figure; 2] = [
    Figure::new("deliveries per CPU second", Outcome::deliveries_per_cpu_second, 0)
        .with_goal(Goal::LeastTimesFloor(20.0)),
    CPU,
];

static RATE: [Figure; 4] = [
    Figure::new("latency p50, ms", |outcome| milliseconds(outcome, 0.5), 2),
    Figure::new("latency p99, ms", |outcome| milliseconds(outcome, 0.99), 2).with_goal(Goal::MostTimesFloor(1.1)),
    Figure::new("latency max, ms", |outcome| milliseconds(outcome, 1.0), 2),
    CPU,
];

static SLOW: [Figure; 2] = [
    Figure::new("latency p50 of the others, ms", |outcome| milliseconds(outcome, 0.5), 2),
    Figure::new("latency p99 of the others, ms", |outcome| milliseconds(outcome, 0.99), 2),
];

static CPU_ALONE: [Figure; 1] = [CPU];

static MANY: [Figure; 1] = [CPU.with_goal(Goal::MostTimesFloor(1.35))];

static STORM: [Figure; 3] = [
    Figure::new("seconds until all caught up", |outcome| number(outcome, "caught_up_seconds"), 2),
    CPU,
    Figure::new("reads of Redis Streams", |outcome| number(outcome, "archive_reads"), 0).with_goal(Goal::Most(48.0)),
];

static REQUESTS: [Figure; 2] = [
    Figure::new("requests per second", |outcome| number(outcome, "requests_per_second"), 0),
    Figure::new("CPU µs per request", |outcome| number(outcome, "cpu_us_per_request"), 2),
];

static HOLD: [Figure; 3] = [
    Figure::new(
        "KiB of the process per connection",
        |outcome| Some(number(outcome, "rss_bytes_per_connection")? / 1024.0),
        3,
    )
    .with_goal(Goal::Most(0.9)),
    Figure::new("subscriptions per CPU second", |outcome| number(outcome, "opened_per_cpu_second"), 0)
        .with_goal(Goal::Least(10_000.0)),
    Figure::new("subscriptions per second", |outcome| number(outcome, "opened_per_second"), 0),
];

static FULL: [Figure; 3] = [
    Figure::new("latency p50, ms", |outcome| milliseconds(outcome, 0.5), 1),
    Figure::new("latency p99, ms", |outcome| milliseconds(outcome, 0.99), 1),
    CPU,
];

static CHANNELS: [Figure; 3] = [
    Figure::new("bytes of the process per channel", |outcome| number(outcome, "rss_bytes_per_channel"), 0),
    Figure::new("seconds to follow all again", |outcome| number(outcome, "followed_again_seconds"), 2),
    Figure::new("reads of Redis Streams", |outcome| number(outcome, "archive_reads"), 0),
];

static LARGE: [Figure; 2] = [
    Figure::new(
        "rise of the process at its peak, MiB",
        |outcome| Some(number(outcome, "rss_rise_bytes")? / 1_048_576.0),
        1,
    ),
    CPU,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_something_to_show() {
        for size in [Size::Full, Size::Quick] {
            let cases = all(size);
            let keys: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.key.as_str()).collect();
            assert_eq!(keys.len(), cases.len());
            assert!(cases.iter().all(|case| !case.figures.is_empty()));
        }
    }
}
