//! The conductor's side of the workers.

mod message;
mod plan;
mod total;
mod worker;

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use message::{Answer, Order, Progress, Report};
pub use plan::Plan;
pub use total::Total;

use self::worker::Worker;
use crate::publish::Span;
use crate::screen::Screen;
use crate::stage::{GLANCE, Stage};

/// Connections of one worker at most: descriptors and one core are the limit.
const CONNECTIONS: usize = 18_000;
/// Descriptors that a worker needs for itself.
const SPARE: u64 = 64;
/// Answers that wait for the conductor. Workers then wait too; they answer little.
const ANSWERS: usize = 256;
/// Workers of one machine at most: more have no loopback addresses of their own.
pub const WORKERS: usize = 250;

/// All workers of a run. Dropping it ends them.
#[derive(Debug)]
pub struct Fleet {
    workers: Vec<Worker>,
    answers: Receiver<(usize, Result<Answer>)>,
    /// Connections of each worker but the last.
    each: usize,
    stage: Stage,
    screen: Screen,
    title: String,
    progress: Vec<Progress>,
    /// Whether Ctrl-C is no reason any more to stop waiting.
    winding_up: bool,
}

impl Fleet {
    /// Starts workers for at most `connections`; `processes` of them, or as few as can hold them if that is 0.
    /// The plan's `worker` and `first` are filled in here. `title` stands before the progress.
    ///
    /// # Errors
    /// When a worker cannot be started.
    pub fn start(stage: &Stage, title: &str, plan: &Plan, connections: usize, processes: usize) -> Result<Self> {
        let (_, limit) = crate::descriptors::raise()?;
        let most = CONNECTIONS.min(usize::try_from(limit.saturating_sub(SPARE)).unwrap_or(CONNECTIONS)).max(1);
        let needed = connections.div_ceil(most).max(1);
        let processes = if processes == 0 { needed } else { processes };
        if processes.max(needed) > WORKERS {
            bail!(
                "{connections} connections in {} processes: {WORKERS} are the most on one machine",
                processes.max(needed)
            );
        }
        if processes < needed {
            bail!(
                "{connections} connections need at least {needed} processes: one holds {most} with a limit of {limit} \
                 open files (ulimit -Hn)"
            );
        }
        let each = connections.div_ceil(processes).max(1);
        let (sender, answers) = sync_channel(ANSWERS);
        let workers = (0..processes).map(|index| {
            let plan = Plan { worker: index, first: index * each, ..plan.clone() };
            Worker::start(&stage.program, index, &plan, sender.clone())
        });
        Ok(Self {
            workers: workers.collect::<Result<_>>()?,
            answers,
            each,
            stage: stage.clone(),
            screen: Screen::new(stage.progress),
            title: title.to_owned(),
            progress: vec![Progress::default(); processes],
            winding_up: false,
        })
    }

    /// The workers' process ids.
    pub fn pids(&self) -> Vec<u32> {
        self.workers.iter().map(Worker::id).collect()
    }

    /// Sends the same order to all workers.
    ///
    /// # Errors
    /// When a worker has ended.
    pub fn order(&mut self, order: &Order) -> Result<()> {
        self.workers.iter_mut().try_for_each(|worker| worker.order(order))
    }

    /// Has `connections` connections in all, and waits until they are primed.
    ///
    /// # Errors
    /// When they are not within `patience`; the message says what went wrong last.
    pub fn open(&mut self, connections: usize, patience: Duration) -> Result<()> {
        for (index, worker) in self.workers.iter_mut().enumerate() {
            worker.order(&Order::Open(connections.saturating_sub(index * self.each).min(self.each)))?;
        }
        if self.all_say(patience, |answer| matches!(answer, Answer::Opened))? {
            return Ok(());
        }
        let Total { live, trouble, .. } = self.report(patience)?;
        let trouble = trouble.unwrap_or_else(|| "no answer that begins a stream".to_owned());
        bail!("{live} of {connections} connections were open after {} s: {trouble}", patience.as_secs())
    }

    /// Lets all workers watch for event `sequence` of each channel; see [`reached`](Self::reached).
    ///
    /// # Errors
    /// When a worker has ended.
    pub fn watch(&mut self, sequence: u64, slow: bool) -> Result<()> {
        self.order(&Order::Watch { sequence, slow })
    }

    /// Whether all connections got the event that is watched for within `patience`.
    ///
    /// # Errors
    /// When a worker has ended or cannot go on.
    pub fn reached(&mut self, sequence: u64, patience: Duration) -> Result<bool> {
        self.all_say(patience, |answer| *answer == Answer::Reached(sequence))
    }

    /// Lets all workers measure, and waits until they do: what is published afterwards counts.
    ///
    /// # Errors
    /// When a worker does not do so in `patience`.
    pub fn measure(&mut self, patience: Duration) -> Result<()> {
        self.order(&Order::Measure)?;
        let measuring = self.all_say(patience, |answer| matches!(answer, Answer::Measuring))?;
        if measuring { Ok(()) } else { bail!("a worker does not begin to measure") }
    }

    /// Cuts all connections and waits until they are closed.
    ///
    /// # Errors
    /// When a worker does not do so in `patience`.
    pub fn cut_all(&mut self, patience: Duration) -> Result<()> {
        self.order(&Order::CutAll)?;
        let cut = self.all_say(patience, |answer| matches!(answer, Answer::Cut))?;
        if cut { Ok(()) } else { bail!("a worker does not cut its connections") }
    }

    /// Whether all connections are there at the same time within `patience`.
    ///
    /// # Errors
    /// When a worker has ended or cannot go on.
    pub fn gather(&mut self, patience: Duration) -> Result<bool> {
        self.order(&Order::Gather)?;
        self.all_say(patience, |answer| matches!(answer, Answer::Gathered))
    }

    /// Tells all workers not to count these events as lost, and waits until they have noted it.
    ///
    /// # Errors
    /// When a worker does not do so in `patience`.
    pub fn excuse(&mut self, spans: Vec<Span>, patience: Duration) -> Result<()> {
        if spans.is_empty() {
            return Ok(());
        }
        self.order(&Order::Excuse(spans))?;
        let excused = self.all_say(patience, |answer| matches!(answer, Answer::Excused))?;
        if excused { Ok(()) } else { bail!("a worker does not take note of what was not published") }
    }

    /// From now on Ctrl-C that has come is no error: only [`report`](Self::report) is left to be asked for.
    pub fn wind_up(&mut self) {
        self.winding_up = true;
    }

    /// Shows a line that stays.
    pub fn say(&mut self, line: &str) {
        self.screen.say(line);
    }

    /// Looks at what workers say, without waiting; for loops that do something else.
    ///
    /// # Errors
    /// When a worker has ended or cannot go on, and on Ctrl-C.
    pub fn glance(&mut self) -> Result<()> {
        self.stage.check()?;
        while let Ok((index, answer)) = self.answers.try_recv() {
            self.take(index, answer)?;
        }
        Ok(())
    }

    /// Asks all workers for everything so far.
    ///
    /// # Errors
    /// When a worker does not answer in `patience`.
    pub fn report(&mut self, patience: Duration) -> Result<Total> {
        self.order(&Order::Report)?;
        let mut total = Total::new();
        let answered = self.all_say(patience, |answer| {
            let Answer::Report(report) = answer else { return false };
            total.add(report);
            true
        })?;
        if answered { Ok(total) } else { bail!("a worker does not report") }
    }

    /// Waits until each worker has said something for which `wanted` is true; whether that was in time.
    fn all_say(&mut self, patience: Duration, mut wanted: impl FnMut(&Answer) -> bool) -> Result<bool> {
        let deadline = Instant::now() + patience;
        let mut missing = self.workers.len();
        while missing > 0 {
            if !self.winding_up {
                self.stage.check()?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            match self.answers.recv_timeout(left.min(GLANCE)) {
                Ok((index, answer)) => {
                    if let Some(answer) = self.take(index, answer)?
                        && wanted(&answer)
                    {
                        missing -= 1;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("all workers have ended"),
            }
        }
        Ok(true)
    }

    /// Takes one answer; what is not about progress is handed back.
    fn take(&mut self, index: usize, answer: Result<Answer>) -> Result<Option<Answer>> {
        match answer.with_context(|| format!("worker {index}"))? {
            Answer::Failed(why) => bail!("{why}"),
            Answer::Progress(progress) => {
                self.progress[index] = progress;
                let all = self.progress.iter();
                let (live, delivered) =
                    all.fold((0, 0), |sum, progress| (sum.0 + progress.live, sum.1 + progress.delivered));
                let title = &self.title;
                self.screen.show(|| format!("{title}: {live} connections, {delivered} deliveries"));
                Ok(None)
            }
            answer => Ok(Some(answer)),
        }
    }
}
