//! A worker: one thread, one readiness loop, thousands of clients.

mod block;
mod check;
mod churn;
mod clients;
mod connection;
mod digest;
mod excuses;
mod holes;
mod orders;
mod timers;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mio::{Events, Poll, Token, Waker};
use signal_hook::consts::{SIGINT, SIGTERM};

use self::check::{Cell, Checker};
use self::connection::Connection;
use self::orders::Orders;
use self::timers::{Timer, Timers};
use crate::fleet::{Answer, Order, Plan, Progress, Report};

/// Bytes of one read. Few systems hand out more at a time.
const BUFFER: usize = 64 * 1024;
/// Events that one look at the sockets takes.
const EVENTS: usize = 1024;
const WAKE: Token = Token(usize::MAX);
const PROGRESS: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(1);

/// Runs a worker on standard input and output until the input ends.
///
/// # Errors
/// When it cannot go on. The conductor has been told why, if it still listens.
pub fn run() -> Result<()> {
    let result = outlast_signals().and_then(|()| Worker::start()).and_then(Worker::work);
    match result {
        // The conductor is gone; then nobody needs to know.
        Err(error) if say(&Answer::Failed(format!("{error:#}"))).is_err() => Ok(()),
        result => result,
    }
}

/// Ctrl-C reaches all processes of a terminal. The conductor wants a last report then, and ends the workers itself; when it
/// cannot any more, they end with their input.
fn outlast_signals() -> Result<()> {
    let unheard = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, unheard.clone()).context("cannot catch signals")?;
    }
    Ok(())
}

fn say(answer: &Answer) -> Result<()> {
    let mut line = serde_json::to_vec(answer).context("an answer cannot be written as JSON")?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).context("nobody listens to this worker any more")
}

struct Worker {
    plan: Plan,
    poll: Poll,
    orders: Orders,
    timers: Timers,
    connections: Vec<Connection>,
    /// All channels of the first connection, then those of the second, and so on.
    cells: Vec<Cell>,
    checker: Checker,
    /// Connections that want to connect now.
    waiting: VecDeque<usize>,
    /// Connections between their connect and their being primed.
    on_their_way: usize,
    /// Connections that are primed now.
    live: usize,
    /// Connections that have been primed at least once.
    opened: usize,
    opened_told: bool,
    /// Whether slow connections are slow now.
    slowness: bool,
    churn: churn::Churn,
    trouble: Option<String>,
    buffer: Box<[u8]>,
    random: fastrand::Rng,
    keep: usize,
}

impl Worker {
    fn start() -> Result<Self> {
        let plan = orders::plan()?;
        if plan.addresses.is_empty() || plan.channels == 0 || plan.channels_per_connection > plan.channels {
            bail!("the plan has no addresses, or fewer channels than one connection shall have");
        }
        let poll = Poll::new().context("no readiness queue")?;
        let waker = Waker::new(poll.registry(), WAKE).context("no way to wake the loop")?;
        let mut timers = Timers::default();
        timers.after(PROGRESS, Timer::Progress);
        timers.after(SLOW, Timer::Slow);
        Ok(Self {
            poll,
            orders: Orders::listen(waker),
            timers,
            connections: Vec::new(),
            cells: Vec::new(),
            checker: Checker::new(),
            waiting: VecDeque::new(),
            on_their_way: 0,
            live: 0,
            opened: 0,
            opened_told: true,
            slowness: true,
            churn: churn::Churn::default(),
            trouble: None,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            random: fastrand::Rng::with_seed(plan.seed.wrapping_add(plan.worker as u64)),
            keep: block::keep(&plan.subscribe.dialect),
            plan,
        })
    }

    fn work(mut self) -> Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, self.timers.rest()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    WAKE => {}
                    Token(index) => self.ready(index, event)?,
                }
            }
            loop {
                match self.orders.next() {
                    Ok(Some(order)) => self.obey(order)?,
                    Ok(None) => break,
                    Err(None) => return Ok(()),
                    Err(Some(error)) => return Err(error),
                }
            }
            while let Some(timer) = self.timers.due() {
                self.ring(timer)?;
            }
            self.connect_waiting()?;
            self.tell()?;
        }
    }

    /// Says what has become true.
    fn tell(&mut self) -> Result<()> {
        if !self.opened_told && self.opened == self.connections.len() {
            self.opened_told = true;
            say(&Answer::Opened)?;
        }
        match self.checker.reached() {
            Some(sequence) => say(&Answer::Reached(sequence)),
            None => Ok(()),
        }
    }

    fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Open(count) => self.open(count),
            Order::Measure => {
                self.checker.measure();
                say(&Answer::Measuring)?;
            }
            Order::Watch { sequence, slow } => {
                let per_connection = self.plan.channels_per_connection;
                let connections = &self.connections;
                let cells = self.cells.iter().enumerate();
                let cells = cells.map(|(index, cell)| (cell, connections[index / per_connection].slow));
                self.checker.watch(sequence, slow, cells);
            }
            Order::CutAll => {
                self.waiting.clear();
                for index in 0..self.connections.len() {
                    self.connections[index].queued = false;
                    self.leave(index, true);
                }
                say(&Answer::Cut)?;
            }
            Order::Return => (0..self.connections.len()).for_each(|index| self.want(index)),
            Order::Churn(per_second) => self.churn(per_second),
            Order::Slow(true) => self.slowness = true,
            Order::Slow(false) => self.hurry()?,
            Order::Excuse(spans) => {
                self.checker.excuse(&spans, |cell| self.plan.channel_of_cell(cell) as u32);
                say(&Answer::Excused)?;
            }
            Order::Report => say(&Answer::Report(Box::new(self.report())))?,
        }
        Ok(())
    }

    fn ring(&mut self, timer: Timer) -> Result<()> {
        match timer {
            Timer::Back { connection, attempt } => {
                if self.connections[connection].attempt == attempt {
                    self.want(connection);
                }
            }
            Timer::Late { connection: index, attempt } => {
                let connection = &self.connections[index];
                if connection.attempt == attempt && !connection.primed && !connection.is_away() {
                    self.checker.disturbances.timed_out += 1;
                    self.trouble = Some("a connection got no answer in time".to_owned());
                    self.leave(index, false);
                    self.later(index, None);
                }
            }
            Timer::Progress => {
                let delivered = self.checker.integrity.delivered;
                say(&Answer::Progress(Progress { live: self.live, delivered, trouble: self.trouble.clone() }))?;
                self.timers.after(PROGRESS, Timer::Progress);
            }
            Timer::Slow => {
                self.read_slowly()?;
                self.timers.after(SLOW, Timer::Slow);
            }
            Timer::Churn => self.cut_some(),
        }
        Ok(())
    }

    fn report(&self) -> Report {
        let latencies = self.checker.latencies.0.iter_recorded();
        Report {
            integrity: self.checker.integrity,
            disturbances: self.checker.disturbances,
            measured: self.checker.measured,
            behind: self.checker.behind(),
            live: self.live,
            trouble: self.trouble.clone(),
            latencies: latencies.map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect(),
        }
    }
}
