//! What strangers, large events and a slow link do to the other clients of a node.
//!
//! Each case starts a fresh node and a fresh Redis, measures clients that behave (the *others*) undisturbed and then under
//! an attack, and says both beside what the node's memory, its feed and Redis did. Attacks go to 127.0.0.1 only, and
//! are bounded in time and count.

mod arguments;
mod audience;
mod block;
mod case;
mod cases;
mod console;
mod figure;
mod http2;
mod link;
mod meters;
mod observation;
mod openings;
mod pace;
mod results;
mod run;
mod scene;
mod size;
mod socket;
mod stream;
mod summary;
mod voice;

use anyhow::{Context as _, Result, bail};

pub use arguments::Arguments;

use self::case::Case;
use self::results::Results;
use self::size::Size;
use self::summary::Summary;
use crate::contender::Fanfare;
use crate::cores::Cores;
use crate::machine;
use crate::stage::Stage;

/// Runs the cases and prints what they have shown. `false`: the others lost something, or got it twice. A target that is
/// missed only stands in the tables.
///
/// # Errors
/// When a server cannot be started, a run fails, a document cannot be written, or on Ctrl-C. What has been measured until then is
/// printed to standard error.
pub fn run(arguments: &Arguments, stage: &Stage) -> Result<bool> {
    let cases = chosen(&arguments.cases)?;
    let program = arguments.fanfare.clone().unwrap_or_else(|| stage.program.with_file_name("fanfare"));
    // The node runs in a directory of its own.
    let program = program.canonicalize().with_context(|| format!("no program {}", program.display()))?;
    let (fanfare, size) = (Fanfare::new(program), if arguments.quick { Size::Quick } else { Size::Full });
    crate::descriptors::raise()?;
    // On a single core everything shares it: the figures say less then.
    let cores = Cores::choose().ok();
    cores.map_or(Ok(()), Cores::keep_to_others)?;
    if let Some(warning) = machine::warn_if_busy() {
        eprintln!("{warning}");
    }
    let (mut node, mut all) = (String::new(), Vec::new());
    for case in cases {
        eprintln!("{}: {}", case.name, case.title);
        let mut runs = Vec::new();
        for number in 1..=arguments.runs {
            let done = run::once(&case, &fanfare, cores, size, stage);
            match done.with_context(|| format!("{}, run {number}", case.name)) {
                Ok((description, run)) => {
                    node = description;
                    runs.push(run);
                }
                Err(error) => {
                    all.iter().for_each(|results: &Results| eprintln!("{}", results.text()));
                    return Err(error);
                }
            }
        }
        all.push(Results::of(case.name, case.title, runs));
    }
    Summary { node: &node, cores, results: &all, arguments }.publish()
}

fn chosen(names: &[String]) -> Result<Vec<Case>> {
    let known = cases::ALL.map(|case| case.name);
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no case '{unknown}'; there are {}", known.join(", "));
    }
    let wanted = |case: &Case| names.is_empty() || names.iter().any(|name| name == case.name);
    Ok(cases::ALL.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn cases_are_chosen_by_name_and_all_without_one() {
        let names = |chosen: &[&str]| {
            let chosen: Vec<String> = chosen.iter().map(|&name| name.to_owned()).collect();
            super::chosen(&chosen).map(|cases| cases.iter().map(|case| case.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["flood", "crowd"]).unwrap(), ["flood", "crowd"]);
        assert_eq!(names(&[]).unwrap().len(), 14);
        assert!(names(&["storm"]).unwrap_err().to_string().contains("far-behind"));
    }
}
