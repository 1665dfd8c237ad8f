//! A child process that does not outlive its owner.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long a process may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(5);

/// A child process; dropping it sends SIGTERM and, after five seconds, SIGKILL.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`, on `core` alone if one is named, without standard input and with its output in the file `log`.
    /// Its arguments, environment and working directory count; redirections of the command itself do not.
    ///
    /// The kernel ends the child also when the *thread* that calls this ends, so call it on one that lasts.
    ///
    /// # Errors
    /// When the program cannot be started; the message names it.
    pub fn start(command: &Command, core: Option<usize>, log: &Path) -> Result<Self> {
        let mut wrapped = Command::new("setpriv");
        // This process may be killed and then cannot end the child itself.
        wrapped.args(["--pdeathsig", "TERM"]);
        if let Some(core) = core {
            wrapped.args(["taskset", "-c", &core.to_string()]);
        }
        wrapped.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            wrapped.current_dir(directory);
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let log = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let second = log.try_clone().context("cannot open the log twice")?;
        let child = wrapped.stdin(Stdio::null()).stdout(log).stderr(second).spawn();
        let child = child.with_context(|| format!("cannot start {program} with setpriv and taskset (util-linux)"))?;
        Ok(Self { child })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.runs() {
            return;
        }
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let deadline = Instant::now() + PATIENCE;
        while self.runs() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        // It has ended, or it does not listen; both calls are harmless in the first case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
