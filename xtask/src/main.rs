//! `cargo xtask check`: what the compiler cannot check about this repository.
//!
//! - `circles`: no files of a crate use each other in a circle.
//! - `edges`: which crate may depend on which. The four inner edges are the architecture.
//! - `deny`: makes the bans in `deny.toml` from the same table; `check` says when they are stale.
//! - `shipped`: what is shipped is built without the scaffolding of tests.
//! - `figures`: what documents quote from the tables of docs/performance.md is what stands there; `check` says when it is stale.
//! - `links`: every relative link in a Markdown file leads to a file, and its anchor to a heading.
//! - `commands`: targets of make, packages of cargo and jobs of this program that documents name are there.
//! - `names`: so are metrics and configuration keys.

mod circles;
mod commands;
mod deny;
mod documents;
mod edges;
mod figures;
mod links;
mod names;
mod paths;
mod shipped;
mod tokens;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

/// What this program can be asked for.
const JOBS: &[&str] = &["check", "circles", "edges", "deny", "shipped", "links", "commands", "names", "figures"];

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
            problems.extend(check_shipped(&root)?);
            problems.extend(circles::check(&root)?);
            problems.extend(links::check(&root)?);
            problems.extend(commands::check(&root, JOBS)?);
            problems.extend(names::check(&root)?);
            problems.extend(figures::check(&root)?);
            Ok(problems)
        }
        "circles" => circles::check(&root),
        "edges" => Ok(edges::check(&crates(&root)?)),
        "deny" => deny::write(&root, &crates(&root)?).map(|()| Vec::new()),
        "shipped" => check_shipped(&root),
        "links" => links::check(&root),
        "commands" => commands::check(&root, JOBS),
        "names" => names::check(&root),
        "figures" => figures::write(&root).map(|()| Vec::new()),
        _ => bail!("usage: cargo xtask {}", JOBS.join(" | ")),
    }
}

fn crates(root: &Path) -> Result<Vec<edges::Crate>> {
    let crates = edges::parse(&cargo_metadata(root)?)?;
    println!("edges: {} crates", crates.len());
    Ok(crates)
}

fn check_shipped(root: &Path) -> Result<Vec<String>> {
    Ok(shipped::check(&cargo_tree(root, shipped::SHIPPED)?))
}

/// The ordinary dependencies of these packages, one on each line, with the features that they are built with together.
fn cargo_tree(root: &Path, packages: &[&str]) -> Result<String> {
    let packages = packages.iter().flat_map(|package| ["--package", package]);
    let tree = ["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", shipped::FORMAT];
    let arguments: Vec<_> = tree.into_iter().chain(packages).collect();
    String::from_utf8(cargo(root, &arguments)?).context("cargo tree printed something unexpected")
}

fn cargo_metadata(root: &Path) -> Result<Vec<u8>> {
    cargo(root, &["metadata", "--format-version", "1", "--no-deps", "--offline"])
}

/// What a command of cargo prints.
fn cargo(root: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let name = arguments[0];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root)
        .output()
        .with_context(|| format!("cargo {name} could not be started"))?;
    if !output.status.success() {
        bail!("cargo {name} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// The root of the repository: the directory above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
