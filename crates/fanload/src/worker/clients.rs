//! The clients of a worker, and the life of each connection: connect, read, end, come back.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use anyhow::{Result, bail};
use mio::Registry;
use mio::event::Event;

use super::block;
use super::cell::{Cell, Doubt};
use super::check::Checker;
use super::connection::{Connection, State};
use super::digest::{Digest, End};
use super::links::Links;
use super::received::Received;
use super::sessions::{Became, Woken};
use super::timers::{Timer, Timers};
use crate::fleet::{Plan, Progress, Report};
use crate::publish::Span;

/// Bytes of one read. Few systems hand out more at a time.
const BUFFER: usize = 64 * 1024;
/// A browser's pause when the server has not named one.
const PAUSE: Duration = Duration::from_secs(3);
/// Errors of connect(2) that waiting does not mend: too many files in the system or the process, no port left.
const HOPELESS: [i32; 3] = [23, 24, 99];

/// All clients of a worker.
pub(super) struct Clients {
    plan: Plan,
    links: Links,
    /// When each client comes back or is late; the worker's own turns stand among them.
    pub(super) timers: Timers,
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
    /// Whether slow connections are slow now.
    slowness: bool,
    trouble: Option<String>,
    buffer: Box<[u8]>,
    random: fastrand::Rng,
    keep: usize,
}

impl Clients {
    /// No client yet.
    ///
    /// # Errors
    /// When the certificates that are to be believed cannot be read.
    pub(super) fn new(plan: Plan) -> Result<Self> {
        Ok(Self {
            links: Links::new(&plan)?,
            timers: Timers::default(),
            connections: Vec::new(),
            cells: Vec::new(),
            checker: Checker::new(),
            waiting: VecDeque::new(),
            on_their_way: 0,
            live: 0,
            opened: 0,
            slowness: true,
            trouble: None,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            random: fastrand::Rng::with_seed(plan.seed.wrapping_add(plan.worker as u64)),
            keep: block::keep(&plan.subscribe.dialect),
            plan,
        })
    }

    /// Has `count` clients in all.
    pub(super) fn open(&mut self, count: usize) {
        for index in self.connections.len()..count {
            self.connections.push(Connection::new(self.keep, self.plan.is_slow(index)));
            self.cells.extend(std::iter::repeat_n(Cell::NEW, self.plan.channels_per_connection));
            self.want(index);
        }
    }

    /// Whether every client has been primed at least once.
    pub(super) fn are_open(&self) -> bool {
        self.opened == self.connections.len()
    }

    /// Whether every client is primed now.
    pub(super) fn are_live(&self) -> bool {
        self.live == self.connections.len()
    }

    /// Lets all connections that are away come back now.
    pub(super) fn come_back(&mut self) {
        (0..self.connections.len()).for_each(|index| self.want(index));
    }

    /// Lets a connection come back whose pause is over, if it still is at this attempt.
    pub(super) fn back(&mut self, index: usize, attempt: u32) {
        if self.connections[index].attempt == attempt {
            self.want(index);
        }
    }

    /// Gives up a connection that is not primed in time, if it still is at this attempt.
    pub(super) fn late(&mut self, index: usize, attempt: u32) {
        let connection = &self.connections[index];
        if connection.attempt == attempt && !connection.primed && !connection.is_away() {
            self.checker.disturbances.timed_out += 1;
            self.trouble = Some("a connection got no answer in time".to_owned());
            self.leave(index, false);
            self.later(index, None);
        }
    }

    /// Connects those that wait, as many at a time as the plan allows.
    pub(super) fn connect_waiting(&mut self, registry: &Registry) -> Result<()> {
        while self.on_their_way < self.plan.at_once {
            let Some(index) = self.waiting.pop_front() else { break };
            let to = self.plan.addresses[self.random.usize(..self.plan.addresses.len())];
            let connection = &mut self.connections[index];
            connection.queued = false;
            let per_connection = self.plan.channels_per_connection;
            let cells = &mut self.cells[index * per_connection..][..per_connection];
            if connection.was_primed && !self.plan.resumes {
                cells.iter_mut().for_each(|cell| cell.doubt = Doubt::Fresh);
            }
            let untold = cells.iter_mut().filter(|cell| cell.doubt == Doubt::GapBeforeEntry);
            untold.for_each(|cell| cell.doubt = Doubt::None);
            connection.begin(self.keep);
            let begun = self.links.open(&self.plan, index, connection, to, registry);
            if let Err(error) = begun {
                if error.raw_os_error().is_some_and(|code| HOPELESS.contains(&code)) {
                    bail!("connection {index} cannot be opened: {error} (see ulimit -n, or use more --processes)");
                }
                connection.close(false);
                self.fail(index, format!("{to}: {error}"));
                continue;
            }
            let attempt = connection.attempt;
            self.on_their_way += 1;
            let patience = Duration::from_millis(self.plan.patience_ms);
            self.timers.after(patience, Timer::Late { connection: index, attempt });
        }
        Ok(())
    }

    /// The socket with this token has something to say.
    pub(super) fn ready(&mut self, token: usize, event: &Event) -> Result<()> {
        if self.links.are_shared() {
            self.links.ready(token);
            return Ok(());
        }
        let index = token;
        let connection = &mut self.connections[index];
        if let State::Asking(_) = connection.state {
            let broken = connection.error();
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
        if connection.flush().is_err() {
            // The next read says why.
            return self.read_all(index, true);
        }
        if self.is_slow_now(index) {
            return Ok(());
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read_all(index, event.is_read_closed() || event.is_error())?;
        }
        Ok(())
    }

    /// Lets shared connections go on that have something to do, and reads what came for the clients on them, until nothing is
    /// left. Whether there was anything.
    pub(super) fn attend(&mut self) -> Result<bool> {
        let mut any = false;
        loop {
            let woken = self.links.woken();
            if woken.is_empty() {
                return Ok(any);
            }
            any = true;
            for woken in woken {
                match woken {
                    Woken::Client(index) if self.is_slow_now(index) => {}
                    Woken::Client(index) => self.read_all(index, true)?,
                    Woken::Session(key) => {
                        for (client, attempt, became) in self.links.advance(key)? {
                            self.became(client, attempt, became)?;
                        }
                    }
                }
            }
        }
    }

    fn became(&mut self, index: usize, attempt: u32, became: Became) -> Result<()> {
        // One that was cut or given up meanwhile does not ask any more: its stream is reset.
        if self.connections[index].attempt != attempt {
            return Ok(());
        }
        match became {
            Became::Asked(stream) => {
                self.connections[index].has_asked(stream);
                self.read_all(index, true)
            }
            Became::Failed(why) => {
                self.leave(index, false);
                self.fail(index, why);
                Ok(())
            }
        }
    }

    fn is_slow_now(&self, index: usize) -> bool {
        let connection = &self.connections[index];
        connection.slow && connection.primed && self.slowness
    }

    /// Reads a little from each slow connection.
    pub(super) fn read_slowly(&mut self) -> Result<()> {
        let most = self.plan.slow_bytes;
        if most == 0 || !self.slowness {
            return Ok(());
        }
        for index in 0..self.connections.len() {
            if self.connections[index].slow && self.connections[index].primed {
                self.read(index, most.min(BUFFER))?;
            }
        }
        Ok(())
    }

    /// Lets slow connections be slow from now on.
    pub(super) fn slow_down(&mut self) {
        self.slowness = true;
    }

    /// Ends all slowness for now, and reads what the sockets hold: its arrival was announced long ago.
    pub(super) fn hurry(&mut self) -> Result<()> {
        self.slowness = false;
        for index in 0..self.connections.len() {
            if self.connections[index].slow {
                self.read_all(index, true)?;
            }
        }
        Ok(())
    }

    /// Cuts all connections; they stay away.
    pub(super) fn cut_all(&mut self) {
        self.waiting.clear();
        for index in 0..self.connections.len() {
            self.connections[index].queued = false;
            self.leave(index, true);
        }
        self.links.cut_all();
    }

    /// Cuts a random connection, half of them with a reset and half in order; it comes back by itself. Where clients share
    /// connections, a stream is cut; and one time in as many as share one, the connection with all of its streams.
    pub(super) fn cut_one(&mut self) {
        if self.connections.is_empty() {
            return;
        }
        let index = self.random.usize(..self.connections.len());
        // One that is away already is a cut that misses.
        if self.connections[index].primed {
            let abruptly = self.random.bool();
            match self.connections[index].session() {
                Some(session) if self.random.usize(..self.links.share()) == 0 => self.cut_shared(session, index),
                _ => self.cut(index, abruptly),
            }
        }
    }

    fn cut(&mut self, index: usize, abruptly: bool) {
        self.leave(index, abruptly);
        let away = Duration::from_millis(self.random.u64(..=self.plan.away_ms));
        let attempt = self.connections[index].attempt;
        self.timers.after(away, Timer::Back { connection: index, attempt });
    }

    /// Cuts a shared connection, which this client is on, with everybody on it.
    fn cut_shared(&mut self, session: usize, index: usize) {
        for index in self.links.cut(session, index) {
            if self.connections.get(index).is_some_and(|connection| connection.session() == Some(session)) {
                self.cut(index, true);
            }
        }
    }

    /// Forgets what was measured.
    pub(super) fn measure(&mut self) {
        self.checker.measure();
    }

    /// Watches for event `sequence` of each channel; `slow`: also on slow connections.
    pub(super) fn watch(&mut self, sequence: u64, slow: bool) {
        let per_connection = self.plan.channels_per_connection;
        let connections = &self.connections;
        let cells = self.cells.iter().enumerate();
        let cells = cells.map(|(index, cell)| (cell, connections[index / per_connection].slow));
        self.checker.watch(sequence, slow, cells);
    }

    /// The event that is watched for, once, when all have it.
    pub(super) fn reached(&mut self) -> Option<u64> {
        self.checker.reached()
    }

    /// From now on these events may be missing, or come late.
    pub(super) fn excuse(&mut self, spans: &[Span]) {
        self.checker.excuse(spans, |cell| self.plan.channel_of_cell(cell) as u32);
    }

    /// How it goes.
    pub(super) fn progress(&self) -> Progress {
        Progress { live: self.live, delivered: self.checker.integrity.delivered, trouble: self.trouble.clone() }
    }

    /// Everything so far.
    pub(super) fn report(&self) -> Report {
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

    /// Puts a connection that is away into the queue.
    fn want(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if connection.is_away() && !connection.queued {
            connection.queued = true;
            self.waiting.push_back(index);
        }
    }

    /// Reads what is there. A read that does not fill the buffer has emptied the socket (epoll(7), "Questions and
    /// answers"), so another one is only needed to see the end of the stream. A stream of HTTP/2 is read to the end: a read of it
    /// brings one frame.
    fn read_all(&mut self, index: usize, to_the_end: bool) -> Result<()> {
        loop {
            match self.read(index, BUFFER)? {
                Some(count) if count == BUFFER || to_the_end => {}
                _ => return Ok(()),
            }
        }
    }

    /// Reads once, at most `most` bytes; a head counts as none. `None`: nothing is there, or the connection is over.
    fn read(&mut self, index: usize, most: usize) -> Result<Option<usize>> {
        let connection = &mut self.connections[index];
        let received = match connection.read(&mut self.buffer[..most]) {
            Ok(Received::Nothing) => return Ok(None),
            Ok(Received::End) => {
                self.over(index, &End::Done)?;
                return Ok(None);
            }
            Ok(received) => received,
            Err(error) => {
                self.broke(index, &error)?;
                return Ok(None);
            }
        };
        let was_primed = (connection.was_primed, connection.primed);
        let per_connection = self.plan.channels_per_connection;
        let cells = &mut self.cells[index * per_connection..][..per_connection];
        let mut digest = Digest { plan: &self.plan, connection, cells, checker: &mut self.checker, index };
        let (count, result) = match received {
            Received::Head(head, words) => (0, digest.answer(&head, &words)),
            Received::Bytes(count) => (count, digest.take(&self.buffer[..count])),
            Received::Nothing | Received::End => (0, Ok(())),
        };
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

    /// A connection broke.
    fn broke(&mut self, index: usize, error: &io::Error) -> Result<()> {
        // What cannot be believed, or is no TLS, will be the same the next time.
        if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Unsupported) {
            bail!("a connection broke: {error}");
        }
        self.checker.disturbances.reset += 1;
        self.leave(index, false);
        self.later(index, None);
        self.trouble = Some(format!("a connection broke: {error}"));
        Ok(())
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
        } else if !connection.is_away() {
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
}
