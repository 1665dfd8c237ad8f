//! What was measured on: the machine, the time and the commit.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// What was measured on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// The model of its processors.
    pub(crate) cpu: String,
    /// How many cores it has.
    pub(crate) cores: usize,
    /// Whether it says that it is a virtual machine.
    pub(crate) virtual_machine: bool,
    /// Memory in GiB.
    pub(crate) memory_gib: f64,
    /// Name and version of the distribution.
    pub(crate) system: String,
    /// The version of Linux.
    pub(crate) kernel: String,
}

impl Machine {
    /// This machine. What it does not tell is left empty.
    pub(crate) fn here() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let memory = read("/proc/meminfo")
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        let system = read("/etc/os-release");
        let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
        Self {
            cpu: field("model name"),
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            virtual_machine: field("flags").split(' ').any(|flag| flag == "hypervisor"),
            memory_gib: memory.unwrap_or(0.0) / 1_048_576.0,
            system: system.trim_matches('"').to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        let kind = if self.virtual_machine { " (virtual machine)" } else { "" };
        let Self { cpu, cores, memory_gib, system, kernel, .. } = self;
        format!("{cpu}, {cores} cores{kind}, {memory_gib:.0} GiB, {system}, Linux {kernel}")
    }
}

/// A word of warning when others keep the machine busy.
pub(crate) fn warn_if_busy() -> Option<String> {
    let load: f64 = read("/proc/loadavg").split(' ').next()?.parse().ok()?;
    (load > 0.5).then(|| format!("the machine is busy (load {load:.2}): figures will be worse and spread more"))
}

/// The date and time in UTC, to the minute.
pub(crate) fn now() -> String {
    said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default()
}

/// The commit that the working directory stands at, with a `+` if something in it was changed; `None` outside a checkout.
pub(crate) fn commit() -> Option<String> {
    let commit = said_by("git", &["rev-parse", "--short=9", "HEAD"])?;
    let changed = said_by("git", &["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}+") })
}

/// What a table of figures begins with: when, on what and with which commit they were measured.
pub(crate) fn heading() -> String {
    let commit = commit().map_or(String::new(), |commit| format!("Commit {commit}. "));
    format!("{}, on {}.\n{commit}", now(), Machine::here().describe())
}

fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_says_what_it_is() {
        let machine = Machine::here();
        assert!(machine.cores > 0 && machine.memory_gib > 0.1 && !machine.kernel.is_empty(), "{machine:?}");
        assert!(machine.describe().contains("Linux"));
    }
}
