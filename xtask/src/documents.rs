//! The documents of this repository, and what they tell their readers to type.
//!
//! Tests of the programs include this file: the options that a document names are those of the program's own help.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Directories that hold no documents of ours.
const SKIPPED: &[&str] = &["target", "node_modules", ".git", ".run"];

/// Every `*.md` file below `root`, in order.
pub(crate) fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_ref()) {
                collect(&path, files)?;
            }
        } else if name.ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}

/// The lines outside fenced blocks.
pub(crate) fn prose_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    })
}

/// The `code spans` of the prose.
pub(crate) fn spans(text: &str) -> impl Iterator<Item = &str> {
    prose_lines(text).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The commands of a document that run this program, as words: code spans that begin with it, and lines of its blocks of shell. What stands
/// before the program (`target/release/`, `FANFARE_BIN=…`) and behind the command (a comment, a pipe) is left out.
pub(crate) fn commands(text: &str, program: &str) -> Vec<Vec<String>> {
    let lines = shell_lines(text);
    let all = spans(text).map(str::to_owned).chain(lines.iter().flat_map(|line| parts(line)));
    all.filter_map(|command| words_of(&command, program)).collect()
}

/// The lines of blocks of shell, those that go on behind a backslash in one.
fn shell_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut in_shell, mut fenced, mut goes_on) = (false, false, false);
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fenced = !fenced;
            in_shell = fenced && language == "sh";
            continue;
        }
        if !in_shell {
            continue;
        }
        let here = line.strip_suffix('\\').unwrap_or(line);
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(here),
            None => lines.push(here.to_owned()),
        }
        goes_on = here.len() < line.len();
    }
    lines
}

/// The commands of a line of shell, without its comment. A separator in a quoted text is none, but no document has that before a program of ours.
fn parts(line: &str) -> Vec<String> {
    let line = if line.starts_with('#') { "" } else { line.split(" #").next().unwrap_or_default() };
    line.split(['|', ';', '&']).map(|part| part.trim().to_owned()).collect()
}

/// The words of a command that runs the program, itself left out, also by `cargo run -p PROGRAM --`. `None` for any other text.
fn words_of(command: &str, program: &str) -> Option<Vec<String>> {
    let mut words = command.split_whitespace().skip_while(|word| is_setting(word)).peekable();
    let first = words.next()?;
    let name = first.rsplit('/').next().unwrap_or(first);
    let is_run_by_cargo =
        name == "cargo" && words.peek() == Some(&"run") && command.contains(&format!(" -p {program} -- "));
    let words: Vec<_> = match is_run_by_cargo {
        true => words.skip_while(|word| *word != "--").skip(1).map(str::to_owned).collect(),
        false => words.map(str::to_owned).collect(),
    };
    // A program alone is its name, not a command.
    ((name == program || is_run_by_cargo) && !words.is_empty()).then_some(words)
}

/// `NAME=value` before a command.
fn is_setting(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_variable(name))
}

/// The name of a variable of make or the environment.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_in_spans_and_in_blocks_of_shell() {
        let text = "Run `make test` or `make`.\n`remake this`\n```sh\nmake run   # or not\n# make a difference\nA=1 \\\n  bin/make \\\n  x Y=2 | make z\n```\n\
                    ```text\nmake nothing\n```\n";
        let found = commands(text, "make");
        assert_eq!(commands("`cargo run --release -p one -- two --three`", "one"), [vec!["two", "--three"]]);
        assert_eq!(found, [vec!["test"], vec!["run"], vec!["x", "Y=2"], vec!["z"]]);
    }
}
