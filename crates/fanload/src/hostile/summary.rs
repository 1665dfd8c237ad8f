//! What all cases have shown together, and how it came about.

use anyhow::Result;
use serde_json::json;

use super::arguments::Arguments;
use super::results::{self, Results};
use crate::columns::aligned;
use crate::command_line::CommandLine;
use crate::cores::Cores;
use crate::document;
use crate::machine;

/// What the attacks have shown.
pub(super) struct Summary<'a> {
    /// What the node says it is.
    pub(super) node: &'a str,
    /// `None`: everything shared one core.
    pub(super) cores: Option<Cores>,
    pub(super) results: &'a [Results],
    pub(super) arguments: &'a Arguments,
}

impl Summary<'_> {
    /// Prints everything, and writes the figures that have targets into the document unless the others lost something. `false`: they
    /// did, or got something twice.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub(super) fn publish(&self) -> Result<bool> {
        if self.arguments.json {
            let Self { node, results, arguments, .. } = self;
            println!("{:#}", json!({ "fanfare": node, "quick": arguments.quick, "cases": results }));
        } else {
            self.results.iter().for_each(|results| println!("{}", results.text()));
            println!("{}", self.text());
        }
        let holds = self.results.iter().all(|results| results.integrity().holds());
        if let Some(path) = self.arguments.write.as_ref().filter(|_| holds) {
            document::replace_section(path, &self.arguments.section, &self.text())?;
            eprintln!("written into {}", path.display());
        }
        Ok(holds)
    }

    /// The figures that have targets, as Markdown that also reads well on a terminal.
    fn text(&self) -> String {
        let mut text = machine::heading();
        if let Some(cores) = self.cores {
            text += &format!("Node on core {}, everything else on core {}. ", cores.server, cores.others);
        }
        let runs = match self.arguments.runs {
            1 => "One run of each".to_owned(),
            runs => format!("{runs} runs of each; a cell is the median (least–greatest)"),
        };
        text += &format!("{runs}. Node: {}.\n\n```sh\n{}\n```\n\n", self.node, self.command());
        text += &figures(self.results);
        text += "\nWhat each case does:\n\n";
        for results in self.results {
            text += &format!("- `{}`: {}\n", results.case, results.title);
        }
        text
    }

    /// The command that repeats it, without paths of this machine.
    fn command(&self) -> String {
        let Arguments { cases, runs, quick, write, section, .. } = self.arguments;
        let section = Some(section).filter(|name| *name != "hostile");
        CommandLine::of("fanload hostile")
            .options("case", cases)
            .options("runs", Some(runs).filter(|runs| **runs > 1))
            .flag("quick", *quick)
            .options("write", write.as_ref().map(|path| path.display()))
            .options("section", section)
            .to_string()
    }
}

/// One table of the figures that have targets.
fn figures(results: &[Results]) -> String {
    let mut rows =
        vec![["case", "figure", "undisturbed", "under attack", "target", "reached"].map(str::to_owned).to_vec()];
    for result in results {
        let mut case = format!("`{}`", result.case);
        for figure in result.figures.iter().filter(|figure| figure.bound.is_some()) {
            let mut row = vec![std::mem::take(&mut case)];
            row.extend(results::cells(figure));
            rows.push(row);
        }
    }
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Bound, Figure};
    use super::super::run::Run;
    use super::*;
    use crate::disturbances::Disturbances;
    use crate::integrity::Integrity;

    // Seen to fail when figures without a target stand in the table, and when each row names its case.
    #[test]
    fn the_figures_with_targets_of_all_cases_stand_in_one_table() {
        let figures = vec![
            Figure::shown("requests", 80.0, ""),
            Figure::bound("p50 of others", 2.5, "ms", Bound::Most(3.0)).beside(0.7),
            Figure::bound("sent by Redis", 90.0, "MB/s", Bound::Most(80.5)),
        ];
        let run = Run {
            undisturbed: None,
            attacked: None,
            figures,
            integrity: Integrity::default(),
            disturbances: Disturbances::default(),
        };
        let table = super::figures(&[Results::of("last", "newest", vec![run])]);
        assert_eq!(table.lines().count(), 4, "{table}");
        let rows = [
            "| `last` | p50 of others, ms   | 0.70        | 2.50         | ≤ 3     | yes     |",
            "|        | sent by Redis, MB/s |             | 90.00        | ≤ 80.50 | **no**  |",
        ];
        assert!(rows.iter().all(|row| table.contains(row)), "{table}");
    }
}
