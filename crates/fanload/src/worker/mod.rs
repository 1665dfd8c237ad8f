//! A worker: one thread, one readiness loop, thousands of clients.

mod block;
mod cell;
mod check;
mod churn;
mod clients;
mod connection;
mod digest;
mod excuses;
mod holes;
mod links;
mod orders;
mod received;
mod request;
mod session;
mod sessions;
mod socket;
mod stream;
mod timers;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mio::{Events, Poll, Token, Waker};
use signal_hook::consts::{SIGINT, SIGTERM};

use self::churn::Churn;
use self::clients::Clients;
use self::orders::Orders;
use self::timers::Timer;
use crate::fleet::{Answer, Order};

/// Events that one look at the sockets takes.
const EVENTS: usize = 1024;
const WAKE: Token = Token(usize::MAX);
/// Between two answers that say how it goes.
const PROGRESS: Duration = Duration::from_secs(1);
/// Between two reads of slow connections.
const SLOW: Duration = Duration::from_secs(1);

/// Runs a worker on standard input and output until the input ends.
///
/// # Errors
/// When it cannot go on. The conductor has been told why, if it still listens.
pub fn run() -> Result<()> {
    let result = outlast_signals().and_then(|()| Worker::start()).and_then(Worker::work);
    match result {
        // The conductor is gone and needs no error.
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
    poll: Poll,
    orders: Orders,
    clients: Clients,
    churn: Churn,
    /// Whether the conductor knows that all clients are open.
    opened_told: bool,
    /// Whether the conductor waits to hear that all clients are there.
    gathers: bool,
}

impl Worker {
    fn start() -> Result<Self> {
        let plan = orders::plan()?;
        if plan.addresses.is_empty() || plan.channels == 0 || plan.channels_per_connection > plan.channels {
            bail!("the plan has no addresses, or fewer channels than one connection shall have");
        }
        let poll = Poll::new().context("no readiness queue")?;
        let waker = Waker::new(poll.registry(), WAKE).context("no way to wake the loop")?;
        let mut clients = Clients::new(plan)?;
        clients.timers.after(PROGRESS, Timer::Progress);
        clients.timers.after(SLOW, Timer::Slow);
        Ok(Self {
            poll,
            orders: Orders::listen(waker),
            clients,
            churn: Churn::default(),
            opened_told: true,
            gathers: false,
        })
    }

    fn work(mut self) -> Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, self.clients.timers.rest()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    WAKE => {}
                    Token(index) => self.clients.ready(index, event)?,
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
            while let Some(timer) = self.clients.timers.due() {
                self.ring(timer)?;
            }
            // What shared connections bring may let others connect.
            loop {
                self.clients.connect_waiting(self.poll.registry())?;
                if !self.clients.attend()? {
                    break;
                }
            }
            self.tell()?;
        }
    }

    /// Says what has become true.
    fn tell(&mut self) -> Result<()> {
        if !self.opened_told && self.clients.are_open() {
            self.opened_told = true;
            say(&Answer::Opened)?;
        }
        if self.gathers && self.clients.are_live() {
            self.gathers = false;
            say(&Answer::Gathered)?;
        }
        match self.clients.reached() {
            Some(sequence) => say(&Answer::Reached(sequence)),
            None => Ok(()),
        }
    }

    fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Open(count) => {
                self.opened_told = false;
                self.clients.open(count);
            }
            Order::Measure => {
                self.clients.measure();
                say(&Answer::Measuring)?;
            }
            Order::Watch { sequence, slow } => self.clients.watch(sequence, slow),
            Order::CutAll => {
                self.clients.cut_all();
                say(&Answer::Cut)?;
            }
            Order::Return => self.clients.come_back(),
            Order::Gather => self.gathers = true,
            Order::Churn(per_second) => {
                if self.churn.set(per_second) {
                    self.clients.timers.after(churn::TURN, Timer::Churn);
                }
            }
            Order::Slow(true) => self.clients.slow_down(),
            Order::Slow(false) => self.clients.hurry()?,
            Order::Excuse(spans) => {
                self.clients.excuse(&spans);
                say(&Answer::Excused)?;
            }
            Order::Report => say(&Answer::Report(Box::new(self.clients.report())))?,
        }
        Ok(())
    }

    fn ring(&mut self, timer: Timer) -> Result<()> {
        match timer {
            Timer::Back { connection, attempt } => self.clients.back(connection, attempt),
            Timer::Late { connection, attempt } => self.clients.late(connection, attempt),
            Timer::Progress => {
                say(&Answer::Progress(self.clients.progress()))?;
                self.clients.timers.after(PROGRESS, Timer::Progress);
            }
            Timer::Slow => {
                self.clients.read_slowly()?;
                self.clients.timers.after(SLOW, Timer::Slow);
            }
            Timer::Churn => {
                if let Some(cuts) = self.churn.turn() {
                    self.clients.timers.after(churn::TURN, Timer::Churn);
                    (0..cuts).for_each(|_| self.clients.cut_one());
                }
            }
        }
        Ok(())
    }
}
