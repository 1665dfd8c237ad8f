//! A worker: one thread, one readiness loop, thousands of clients.

mod block;
mod check;
mod churn;
mod connection;
mod digest;
mod orders;
mod timers;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};

use self::check::{Cell, Checker, Doubt};
use self::connection::{Connection, State};
use self::digest::{Digest, End};
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
/// A browser's pause when the server has not named one.
const PAUSE: Duration = Duration::from_secs(3);

/// Runs a worker on standard input and output until the input ends.
///
/// # Errors
/// When it cannot go on. The conductor has been told why, if it still listens.
pub fn run() -> Result<()> {
    let result = Worker::start().and_then(Worker::work);
    if let Err(error) = &result {
        // The conductor may be gone; then nobody needs to know.
        let _ = say(&Answer::Failed(format!("{error:#}")));
    }
    result
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
            Order::Hurry => self.hurry()?,
            Order::Report => say(&Answer::Report(Box::new(self.report())))?,
        }
        Ok(())
    }

    fn open(&mut self, count: usize) {
        self.opened_told = false;
        for index in self.connections.len()..count {
            self.connections.push(Connection::new(self.keep, self.plan.is_slow(index)));
            self.cells.extend(std::iter::repeat_n(Cell::NEW, self.plan.channels_per_connection));
            self.want(index);
        }
    }

    /// Puts a connection that is away into the queue.
    fn want(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if connection.is_away() && !connection.queued {
            connection.queued = true;
            self.waiting.push_back(index);
        }
    }

    fn connect_waiting(&mut self) -> Result<()> {
        while self.on_their_way < self.plan.at_once {
            let Some(index) = self.waiting.pop_front() else { break };
            let to = self.plan.addresses[self.random.usize(..self.plan.addresses.len())];
            let connection = &mut self.connections[index];
            connection.queued = false;
            if connection.was_primed && !self.plan.resumes {
                let per_connection = self.plan.channels_per_connection;
                let cells = &mut self.cells[index * per_connection..][..per_connection];
                cells.iter_mut().for_each(|cell| cell.doubt = Doubt::Fresh);
            }
            let begun = connection.connect(&self.plan, index, to, self.keep);
            if let Err(error) = begun {
                // Descriptors and ports do not come back by waiting.
                if matches!(error.raw_os_error(), Some(23 | 24 | 99)) {
                    bail!("connection {index} cannot be opened: {error} (see ulimit -n, or use more --processes)");
                }
                connection.close(false);
                self.fail(index, format!("{to}: {error}"));
                continue;
            }
            let attempt = connection.attempt;
            if let Some(stream) = &mut connection.stream {
                self.poll.registry().register(stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
            }
            self.on_their_way += 1;
            let patience = Duration::from_millis(self.plan.patience_ms);
            self.timers.after(patience, Timer::Late { connection: index, attempt });
        }
        Ok(())
    }

    fn ready(&mut self, index: usize, event: &Event) -> Result<()> {
        let connection = &mut self.connections[index];
        if let State::Asking(_) = connection.state {
            let broken = connection.stream.as_ref().and_then(|stream| stream.take_error().ok().flatten());
            let written = broken.map_or_else(|| connection.write(), Err);
            match written {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    self.leave(index, false);
                    self.fail(index, format!("cannot connect: {error}"));
                    return Ok(());
                }
            }
        }
        if connection.slow && connection.primed && self.slowness {
            return Ok(());
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read_all(index, event.is_read_closed() || event.is_error())?;
        }
        Ok(())
    }

    /// Reads what is there. A read that does not fill the buffer has emptied the socket (epoll(7), "Questions and
    /// answers"), so another one is only needed to see the end of the stream.
    fn read_all(&mut self, index: usize, to_the_end: bool) -> Result<()> {
        loop {
            match self.read(index, BUFFER)? {
                Some(count) if count == BUFFER || (to_the_end && count > 0) => {}
                _ => return Ok(()),
            }
        }
    }

    /// Reads once, at most `most` bytes. `None`: nothing is there, or the connection is over.
    fn read(&mut self, index: usize, most: usize) -> Result<Option<usize>> {
        let connection = &mut self.connections[index];
        match connection.read(&mut self.buffer[..most]) {
            Ok(None) => Ok(None),
            Ok(Some(0)) => {
                self.over(index, &End::Done)?;
                Ok(None)
            }
            Ok(Some(count)) => {
                let was_primed = (connection.was_primed, connection.primed);
                let per_connection = self.plan.channels_per_connection;
                let cells = &mut self.cells[index * per_connection..][..per_connection];
                let mut digest = Digest { plan: &self.plan, connection, cells, checker: &mut self.checker, index };
                let result = digest.take(&self.buffer[..count]);
                let connection = &self.connections[index];
                if connection.primed != was_primed.1 {
                    self.on_their_way -= 1;
                    self.live += 1;
                    self.opened += usize::from(connection.was_primed != was_primed.0);
                }
                match result {
                    Ok(()) => Ok(Some(count)),
                    Err(end) => {
                        self.over(index, &end)?;
                        Ok(None)
                    }
                }
            }
            Err(error) => {
                self.checker.disturbances.reset += 1;
                self.leave(index, false);
                self.later(index, None);
                self.trouble = Some(format!("a connection broke: {error}"));
                Ok(None)
            }
        }
    }

    /// The server has ended a connection.
    fn over(&mut self, index: usize, end: &End) -> Result<()> {
        let connection = &self.connections[index];
        let had_events = connection.block.placed || connection.block.heard;
        let whole = matches!(connection.state, State::Body(_));
        let mut pause = None;
        match end {
            End::Hopeless(why) => bail!("{why}"),
            End::Done if whole && had_events => self.checker.disturbances.ended += 1,
            End::Done if whole => {
                self.checker.disturbances.refused += 1;
                self.trouble = Some("the server refuses politely: 200, retry and the end".to_owned());
            }
            End::Done => {
                self.checker.disturbances.reset += 1;
                self.trouble = Some("a connection ended before its answer was whole".to_owned());
            }
            End::Busy { status, retry_after } => {
                self.checker.disturbances.refused += 1;
                self.trouble = Some(format!("the server answers {status}"));
                pause = retry_after.map(Duration::from_secs);
            }
            End::Malformed(why) => bail!("the answer makes no sense: {why}"),
        }
        self.leave(index, false);
        self.later(index, pause);
        Ok(())
    }

    fn fail(&mut self, index: usize, why: String) {
        self.checker.disturbances.unreachable += 1;
        self.trouble = Some(why);
        self.later(index, None);
    }

    /// Closes a connection and forgets its socket; nothing when there is none.
    fn leave(&mut self, index: usize, abruptly: bool) {
        let connection = &mut self.connections[index];
        if connection.primed {
            self.live -= 1;
        } else if connection.stream.is_some() {
            self.on_their_way -= 1;
        }
        connection.close(abruptly);
    }

    /// Lets a connection come back after `pause`, or after what the server last said, as a browser would.
    fn later(&mut self, index: usize, pause: Option<Duration>) {
        let connection = &self.connections[index];
        let told = connection.block.retry.map(Duration::from_millis);
        let pause = pause.or(told).unwrap_or(PAUSE);
        self.timers.after(pause, Timer::Back { connection: index, attempt: connection.attempt });
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
