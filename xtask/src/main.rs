//! `cargo xtask check`: what the compiler cannot check about this repository.
//!
//! - `edges`: which crate may depend on which. The four inner edges are the architecture.
//! - `deny`: makes the bans in `deny.toml` from the same table; `check` says when they are stale.
//! - `links`: every relative link in a Markdown file leads to a file, and its anchor to a heading.

mod deny;
mod edges;
mod links;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

fn main() -> ExitCode {
    let job = std::env::args().nth(1).unwrap_or_default();
    match run(&job) {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in &problems {
                eprintln!("error: {problem}");
            }
            eprintln!("xtask {job}: {} problem(s)", problems.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs one job and returns what it found wrong, one sentence each.
fn run(job: &str) -> Result<Vec<String>> {
    let root = root();
    match job {
        "check" => {
            let crates = crates(&root)?;
            let mut problems = edges::check(&crates);
            problems.extend(deny::check(&root, &crates)?);
            problems.extend(links::check(&root)?);
            Ok(problems)
        }
        "edges" => Ok(edges::check(&crates(&root)?)),
        "deny" => deny::write(&root, &crates(&root)?).map(|()| Vec::new()),
        "links" => links::check(&root),
        _ => bail!("usage: cargo xtask check | edges | deny | links"),
    }
}

fn crates(root: &Path) -> Result<Vec<edges::Crate>> {
    let crates = edges::parse(&cargo_metadata(root)?)?;
    println!("edges: {} crates", crates.len());
    Ok(crates)
}

fn cargo_metadata(root: &Path) -> Result<Vec<u8>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("cargo metadata could not be started")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// The root of the repository: the directory above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
