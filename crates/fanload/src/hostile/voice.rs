//! The publisher of an audience.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::payload::{self, Payload};
use crate::publish::{Event, Publisher};

/// Longest sleep between two looks whether to end.
const LOOK: Duration = Duration::from_millis(20);

/// Publishes in all channels in turns, so that they have the same number of events after each round.
#[derive(Debug)]
pub(super) struct Voice {
    pub(super) publisher: Publisher,
    pub(super) channels: usize,
    /// Bytes of an event's data.
    pub(super) bytes: usize,
    /// Events published so far.
    pub(super) published: u64,
}

impl Voice {
    /// Publishes one event in each channel, and whatever the last round lacks before; returns the number that the newest
    /// event of every channel has.
    ///
    /// # Errors
    /// When Redis does not take it.
    pub(super) fn round(&mut self) -> Result<u64> {
        let channels = self.channels as u64;
        let target = self.published.next_multiple_of(channels) + channels;
        while self.published < target {
            self.publish(payload::now())?;
        }
        self.publisher.flush()?;
        Ok(target / channels)
    }

    /// Publishes `rate` events a second until `done`. The time in an event is that at which it should have been published.
    ///
    /// # Errors
    /// As [`round`](Self::round).
    pub(super) fn keep_on(&mut self, rate: f64, done: &AtomicBool) -> Result<()> {
        let (begun, start, mut sent) = (Instant::now(), payload::now(), 0_u64);
        while !done.load(Ordering::Relaxed) {
            let due = (begun.elapsed().as_secs_f64() * rate) as u64 + 1;
            while sent < due {
                self.publish(start + (sent as f64 * 1e6 / rate) as u64)?;
                sent += 1;
            }
            self.publisher.flush()?;
            let next = Duration::from_secs_f64(sent as f64 / rate).saturating_sub(begun.elapsed());
            std::thread::sleep(next.min(LOOK));
        }
        Ok(())
    }

    fn publish(&mut self, at: u64) -> Result<()> {
        let channels = self.channels as u64;
        let (channel, number) = ((self.published % channels) as u32, self.published / channels + 1);
        let mut data = Vec::with_capacity(self.bytes);
        Payload { channel, sequence: number, at }.write(self.bytes, &mut data);
        self.published += 1;
        self.publisher.publish(Event { channel, number }, &data)
    }
}
