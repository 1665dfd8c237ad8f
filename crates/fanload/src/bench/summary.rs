//! Results with everything that is needed to judge and to repeat them.

use anyhow::Result;
use serde_json::json;

use super::arguments::Arguments;
use super::results::{self, CaseResults};
use super::table;
use crate::command_line::CommandLine;
use crate::cores::Cores;
use crate::document;
use crate::machine::{self, Machine};

/// What a bench yields, and how it came about.
pub(super) struct Summary<'a> {
    pub(super) cores: Cores,
    pub(super) names: &'a [&'static str],
    pub(super) descriptions: &'a [String],
    pub(super) results: &'a [CaseResults],
    pub(super) arguments: &'a Arguments,
}

impl Summary<'_> {
    /// Prints it, and writes it into the document unless a promise was broken. `false`: one was.
    pub(super) fn publish(&self) -> Result<bool> {
        if self.arguments.json {
            println!("{:#}", self.json());
        } else {
            println!("{}", self.text());
        }
        let breaches = results::breaches(self.results);
        for breach in &breaches {
            eprintln!("integrity broken: {breach}");
        }
        if let Some(path) = self.arguments.write.as_ref().filter(|_| breaches.is_empty()) {
            document::replace_section(path, &self.arguments.section, &self.text())?;
            eprintln!("written into {}", path.display());
        }
        Ok(breaches.is_empty())
    }

    /// Markdown that also reads well on a terminal.
    pub(super) fn text(&self) -> String {
        let mut text = machine::heading();
        text += &format!(
            "Server on core {}, clients, publisher and Redis on core {}. {} runs of each, in the order A B B A; each cell is \
             the median (least–greatest); **×** is the ratio to the floor in the same round.\n\n```sh\n{}\n```\n\n",
            self.cores.server,
            self.cores.others,
            self.arguments.rounds(),
            self.command(),
        );
        for (name, description) in self.names.iter().zip(self.descriptions) {
            text += &format!("- **{name}**: {description}\n");
        }
        text += "\n";
        text += &table::figures(self.results, self.names);
        text += "\nWhat each scenario does:\n\n";
        for result in self.results {
            text += &format!("- `{}`: {}\n", result.case.key, result.case.title());
        }
        text += &self.absences();
        text += "\nEvery delivery of every run was checked:\n\n";
        text += &table::integrity(self.results, self.names);
        let faults = self.faults();
        if !faults.is_empty() {
            text += &format!("\nWhat was not right, over all runs of a case:\n\n{faults}");
        }
        text
    }

    /// Who does not take part in which cases, and why.
    fn absences(&self) -> String {
        let mut reasons: Vec<((&str, &str), Vec<String>)> = Vec::new();
        for result in self.results {
            let case = format!("`{}`", result.case.key);
            for reason in result.unable() {
                match reasons.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, cases)) => cases.push(case.clone()),
                    None => reasons.push((reason, vec![case.clone()])),
                }
            }
        }
        let line = |((name, why), cases): ((&str, &str), Vec<String>)| {
            format!("- {name} does not take part in {}: {why}\n", cases.join(", "))
        };
        reasons.into_iter().map(line).collect()
    }

    /// Who broke what in which case. What a peer loses is no failure of the run, but stands here.
    fn faults(&self) -> String {
        let mut lines = String::new();
        for result in self.results {
            for (place, name) in result.contenders.iter().enumerate() {
                let seen = result.integrity(place);
                if !seen.holds() {
                    lines += &format!("- {name} in `{}`: {}\n", result.case.key, seen.faults());
                }
            }
        }
        lines
    }

    /// The command that repeats it, without paths of this machine.
    fn command(&self) -> String {
        let Arguments { contenders, peers, scenarios, tls, http2, runs, quick, write, section, .. } = self.arguments;
        let section = Some(section).filter(|name| *name != "bench");
        CommandLine::of("fanload bench")
            .options("contender", contenders)
            .options("scenario", scenarios)
            .flag("peers", *peers)
            .flag("tls", *tls)
            .flag("http2", *http2)
            .options("runs", runs)
            .flag("quick", *quick)
            .options("write", write.as_ref().map(|path| path.display()))
            .options("section", section)
            .to_string()
    }

    fn json(&self) -> serde_json::Value {
        let cases = self.results.iter().map(|result| {
            let runs = result
                .runs()
                .map(|(name, round, outcome)| json!({"contender": name, "round": round, "outcome": outcome}));
            let figures = result.case.figures.iter().map(|figure| {
                let scores = result.contenders.iter().enumerate().map(|(place, &name)| {
                    let score = result.score(figure, place);
                    (name.to_owned(), json!({"value": score.value, "ratio_to_floor": score.ratio}))
                });
                json!({"figure": figure.label, "contenders": scores.collect::<serde_json::Map<_, _>>()})
            });
            json!({
                "name": result.case.key,
                "title": result.case.title(),
                "figures": figures.collect::<Vec<_>>(),
                "runs": runs.collect::<Vec<_>>(),
                "unable": result.unable().collect::<std::collections::BTreeMap<_, _>>(),
            })
        });
        json!({
            "date": machine::now(),
            "commit": machine::commit(),
            "machine": Machine::here(),
            "cores": self.cores,
            "command": self.command(),
            "contenders": self.names.iter().zip(self.descriptions).collect::<std::collections::BTreeMap<_, _>>(),
            "cases": cases.collect::<Vec<_>>(),
        })
    }
}
