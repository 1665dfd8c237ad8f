//! What a check says, for people.

use std::fmt;

use super::advice::Advice;

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Works, but something is weaker or slower than it could be.
    Warn,
    /// A node cannot work like this.
    Fail,
}

impl Grade {
    /// `ok`, `warn` or `fail`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How good or bad it is.
    pub grade: Grade,
    /// What was looked at, in a word.
    pub what: &'static str,
    /// What was found and what follows from it.
    pub finding: String,
    /// What to run in a shell; empty when there is nothing to run.
    pub run: String,
}

/// All findings, in the order in which they were made. `Display` is the text for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings.
    pub lines: Vec<Line>,
    /// For which server and user commands are given.
    advice: Advice,
    /// Commands that the server does not have: nothing advises them.
    lacking: Vec<&'static str>,
}

impl Report {
    /// The worst grade of all.
    #[must_use]
    pub fn worst(&self) -> Grade {
        self.lines.iter().map(|line| line.grade).max().unwrap_or(Grade::Ok)
    }

    /// An empty report on a server.
    pub(super) fn on(advice: Advice) -> Self {
        Self { lines: Vec::new(), advice, lacking: Vec::new() }
    }

    /// The server does not have this command.
    pub(super) fn lacks(&mut self, command: &'static str) {
        self.lacking.push(command);
    }

    /// What gives the node's user these ACL rules.
    pub(super) fn allow<'a>(&self, rules: impl IntoIterator<Item = &'a str>) -> String {
        self.advice.allow(rules)
    }

    pub(super) fn ok(&mut self, what: &'static str, finding: impl fmt::Display) {
        self.say(Grade::Ok, what, finding, "");
    }

    pub(super) fn warn(&mut self, what: &'static str, finding: impl fmt::Display, run: &str) {
        self.say(Grade::Warn, what, finding, run);
    }

    pub(super) fn fail(&mut self, what: &'static str, finding: impl fmt::Display, run: &str) {
        self.say(Grade::Fail, what, finding, run);
    }

    fn say(&mut self, grade: Grade, what: &'static str, finding: impl fmt::Display, run: &str) {
        let mut finding = finding.to_string();
        let mut words = run.split(' ').skip_while(|word| *word == "redis-cli" || word.starts_with('-'));
        let lacking = words.next().filter(|command| self.lacking.contains(command));
        if let Some(command) = lacking {
            finding
                .push_str(&format!(" (this service has no {command}: it is changed where the service is configured)"));
        }
        let run = if lacking.is_some() { String::new() } else { self.advice.here(run) };
        self.lines.push(Line { grade, what, finding, run });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{:<5} {:<14} {}", line.grade.as_str(), line.what, line.finding)?;
            if !line.run.is_empty() {
                writeln!(f, "{:<5} {:<14} run: {}", "", "", line.run)?;
            }
        }
        Ok(())
    }
}
