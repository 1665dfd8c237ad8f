//! The version that a program tells.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// The first line that `program` prints when its argument is `argument`, for example `--version`.
///
/// # Errors
/// When it cannot be run; `package` says where it comes from.
pub(super) fn told_by(program: &Path, argument: &str, package: &str) -> Result<String> {
    let output = Command::new(program).arg(argument).output();
    let output = output.with_context(|| format!("cannot run {}: {package}", program.display()))?;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned())
}
