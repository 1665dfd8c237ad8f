//! Results as a table for people: Markdown that is also aligned, so that it reads well on a terminal.

use super::figure::Figure;
use super::goal::Goal;
use super::results::{CaseResults, FANFARE};
use super::score::Score;
use crate::columns::aligned;
use crate::integrity::Integrity;
use crate::statistic::Statistic;
use crate::thousands::grouped;

/// What a cell shows that has no value.
const ABSENT: &str = "–";

/// A row for each figure, a column for each contender; targets where Fanfare takes part.
pub(super) fn figures(results: &[CaseResults], contenders: &[&'static str]) -> String {
    let has_targets = contenders.contains(&FANFARE);
    let mut header = vec!["scenario".to_owned(), "figure".to_owned()];
    header.extend(contenders.iter().map(|&name| name.to_owned()));
    if has_targets {
        header.extend(["target".to_owned(), "reached".to_owned()]);
    }
    let mut rows = vec![header];
    for result in results {
        for (index, figure) in result.case.figures.iter().enumerate() {
            let name = if index == 0 { result.case.key.as_str() } else { "" };
            rows.push(row(result, figure, name, contenders, has_targets));
        }
    }
    aligned(&rows)
}

fn row(
    result: &CaseResults,
    figure: &Figure,
    name: &str,
    contenders: &[&'static str],
    has_targets: bool,
) -> Vec<String> {
    let score_of = |name: &str| {
        let place = result.contenders.iter().position(|&contender| contender == name)?;
        Some(result.score(figure, place))
    };
    let mut row = vec![name.to_owned(), figure.label.to_owned()];
    row.extend(
        contenders.iter().map(|name| score_of(name).map_or(ABSENT.to_owned(), |score| text(score, figure.decimals))),
    );
    if has_targets {
        let ours = score_of(FANFARE);
        let median = |statistic: Option<Statistic>| statistic.map(|statistic| statistic.median);
        let reached =
            figure.goal.zip(ours).and_then(|(goal, ours)| goal.is_reached(median(ours.value), median(ours.ratio)));
        row.push(figure.goal.map_or(String::new(), goal_text));
        row.push(reached.map_or("", |reached| if reached { "yes" } else { "**no**" }).to_owned());
    }
    row
}

fn text(score: Score, decimals: usize) -> String {
    let Some(value) = score.value else { return ABSENT.to_owned() };
    let shown = |number| grouped(number, decimals);
    let spread = format!("{} ({}–{})", shown(value.median), shown(value.min), shown(value.max));
    match score.ratio {
        Some(ratio) => format!("{spread}; **{}×** ({}–{})", factor(ratio.median), factor(ratio.min), factor(ratio.max)),
        None => spread,
    }
}

/// Three digits are all that such a measurement can know.
fn factor(ratio: f64) -> String {
    let decimals = if ratio >= 100.0 {
        0
    } else if ratio >= 10.0 {
        1
    } else {
        2
    };
    format!("{ratio:.decimals$}")
}

fn goal_text(goal: Goal) -> String {
    let shown = |number: f64| grouped(number, if number.fract() == 0.0 { 0 } else { 2 });
    match goal {
        Goal::Most(limit) => format!("≤ {}", shown(limit)),
        Goal::Least(limit) => format!("≥ {}", shown(limit)),
        Goal::MostTimesFloor(limit) => format!("≤ {limit} × floor"),
        Goal::LeastTimesFloor(limit) => format!("≥ {limit} × floor"),
    }
}

/// What the checker found: one line for each contender, summed over everything.
pub(super) fn integrity(results: &[CaseResults], contenders: &[&'static str]) -> String {
    let header =
        ["", "deliveries checked", "lost", "doubled", "out of order", "damaged", "silent", "announced by a gap"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for &name in contenders {
        let mut sum = Integrity::default();
        for result in results {
            if let Some(place) = result.contenders.iter().position(|&contender| contender == name) {
                sum.add(&result.integrity(place));
            }
        }
        let numbers = [sum.delivered, sum.lost, sum.doubled, sum.out_of_order, sum.damaged, sum.silent, sum.announced];
        rows.push(std::iter::once(name.to_owned()).chain(numbers.map(|number| grouped(number as f64, 0))).collect());
    }
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_has_three_digits() {
        assert_eq!((factor(1.049), factor(22.64), factor(123.4)), ("1.05".into(), "22.6".into(), "123".into()));
    }

    #[test]
    fn a_cell_shows_the_middle_the_extremes_and_the_ratio() {
        let value = Statistic::of([4.8, 5.0, 5.3]);
        assert_eq!(text(Score { value, ratio: None }, 2), "5.00 (4.80–5.30)");
        let ratio = Statistic::of([1.1, 1.2]);
        assert_eq!(text(Score { value, ratio }, 1), "5.0 (4.8–5.3); **1.15×** (1.10–1.20)");
        assert_eq!(text(Score { value: None, ratio: None }, 1), "–");
    }
}
