//! What a command writes to standard output and standard error, where it may be that nobody reads.
//!
//! The macros of the standard library panic when a pipe is closed, as `| head` does once it has enough.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

/// What a shell shows of a program that `SIGPIPE` ended: what others get that write into a closed pipe.
const EXIT_CLOSED_PIPE: u8 = 128 + 13;

/// Writes a text to standard output and ends with `code`: or, if nobody reads any more, as programs do then, without a word.
///
/// # Errors
/// Standard output does not take it for another reason: a full disk.
pub(crate) fn print(text: impl Display, code: ExitCode) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(code),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::from(EXIT_CLOSED_PIPE)),
        Err(error) => Err(anyhow::Error::new(error).context("standard output")),
    }
}

/// Tells on standard output what a command that goes on is doing. Nobody has to read it.
pub(crate) fn tell(line: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
}

/// Says on standard error what is wrong. The exit code says it as well, if nobody reads.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
