//! What surrounds a scenario: the program that workers are made of, the person who watches, and Ctrl-C.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

/// What surrounds a scenario. One is made per process and used for all scenarios.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The `fanload` binary, which workers are started from.
    pub program: PathBuf,
    /// Whether progress is written to standard error.
    pub progress: bool,
    interrupted: Arc<AtomicBool>,
}

impl Stage {
    /// A stage whose workers are made of the running program. From now on Ctrl-C and SIGTERM end scenarios in order; a
    /// second one ends the process at once.
    ///
    /// # Errors
    /// When the program cannot be found or signals cannot be caught.
    pub fn new(progress: bool) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the running program")?;
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the first signal finds the flag down and only raises it.
            signal_hook::flag::register_conditional_shutdown(signal, 130, interrupted.clone())
                .and_then(|_| signal_hook::flag::register(signal, interrupted.clone()))
                .context("cannot catch signals")?;
        }
        Ok(Self { program, progress, interrupted })
    }

    /// Call it wherever something is waited for.
    ///
    /// # Errors
    /// When Ctrl-C or SIGTERM has come.
    pub fn check(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }
}
