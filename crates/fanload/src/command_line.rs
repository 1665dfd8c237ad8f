//! The command that repeats a measurement.

use std::fmt;

/// A command with its options, in the order in which they were added.
pub(crate) struct CommandLine(String);

impl CommandLine {
    pub(crate) fn of(command: &str) -> Self {
        Self(command.to_owned())
    }

    /// Adds an option once for each of these values.
    pub(crate) fn options<T: fmt::Display>(mut self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        values.into_iter().for_each(|value| self.0 += &format!(" --{name} {value}"));
        self
    }

    /// Adds a flag if it was given.
    pub(crate) fn flag(mut self, name: &str, is_given: bool) -> Self {
        if is_given {
            self.0 += &format!(" --{name}");
        }
        self
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_repeats_what_was_given_and_nothing_else() {
        let command = CommandLine::of("fanload bench").options("scenario", ["idle", "burst"]).options("runs", Some(3));
        let command = command.options("section", None::<&str>).flag("quick", true).flag("peers", false);
        assert_eq!(command.to_string(), "fanload bench --scenario idle --scenario burst --runs 3 --quick");
    }
}
