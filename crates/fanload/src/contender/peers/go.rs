//! What programs in Go have in common.

use std::path::Path;
use std::process::Command;

/// Settings of Go's runtime: the garbage collector, memory and threads.
const SETTINGS: [&str; 5] = ["GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG", "GOEXPERIMENT"];

/// How `make bench-peers` gets a program, for the message that it is missing.
pub(super) const INSTALL: &str = "make bench-peers builds it with Go from scripts/peers";

/// A command of `program` at the defaults of Go's runtime: what the person who measures has set is not for it.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in SETTINGS {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when nothing is taken out of the environment.
    #[test]
    fn the_collector_runs_at_its_default() {
        let command = command(Path::new("a-program"));
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert!(SETTINGS.iter().all(|name| removed.contains(&std::ffi::OsStr::new(name))), "{removed:?}");
    }
}
