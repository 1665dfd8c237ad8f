//! One worker process.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};

use super::message::{Answer, Order};
use super::plan::Plan;

/// One worker process. Dropping it kills it: a worker has nothing to put in order.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    input: ChildStdin,
    reader: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts worker `index`; what it says goes to `answers`, its end too.
    pub(super) fn start(
        program: &Path,
        index: usize,
        plan: &Plan,
        answers: SyncSender<(usize, Result<Answer>)>,
    ) -> Result<Self> {
        let child = Command::new(program).arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot start a worker: {}", program.display()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).context("a worker without standard input or output")?;
        let reader = std::thread::spawn(move || read_all(index, output, &answers));
        let mut worker = Self { child, input, reader: Some(reader) };
        worker.send(&serde_json::to_string(plan)?)?;
        Ok(worker)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn order(&mut self, order: &Order) -> Result<()> {
        self.send(&serde_json::to_string(order)?)
    }

    fn send(&mut self, line: &str) -> Result<()> {
        self.input.write_all(format!("{line}\n").as_bytes()).context("a worker has ended")
    }
}

fn read_all(index: usize, output: ChildStdout, answers: &SyncSender<(usize, Result<Answer>)>) {
    for line in BufReader::new(output).lines() {
        let answer = line.context("it cannot be heard");
        let answer = answer.and_then(|line| serde_json::from_str(&line).context("it says something else"));
        if answers.send((index, answer)).is_err() {
            return;
        }
    }
    // Without a conductor that listens the end of the worker is as it should be.
    let _ = answers.send((index, Err(anyhow!("it ended"))));
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself; both calls are then harmless.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The reader ends with the worker's output, unless it waits to say something: the conductor does not listen by then.
        drop(self.reader.take());
    }
}
