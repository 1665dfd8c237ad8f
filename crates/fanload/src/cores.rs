//! Which cores do what.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

/// The cores for the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cores {
    /// For the server alone.
    pub(crate) server: usize,
    /// For clients, publisher and Redis.
    pub(crate) others: usize,
}

impl Cores {
    /// Two of the cores that this process may use. The server gets the last one: the first takes most interrupts.
    ///
    /// # Errors
    /// When there are fewer than two.
    pub(crate) fn choose() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("/proc/self/status cannot be read")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
        let cores = parse_list(list.trim());
        match (cores.first(), cores.last()) {
            (Some(&others), Some(&server)) if others != server => Ok(Self { server, others }),
            _ => bail!(
                "two cores are needed, one for the server and one for the clients; this process may use '{}'",
                list.trim()
            ),
        }
    }

    /// Keeps this process, and whatever it starts, to the core of clients and helpers.
    ///
    /// # Errors
    /// When `taskset` (util-linux) is missing or refuses.
    pub(crate) fn keep_to_others(self) -> Result<()> {
        let (core, pid) = (self.others.to_string(), std::process::id().to_string());
        let output = Command::new("taskset").args(["-cp", &core, &pid]).output();
        let output = output.context("cannot run taskset: apt-get install util-linux")?;
        if !output.status.success() {
            bail!("taskset -cp {core} {pid}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

/// `0-2,5` as numbers.
fn parse_list(list: &str) -> Vec<usize> {
    let ranges = list.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_numbers_and_ranges() {
        assert_eq!(parse_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parse_list("3"), [3]);
        assert_eq!(parse_list(""), [0; 0]);
    }
}
