//! Cases over TLS and HTTP/2.

use super::case::Case;
use super::figure::Figure;
use super::goal::Goal;
use crate::contender::Wire;
use crate::scenario::Scenario;

/// KiB of the process for an idle connection over TLS 1.3.
const TLS_CONNECTION: Goal = Goal::Most(3.5);
/// CPU of a delivery over TLS and HTTP/1.1, by that of a bare loop that protects and writes the same bytes.
const TLS_DELIVERY: Goal = Goal::MostTimesFloor(1.2);
/// KiB of the process for an idle stream, a hundred on a connection.
const STREAM: Goal = Goal::Most(3.0);

/// The same case over `wire`, under a name of its own. The targets of HTTP/1.1 in cleartext are not those of others.
pub(super) fn over(case: Case, wire: Wire) -> Case {
    if wire == Wire::default() {
        return case;
    }
    let scenario = case.scenario;
    let figures = case.figures.iter().enumerate().map(|(place, figure)| figure_over(*figure, place, scenario, wire));
    Case { key: format!("{}{}", wire.prefix(), case.key), wire, figures: figures.collect(), ..case }
}

fn figure_over(figure: Figure, place: usize, scenario: Scenario, wire: Wire) -> Figure {
    let figure = figure.without_goal();
    // What a case is about stands first in it.
    match (scenario, place, wire.tls, wire.http2) {
        (Scenario::Fanout, 0, true, false) => figure.with_goal(TLS_DELIVERY),
        (Scenario::Hold, 0, true, false) => figure.with_goal(TLS_CONNECTION),
        (Scenario::Hold, 0, false, true) => {
            Figure { label: "KiB of the process per stream", ..figure.with_goal(STREAM) }
        }
        (Scenario::Hold, 0, true, true) => Figure { label: "KiB of the process per stream", ..figure },
        _ => figure,
    }
}

#[cfg(test)]
mod tests {
    use super::super::cases::{self, Size};
    use super::*;

    fn goal(key: &str) -> Option<Goal> {
        let case = cases::all(Size::Full).into_iter().find(|case| case.key == key);
        case.unwrap_or_else(|| panic!("no {key}")).figures[0].goal
    }

    // Seen to fail when targets of HTTP/1.1 in cleartext stay.
    #[test]
    fn each_wire_has_its_own_targets() {
        assert_eq!(goal("fanout"), Some(Goal::MostTimesFloor(1.15)));
        assert_eq!(goal("tls-fanout"), Some(Goal::MostTimesFloor(1.2)));
        assert_eq!(goal("tls-hold"), Some(Goal::Most(3.5)));
        assert_eq!(goal("h2-hold"), Some(Goal::Most(3.0)));
        assert_eq!((goal("h2-fanout"), goal("h2-tls-fanout")), (None, None));
        let wire = Wire { tls: true, http2: false };
        let burst = cases::over(Size::Full, wire).into_iter().find(|case| case.key == "tls-burst").unwrap();
        assert!(burst.figures.iter().all(|figure| figure.goal.is_none()));
        assert!(burst.title().ends_with("over TLS"));
    }
}
