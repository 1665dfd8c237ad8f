//! How it goes, on standard error: one line that is written over on a terminal, else a line every ten seconds.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(10);

/// A line of progress. Dropping it removes the line from a terminal.
#[derive(Debug)]
pub struct Screen {
    shown: bool,
    terminal: bool,
    begun: Instant,
    last: Instant,
    dirty: bool,
}

impl Screen {
    /// A screen that shows something only if `shown`.
    pub fn new(shown: bool) -> Self {
        let now = Instant::now();
        Self { shown, terminal: std::io::stderr().is_terminal(), begun: now, last: now, dirty: false }
    }

    /// Shows a line that stays.
    pub fn say(&mut self, line: &str) {
        if self.shown {
            let clear = if std::mem::take(&mut self.dirty) { "\r\x1b[K" } else { "" };
            // As below.
            let _ = writeln!(std::io::stderr(), "{clear}{:>5} s  {line}", self.begun.elapsed().as_secs());
        }
    }

    /// Shows `text` if it is time to.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        let pause = if self.terminal { ON_TERMINAL } else { ELSEWHERE };
        if !self.shown || self.last.elapsed() < pause {
            return;
        }
        self.last = Instant::now();
        let seconds = self.begun.elapsed().as_secs();
        let mut out = std::io::stderr().lock();
        // Progress that cannot be shown is no reason to stop.
        let _ = if self.terminal {
            self.dirty = true;
            write!(out, "\r\x1b[K{seconds:>5} s  {}", text()).and_then(|()| out.flush())
        } else {
            writeln!(out, "{seconds:>5} s  {}", text())
        };
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.dirty {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
