//! Structured logs on standard error, written by a thread of their own.

mod pipe;

use tracing::error;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

pub use pipe::LogPipe;

use crate::config::{Log, LogFormat, LogLevel};

/// Changes what is logged while the process runs, and sees to it that the last lines are written.
#[derive(Clone, Debug)]
pub struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
    pipe: LogPipe,
}

impl LogControl {
    /// Sets a new level. Takes effect at once for every thread.
    ///
    /// # Errors
    /// A level that is no level (the configuration has refused it before).
    pub fn set_level(&self, level: &LogLevel) -> anyhow::Result<()> {
        self.filter.reload(filter(level)?)?;
        Ok(())
    }

    /// The lines on their way to standard error.
    #[must_use]
    pub const fn pipe(&self) -> &LogPipe {
        &self.pipe
    }
}

/// Installs the process's only subscriber, and reports panics through it. From here on nothing else may write to standard
/// error: it would wait for whoever reads it.
///
/// # Errors
/// When there is a subscriber already, the level is no level, or the writer's thread cannot be started.
pub fn install(log: &Log) -> anyhow::Result<LogControl> {
    let pipe = LogPipe::to_standard_error()?;
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(pipe.clone()).log_internal_errors(false);
    match log.format {
        LogFormat::Text => registry.with(layer.with_ansi(is_terminal())).try_init()?,
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_current_span(false)).try_init()?,
    }
    report_panics(pipe.clone());
    Ok(LogControl { filter: handle, pipe })
}

/// What is written at a level: everything of it, but for what a library says of requests that it cannot read. `h2` repeats their path, with the
/// token or the ticket in it.
fn filter(level: &LogLevel) -> anyhow::Result<EnvFilter> {
    Ok(EnvFilter::try_new(&level.0)?.add_directive("h2::server=off".parse()?))
}

/// The standard hook would wait for whoever reads standard error, and the process would not end.
fn report_panics(pipe: LogPipe) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let said = panic.payload_as_str().unwrap_or("no message");
        // Empty unless RUST_BACKTRACE asks for one.
        let backtrace = std::backtrace::Backtrace::capture();
        match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => error!(place, %backtrace, "a thread panicked: {said}"),
            _ => error!(place, "a thread panicked: {said}"),
        }
        pipe.flush();
    }));
}

fn is_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
