//! What surrounds a scenario: the program that workers are made of, the person who watches, and Ctrl-C.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

/// How long Ctrl-C may go unnoticed.
pub(crate) const GLANCE: Duration = Duration::from_millis(100);
/// What stands before the number of the signal in the exit code of a process that was asked to end, as shells have it.
const BY_SIGNAL: i32 = 128;

/// What surrounds a scenario. One is made per process and used for all scenarios.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The `fanload` binary, which workers are started from.
    pub program: PathBuf,
    /// Whether progress is written to standard error.
    pub progress: bool,
    /// The signal that has asked for an end; 0 for none.
    signal: Arc<AtomicUsize>,
}

impl Stage {
    /// A stage whose workers are made of the running program. From now on Ctrl-C and SIGTERM end scenarios in order; a
    /// second one ends the process at once.
    ///
    /// # Errors
    /// When the program cannot be found or signals cannot be caught.
    pub fn new(progress: bool) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the running program")?;
        let (asked, signal) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for name in [SIGINT, SIGTERM] {
            // The order matters: the first signal finds the flag down and only raises it.
            signal_hook::flag::register_conditional_shutdown(name, BY_SIGNAL + name, asked.clone())
                .and_then(|_| signal_hook::flag::register(name, asked.clone()))
                .and_then(|_| signal_hook::flag::register_usize(name, signal.clone(), name as usize))
                .context("cannot catch signals")?;
        }
        Ok(Self { program, progress, signal })
    }

    /// The exit code of a process that Ctrl-C or SIGTERM has asked to end: 128 and the number of the signal. `None` when
    /// neither has come.
    pub fn asked_to_end(&self) -> Option<u8> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            signal => u8::try_from(BY_SIGNAL as usize + signal).ok(),
        }
    }

    /// Call it wherever something is waited for.
    ///
    /// # Errors
    /// When Ctrl-C or SIGTERM has come.
    pub fn check(&self) -> Result<()> {
        if self.asked_to_end().is_some() {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Sleeps for `pause`.
    ///
    /// # Errors
    /// As [`check`](Self::check), within a tenth of a second.
    pub fn rest(&self, pause: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.check()?;
            let left = pause.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(GLANCE));
        }
    }
}
