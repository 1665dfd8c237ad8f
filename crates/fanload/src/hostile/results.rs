//! What all runs of a case have shown, for people and for machines.

use serde::Serialize;

use super::figure::Summary;
use super::observation::Observation;
use super::run::Run;
use crate::columns::aligned;
use crate::integrity::Integrity;
use crate::statistic::Statistic;
use crate::thousands::grouped;

/// What a cell shows that has no value.
const ABSENT: &str = "–";

/// All runs of one case.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Results {
    pub(super) case: &'static str,
    pub(super) title: &'static str,
    /// The medians of the numbers that the case is about, and whether they reach their targets.
    pub(super) figures: Vec<Summary>,
    pub(super) runs: Vec<Run>,
}

/// A number of an observation: its name, digits behind the point, and how it is read.
type Row = (&'static str, usize, fn(&Observation) -> f64);

const ROWS: [Row; 10] = [
    ("p50 of others, ms", 2, |seen| seen.latency_ms(0.5)),
    ("p99 of others, ms", 2, |seen| seen.latency_ms(0.99)),
    ("others: head of a stream (p95), ms", 2, |seen| seen.openings.known.head_ms()),
    ("others: primed, channel with readers (p95), ms", 2, |seen| seen.openings.known.primed_ms()),
    ("others: primed, new channel (p95), ms", 2, |seen| seen.openings.new.primed_ms()),
    ("others: streams that did not open", 0, |seen| (seen.openings.known.failed + seen.openings.new.failed) as f64),
    ("growth of the node's memory, MB", 1, Observation::growth_mb),
    ("CPU of the node, % of a core", 1, Observation::node_cpu_percent),
    ("sent by Redis, MB/s", 1, Observation::redis_mb_per_second),
    ("cuts of the feed", 0, |seen| seen.feed_cuts),
];

impl Results {
    pub(super) fn of(case: &'static str, title: &'static str, runs: Vec<Run>) -> Self {
        let figures: Vec<_> = runs.iter().map(|run| run.figures.clone()).collect();
        Self { case, title, figures: Summary::of(&figures), runs }
    }

    /// What the other clients got, over all runs.
    pub(super) fn integrity(&self) -> Integrity {
        let mut sum = Integrity::default();
        self.runs.iter().for_each(|run| sum.add(&run.integrity));
        sum
    }

    /// Tables of Markdown.
    pub(super) fn text(&self) -> String {
        let mut text = format!("## {}\n\n{}.\n\n{}", self.case, self.title, self.targets());
        if let Some(table) = self.comparison() {
            text += &format!("\n{table}");
        }
        let Integrity { delivered, lost, doubled, out_of_order, silent, gaps, .. } = self.integrity();
        text + &format!(
            "\nOthers: {} deliveries, {lost} lost, {doubled} doubled, {out_of_order} out of order, {silent} silent, {gaps} `$gap`.\n",
            grouped(delivered as f64, 0)
        )
    }

    fn targets(&self) -> String {
        let mut rows = vec![["figure", "undisturbed", "measured", "target", "reached"].map(str::to_owned).to_vec()];
        rows.extend(self.figures.iter().map(cells));
        aligned(&rows)
    }

    /// The same numbers undisturbed and under attack; `None` in cases that compare something else.
    fn comparison(&self) -> Option<String> {
        let mut rows = vec![["", "undisturbed", "under attack", "ratio"].map(str::to_owned).to_vec()];
        for (name, decimals, read) in ROWS {
            let of = |part: fn(&Run) -> Option<&Observation>| -> Vec<Option<f64>> {
                self.runs.iter().map(|run| part(run).map(read)).collect()
            };
            let (calm, attacked) = (of(|run| run.undisturbed.as_ref()), of(|run| run.attacked.as_ref()));
            let ratio = Statistic::of_ratios(&attacked, &calm);
            let (calm, attacked) =
                (Statistic::of(calm.into_iter().flatten()), Statistic::of(attacked.into_iter().flatten()));
            calm.or(attacked)?;
            rows.push(vec![name.to_owned(), spread(calm, decimals), spread(attacked, decimals), spread(ratio, 1)]);
        }
        Some(aligned(&rows))
    }
}

/// What a row of a table says of a figure.
pub(super) fn cells(figure: &Summary) -> Vec<String> {
    let undisturbed = figure.undisturbed.map_or(String::new(), |value| spread(Some(value), 2));
    let bound = figure.bound.map_or(String::new(), |bound| bound.to_string());
    let reached = figure.reached.map_or("", |reached| if reached { "yes" } else { "**no**" });
    vec![figure.title(), undisturbed, spread(figure.value, 2), bound, reached.to_owned()]
}

/// The median, and the extremes where there are several values.
fn spread(value: Option<Statistic>, decimals: usize) -> String {
    let shown = |number| grouped(number, decimals);
    match value {
        None => ABSENT.to_owned(),
        Some(Statistic { median, count: 1, .. }) => shown(median),
        Some(Statistic { median, min, max, .. }) => format!("{} ({}–{})", shown(median), shown(min), shown(max)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Bound, Figure};
    use super::*;
    use crate::disturbances::Disturbances;

    #[test]
    fn a_missed_target_stands_out_and_a_single_run_has_no_spread() {
        let run = |wait| Run {
            undisturbed: None,
            attacked: None,
            figures: vec![
                Figure::bound("wait", wait, "ms", Bound::Most(10.0)).beside(1.0),
                Figure::shown("rate", 1_234.0, ""),
            ],
            integrity: Integrity::default(),
            disturbances: Disturbances::default(),
        };
        let one = Results::of("crowd", "one", vec![run(9.0)]).text();
        assert!(one.contains("| wait, ms | 1.00        | 9.00     | ≤ 10   | yes     |"), "{one}");
        assert!(one.contains("| rate     |             | 1,234.00 |        |         |"), "{one}");
        let three = Results::of("crowd", "one", vec![run(9.0), run(12.0), run(11.0)]).text();
        assert!(three.contains("| 11.00 (9.00–12.00)"), "{three}");
        assert!(three.contains("**no**") && !three.contains("under attack"), "{three}");
    }
}
