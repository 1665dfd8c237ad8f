//! The life of each connection: connect, read, end, come back.

use std::time::Duration;

use anyhow::{Result, bail};
use mio::event::Event;
use mio::{Interest, Token};

use super::check::{Cell, Doubt};
use super::connection::{Connection, State};
use super::digest::{Digest, End};
use super::timers::Timer;
use super::{BUFFER, Worker};

/// A browser's pause when the server has not named one.
const PAUSE: Duration = Duration::from_secs(3);
/// Errors of connect(2) that waiting does not mend: too many files in the system or the process, no port left.
const HOPELESS: [i32; 3] = [23, 24, 99];

impl Worker {
    pub(super) fn open(&mut self, count: usize) {
        self.opened_told = false;
        for index in self.connections.len()..count {
            self.connections.push(Connection::new(self.keep, self.plan.is_slow(index)));
            self.cells.extend(std::iter::repeat_n(Cell::NEW, self.plan.channels_per_connection));
            self.want(index);
        }
    }

    /// Puts a connection that is away into the queue.
    pub(super) fn want(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if connection.is_away() && !connection.queued {
            connection.queued = true;
            self.waiting.push_back(index);
        }
    }

    pub(super) fn connect_waiting(&mut self) -> Result<()> {
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
            let begun = connection.connect(&self.plan, index, to, self.keep);
            if let Err(error) = begun {
                if error.raw_os_error().is_some_and(|code| HOPELESS.contains(&code)) {
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

    pub(super) fn ready(&mut self, index: usize, event: &Event) -> Result<()> {
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
    pub(super) fn read_all(&mut self, index: usize, to_the_end: bool) -> Result<()> {
        loop {
            match self.read(index, BUFFER)? {
                Some(count) if count == BUFFER || (to_the_end && count > 0) => {}
                _ => return Ok(()),
            }
        }
    }

    /// Reads once, at most `most` bytes. `None`: nothing is there, or the connection is over.
    pub(super) fn read(&mut self, index: usize, most: usize) -> Result<Option<usize>> {
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
    pub(super) fn leave(&mut self, index: usize, abruptly: bool) {
        let connection = &mut self.connections[index];
        if connection.primed {
            self.live -= 1;
        } else if connection.stream.is_some() {
            self.on_their_way -= 1;
        }
        connection.close(abruptly);
    }

    /// Lets a connection come back after `pause`, or after what the server last said, as a browser would.
    pub(super) fn later(&mut self, index: usize, pause: Option<Duration>) {
        let connection = &self.connections[index];
        let told = connection.block.retry.map(Duration::from_millis);
        let pause = pause.or(told).unwrap_or(PAUSE);
        self.timers.after(pause, Timer::Back { connection: index, attempt: connection.attempt });
    }
}
