//! The commands that documents tell their readers to type: targets of make and their variables, packages and tests of cargo, jobs of xtask.
//!
//! Options of `fanfare`, `fanload` and `chaos` are looked up by tests of those programs, in their own help (`usage.rs`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::documents::{commands, documents, is_variable};

/// One sentence for each command that names what is not there.
pub(crate) fn check(root: &Path, jobs: &[&str]) -> Result<Vec<String>> {
    let makefile = fs::read_to_string(root.join("Makefile")).context("Makefile")?;
    let (targets, variables) = (targets(&makefile), variables(&makefile));
    let packages = packages(root)?;
    let mut problems = Vec::new();
    let mut count = 0;
    for file in documents(root)? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root).unwrap_or(&file).display();
        for words in commands(&text, "make") {
            count += 1;
            let wrong = unknown_to_make(&words, &targets, &variables);
            problems.extend(wrong.map(|word| format!("{name}: the Makefile has no {word}: make {}", words.join(" "))));
        }
        for words in commands(&text, "cargo") {
            count += 1;
            let wrong = unknown_to_cargo(&words, &packages, jobs);
            problems.extend(wrong.map(|word| format!("{name}: there is no {word}: cargo {}", words.join(" "))));
        }
    }
    println!("commands: {count}");
    Ok(problems)
}

/// The targets of a Makefile.
fn targets(makefile: &str) -> BTreeSet<&str> {
    let is_name = |name: &&str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    makefile.lines().filter_map(|line| Some(line.split_once(':')?.0)).filter(is_name).collect()
}

/// What a Makefile names like a variable: those of its scripts stand in the help of their targets.
fn variables(makefile: &str) -> BTreeSet<&str> {
    makefile.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| is_variable(word)).collect()
}

/// The packages of the workspace, with the directories where they are.
fn packages(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("crates")).context("crates")? {
        let directory = entry?.path();
        let manifest =
            fs::read_to_string(directory.join("Cargo.toml")).with_context(|| directory.display().to_string())?;
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        found.extend(name.map(|name| (name.to_owned(), directory)));
    }
    Ok(found)
}

fn unknown_to_make<'a>(words: &'a [String], targets: &BTreeSet<&str>, variables: &BTreeSet<&str>) -> Option<&'a str> {
    // Behind a redirection stands no target.
    let mut words = words.iter().map(String::as_str).take_while(|word| !word.contains('>'));
    let is_known = |word: &str| match word.split_once('=') {
        Some((name, _)) => variables.contains(name),
        None => targets.contains(word),
    };
    // A value with spaces is several words.
    let mut quoted = false;
    words.find(|word| {
        let was_quoted = quoted;
        quoted ^= word.matches('"').count() % 2 == 1;
        !was_quoted && !is_known(word)
    })
}

fn unknown_to_cargo<'a>(words: &'a [String], packages: &[(String, PathBuf)], jobs: &[&str]) -> Option<&'a str> {
    let behind =
        |flag: &str| words.iter().position(|word| word == flag).and_then(|at| words.get(at + 1)).map(String::as_str);
    if words.first().is_some_and(|word| word == "xtask") {
        return words.get(1).map(String::as_str).filter(|job| !jobs.contains(job));
    }
    let package = behind("-p")?;
    let Some((_, directory)) = packages.iter().find(|(name, _)| name == package) else {
        return Some(package);
    };
    let exists = |folder: &str, name: &str| {
        let stem = directory.join(folder).join(name);
        stem.with_extension("rs").exists() || stem.join("main.rs").exists()
    };
    let kinds = [("--test", "tests"), ("--example", "examples")];
    kinds.into_iter().find_map(|(flag, folder)| behind(flag).filter(|name| !exists(folder, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &str) -> Vec<String> {
        command.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn make_knows_its_targets_and_variables() {
        let makefile =
            "CARGO ?= cargo\nrun: ## A page (ORIGIN=http://127.0.0.1:3000)\n\t@true $(NAME)\ncheck-it: run\n";
        let unknown = |command: &str| {
            unknown_to_make(&words(command), &targets(makefile), &variables(makefile)).map(str::to_owned)
        };
        for good in ["run", "run check-it NAME=…", "run NAME=\"a b\" ORIGIN=x", "run > file"] {
            assert_eq!(unknown(good), None, "{good}");
        }
        assert_eq!(unknown("runs").as_deref(), Some("runs"));
        assert_eq!(unknown("run CLIENTS=3").as_deref(), Some("CLIENTS=3"));
    }

    #[test]
    fn cargo_knows_its_packages_tests_and_jobs() {
        let root = crate::root();
        let packages = packages(&root).unwrap();
        let unknown = |command: &str| unknown_to_cargo(&words(command), &packages, &["check"]).map(str::to_owned);
        for good in ["xtask check", "build --release -p fanfare", "test -p fanfare --test cli -- x", "metadata"] {
            assert_eq!(unknown(good), None, "{good}");
        }
        assert_eq!(unknown("xtask cheque").as_deref(), Some("cheque"));
        assert_eq!(unknown("run -p gateway").as_deref(), Some("gateway"));
        assert_eq!(unknown("test -p fanfare --test clip").as_deref(), Some("clip"));
        assert_eq!(unknown("run -p fanfare --example none").as_deref(), Some("none"));
    }

    #[test]
    fn every_command_of_the_documents_is_there() {
        assert_eq!(check(&crate::root(), crate::JOBS).expect("documents"), Vec::<String>::new());
    }
}
