//! The options and subcommands that documents give a program are those of its own help. Tests of the programs include this file.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::documents::{commands, documents};

/// One sentence for each command of a document that this program would not understand.
///
/// # Errors
/// No document names the program, or it cannot be run.
pub(crate) fn check(root: &Path, program: &str, binary: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut count = 0;
    for file in documents(root)? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root).unwrap_or(&file).display();
        for words in commands(&text, program) {
            count += 1;
            if let Some(why) = misunderstood(binary, &words)? {
                problems.push(format!("{name}: {why}: {program} {}", words.join(" ")));
            }
        }
    }
    if count == 0 {
        bail!("no document names {program}: what is looked for?");
    }
    Ok(problems)
}

/// Why a program would not understand these words, as far as its help tells: values are not looked at.
fn misunderstood(binary: &Path, words: &[String]) -> Result<Option<String>> {
    let is_subcommand = |word: &&String| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let leading = words.iter().take_while(|word| !word.starts_with('-')).take_while(is_subcommand);
    let output = Command::new(binary).args(leading).arg("--help").output().context("the program's help")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Ok(Some(said.lines().next().unwrap_or("no help").to_owned()));
    }
    let help = String::from_utf8_lossy(&output.stdout);
    let known: Vec<_> = help.split(|c: char| c.is_whitespace() || ",[]=".contains(c)).collect();
    let options = words.iter().flat_map(|word| word.split('|')).filter(|word| word.starts_with("--"));
    let mut names = options.map(|word| word.split('=').next().unwrap_or(word));
    Ok(names.find(|name| !known.contains(name)).map(|name| format!("no option {name}")))
}
