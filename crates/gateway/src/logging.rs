//! Structured logs on standard error.

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use crate::config::{Log, LogFormat, LogLevel};

/// Changes what is logged while the process runs.
#[derive(Clone, Debug)]
pub struct LogControl(reload::Handle<EnvFilter, Registry>);

impl LogControl {
    /// Sets a new level. Takes effect at once for every thread.
    ///
    /// # Errors
    /// A level that is no level (the configuration has refused it before).
    pub fn set_level(&self, level: &LogLevel) -> anyhow::Result<()> {
        self.0.reload(EnvFilter::try_new(&level.0)?)?;
        Ok(())
    }
}

/// Installs the process's only subscriber.
///
/// # Errors
/// When there is one already, or the level is no level.
pub fn install(log: &Log) -> anyhow::Result<LogControl> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&log.level.0)?);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => registry.with(layer.with_ansi(is_terminal())).try_init()?,
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_current_span(false)).try_init()?,
    }
    Ok(LogControl(handle))
}

fn is_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
