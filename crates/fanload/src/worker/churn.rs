//! Clients that are not as they should be: some are cut, some read slowly.

use std::time::Duration;

use anyhow::Result;

use super::Worker;
use super::timers::Timer;

/// Cuts come in small groups, this far apart.
const TURN: Duration = Duration::from_millis(20);

/// How many connections are cut.
#[derive(Debug, Default)]
pub(super) struct Churn {
    per_second: f64,
    /// Cuts that are due; less than one waits for the next turn.
    due: f64,
    running: bool,
}

impl Worker {
    pub(super) fn churn(&mut self, per_second: f64) {
        self.churn.per_second = per_second;
        if per_second > 0.0 && !self.churn.running {
            self.churn.running = true;
            self.timers.after(TURN, Timer::Churn);
        }
    }

    /// Cuts the connections that are due, half of them with a reset and half in order.
    pub(super) fn cut_some(&mut self) {
        if self.churn.per_second <= 0.0 {
            self.churn.running = false;
            return;
        }
        self.timers.after(TURN, Timer::Churn);
        self.churn.due += self.churn.per_second * TURN.as_secs_f64();
        while self.churn.due >= 1.0 && !self.connections.is_empty() {
            self.churn.due -= 1.0;
            let index = self.random.usize(..self.connections.len());
            // One that is away already is a cut that misses.
            if self.connections[index].primed {
                let abruptly = self.random.bool();
                self.leave(index, abruptly);
                let away = Duration::from_millis(self.random.u64(..=self.plan.away_ms));
                let attempt = self.connections[index].attempt;
                self.timers.after(away, Timer::Back { connection: index, attempt });
            }
        }
    }

    /// Reads a little from each slow connection.
    pub(super) fn read_slowly(&mut self) -> Result<()> {
        let most = self.plan.slow_bytes;
        if most == 0 || !self.slowness {
            return Ok(());
        }
        for index in 0..self.connections.len() {
            if self.connections[index].slow && self.connections[index].primed {
                self.read(index, most.min(super::BUFFER))?;
            }
        }
        Ok(())
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
}
