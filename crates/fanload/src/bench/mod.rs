//! All scenarios for several contenders, measured so that their figures can be compared.
//!
//! A figure on its own says more about the machine than about the server. So every case is run by every contender in
//! turns (A B B A …), each time with freshly started processes, the server alone on one core; a figure is the median of
//! the runs with their extremes, and beside it stands its ratio to the floor's figure of the same round.

mod arguments;
mod case;
mod cases;
mod figure;
mod goal;
mod results;
mod schedule;
mod score;
mod summary;
mod table;
mod wired;

use std::time::Instant;

use anyhow::{Context as _, Result, bail};

pub use arguments::Arguments;

use crate::contender::{Contender, Fanfare, Floor, Place, Unable, Wire, peers};
use crate::cores::Cores;
use crate::machine;
use crate::scenario::{Outcome, Scenario, can_ask, run_scenario};
use crate::stage::Stage;
use case::Case;
use results::CaseResults;
use summary::Summary;

/// Open files of a server that are no connections of clients.
const SPARE_DESCRIPTORS: usize = 200;

/// Runs everything and prints it. `false`: a contender broke what it promises; nothing is written into documents then.
///
/// # Errors
/// When a server or tool is missing, a run fails, or on Ctrl-C. What has been measured until then is printed to standard
/// error.
pub fn run(arguments: &Arguments, stage: &Stage) -> Result<bool> {
    let contenders = chosen_contenders(arguments, stage)?;
    let names: Vec<&'static str> = contenders.iter().map(|contender| contender.name()).collect();
    let mut results: Vec<CaseResults> = chosen_cases(arguments)?
        .into_iter()
        .map(|case| enter(case, &contenders, arguments.rounds()))
        .filter(|result| !result.contenders.is_empty())
        .collect();
    check_descriptors(&results)?;
    let cores = Cores::choose()?;
    cores.keep_to_others()?;
    let mut bench = Bench {
        stage,
        cores,
        contenders,
        descriptions: vec![String::new(); names.len()],
        done: 0,
        begun: Instant::now(),
    };
    bench.say(&machine::warn_if_busy().unwrap_or_default());
    let measured = bench.run_all(&mut results);
    let summary = Summary { cores, names: &names, descriptions: &bench.descriptions, results: &results, arguments };
    if let Err(error) = measured {
        eprintln!("{}", summary.text());
        return Err(error);
    }
    summary.publish()
}

/// A case with those who take part, and with the reasons of those who cannot.
fn enter(case: Case, contenders: &[Box<dyn Contender>], rounds: usize) -> CaseResults {
    let (mut names, mut excluded) = (Vec::new(), Vec::new());
    for contender in contenders {
        let obstacle = contender.cannot(case.scenario).or_else(|| contender.cannot_speak(case.wire));
        match obstacle {
            _ if case.fanfare_only && contender.name() != results::FANFARE => {}
            Some(why) => excluded.push((contender.name(), why)),
            None => names.push(contender.name()),
        }
    }
    CaseResults::new(case, names, rounds).without(excluded)
}

struct Bench<'a> {
    stage: &'a Stage,
    cores: Cores,
    contenders: Vec<Box<dyn Contender>>,
    /// By contender, as it described itself when it was last started.
    descriptions: Vec<String>,
    done: usize,
    begun: Instant,
}

impl Bench<'_> {
    fn run_all(&mut self, results: &mut [CaseResults]) -> Result<()> {
        let total: usize = results.iter().map(|result| result.contenders.len() * result.rounds()).sum();
        for result in results {
            self.say(&format!("{}: {}", result.case.key, result.case.title()));
            for (round, place) in schedule::turns(result.contenders.len(), result.rounds()) {
                self.stage.check()?;
                let name = result.contenders[place];
                if !result.takes_part(place) {
                    continue;
                }
                let outcome = self.run_once(&result.case, name);
                if let Some(Unable(why)) = outcome.as_ref().err().and_then(|error| error.downcast_ref()) {
                    self.say(&format!("  {name} does not take part: {why}"));
                    result.withdraw(place, why.clone());
                    continue;
                }
                let outcome = outcome.with_context(|| format!("{}, {name}, run {}", result.case.key, round + 1))?;
                self.done += 1;
                self.say(&format!("  {:>3}/{total}  {}", self.done, self.one_line(&result.case, name, &outcome)));
                result.put(place, round, outcome);
            }
        }
        Ok(())
    }

    /// One run against freshly started processes.
    fn run_once(&mut self, case: &Case, name: &str) -> Result<Outcome> {
        if case.scenario == Scenario::Requests && !can_ask() {
            bail!(Unable("h2load is not installed: scripts/setup.sh h2load (Debian: nghttp2-client)".to_owned()));
        }
        let index =
            self.contenders.iter().position(|contender| contender.name() == name).context("no such contender")?;
        let directory = tempfile::Builder::new().prefix("fanload-").tempdir().context("no temporary directory")?;
        let place = Place {
            server_core: Some(self.cores.server),
            helper_core: Some(self.cores.others),
            directory: directory.path().to_owned(),
            settings: case.settings,
            wire: case.wire,
        };
        let running = self.contenders[index].start(&place)?;
        self.descriptions[index].clone_from(&running.description);
        run_scenario(case.scenario, &case.parameters, &running.target, &running.server_pids, self.stage)
    }

    fn one_line(&self, case: &Case, name: &str, outcome: &Outcome) -> String {
        let figures = case
            .figures
            .iter()
            .filter_map(|figure| Some(format!("{} {:.*}", figure.label, figure.decimals, (figure.read)(outcome)?)));
        let figures = figures.collect::<Vec<_>>().join("; ");
        let broken = if outcome.integrity.holds() { "" } else { "  INTEGRITY BROKEN" };
        format!("{:>4} s  {name}: {figures}{broken}", self.begun.elapsed().as_secs())
    }

    fn say(&self, line: &str) {
        if self.stage.progress && !line.is_empty() {
            eprintln!("{line}");
        }
    }
}

/// Servers inherit this process's limit of open files and need one for each connection.
fn check_descriptors(results: &[CaseResults]) -> Result<()> {
    let (_, limit) = crate::descriptors::raise()?;
    let connections = results.iter().map(|result| result.case.parameters.connections).max().unwrap_or(0);
    if limit < (connections + SPARE_DESCRIPTORS) as u64 {
        bail!(
            "a server needs {connections} open files and some more, and the limit is {limit}: raise it (ulimit -Hn, \
             /etc/security/limits.conf), or choose cases with fewer connections (--scenario)"
        );
    }
    Ok(())
}

fn chosen_contenders(arguments: &Arguments, stage: &Stage) -> Result<Vec<Box<dyn Contender>>> {
    let fanfare = arguments.fanfare.clone().unwrap_or_else(|| stage.program.with_file_name("fanfare"));
    let mut known: Vec<Box<dyn Contender>> =
        vec![Box::new(Floor::new(stage.program.clone())), Box::new(Fanfare::new(fanfare))];
    known.extend(peers::all());
    let names: Vec<&str> = known.iter().map(|contender| contender.name()).collect();
    if let Some(unknown) = arguments.contenders.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("there is no contender '{unknown}'; there are {}", names.join(", "));
    }
    let wanted = |name: &str| match arguments.contenders.as_slice() {
        [] => arguments.peers || [results::FLOOR, results::FANFARE].contains(&name),
        chosen => chosen.iter().any(|each| each == name),
    };
    Ok(known.into_iter().filter(|contender| wanted(contender.name())).collect())
}

fn chosen_cases(arguments: &Arguments) -> Result<Vec<Case>> {
    let (size, wire) = (arguments.size(), arguments.wire());
    let mut cases = if wire == Wire::default() { cases::all(size) } else { cases::over(size, wire) };
    // Over a wire `fanout` is `tls-fanout`: either name will do.
    let is_called = |case: &Case, name: &str| case.key == name || case.key.strip_suffix(name) == Some(wire.prefix());
    if let Some(unknown) = arguments.scenarios.iter().find(|name| !cases.iter().any(|case| is_called(case, name))) {
        let keys: Vec<&str> = cases.iter().map(|case| case.key.as_str()).collect();
        bail!("there is no scenario '{unknown}'; there are {}", keys.join(", "));
    }
    if !arguments.scenarios.is_empty() {
        cases.retain(|case| arguments.scenarios.iter().any(|name| is_called(case, name)));
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A summary of these cases for all contenders, of which nothing has run.
    fn summary(scenarios: &[&str]) -> String {
        let arguments = Arguments {
            contenders: Vec::new(),
            peers: true,
            scenarios: scenarios.iter().map(|&name| name.to_owned()).collect(),
            tls: false,
            http2: false,
            runs: Some(1),
            quick: true,
            fanfare: None,
            json: false,
            write: None,
            section: "peers".to_owned(),
        };
        let contenders = chosen_contenders(&arguments, &Stage::new(false).unwrap()).unwrap();
        let names: Vec<_> = contenders.iter().map(|contender| contender.name()).collect();
        let descriptions = vec![String::new(); names.len()];
        let cases = chosen_cases(&arguments).unwrap().into_iter();
        let results: Vec<_> = cases.map(|case| enter(case, &contenders, 1)).collect();
        let cores = Cores { server: 1, others: 0 };
        Summary { cores, names: &names, descriptions: &descriptions, results: &results, arguments: &arguments }.text()
    }

    // Seen to fail when those who cannot take part are left out without a word.
    #[test]
    fn who_cannot_take_part_is_named_with_the_reason_once() {
        let text = summary(&["fanout", "storm", "storm-cold"]);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("- centrifugo does not")).collect();
        let why = "uni_sse sends no id, so a plain EventSource gets nothing of what it missed";
        assert_eq!(lines, [format!("- centrifugo does not take part in `storm`, `storm-cold`: {why}")], "{text}");
        assert!(!text.contains("mercure does not take part"), "{text}");
    }

    #[test]
    fn a_case_that_is_about_fanfare_needs_no_excuse() {
        let text = summary(&["full"]);
        assert!(!text.contains("does not take part"), "{text}");
    }
}
