//! The events of a run: their numbers, and how they are published though the connection may break.

use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};

use super::parameters::Parameters;
use crate::fleet::Fleet;
use crate::payload::{self, Payload};
use crate::publish::{Breaks, Broken, Event, Mended, Publisher};
use crate::stage::Stage;

/// Pauses between two attempts to connect the publisher again: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often an event is published that all clients shall get, when the connection breaks each time.
const ROUNDS: usize = 10;
/// Events that are published between two looks for Ctrl-C.
const IN_A_ROW: u64 = 256;

/// What has been published. Methods that publish take the fleet, which has to be told what no client can get.
pub(super) struct Events<'a> {
    publisher: Option<Publisher>,
    parameters: &'a Parameters,
    stage: &'a Stage,
    /// The number of the last event of each channel.
    numbers: Vec<u64>,
    /// Events published so far, without those of which Redis has said that it does not have them.
    pub(super) published: u64,
    /// Whether the last event of each channel is stored, as far as Redis has said.
    last_is_stored: bool,
    data: Vec<u8>,
    breaks: Breaks,
    /// Since when nothing was accepted, and how often that was tried to be mended.
    away: Option<(Instant, u32)>,
}

impl<'a> Events<'a> {
    pub(super) fn new(publisher: Option<Publisher>, parameters: &'a Parameters, stage: &'a Stage) -> Self {
        Self {
            publisher,
            parameters,
            stage,
            numbers: vec![0; parameters.channels],
            published: 0,
            last_is_stored: true,
            data: Vec::new(),
            breaks: Breaks::default(),
            away: None,
        }
    }

    pub(super) fn can_be_published(&self) -> bool {
        self.publisher.is_some()
    }

    /// The number of the newest event of any channel.
    fn last(&self) -> u64 {
        self.numbers.iter().copied().max().unwrap_or(0)
    }

    /// Publishes the next event of a channel as of now. See [`Publisher::publish`].
    pub(super) fn publish(&mut self, fleet: &mut Fleet, channel: usize) -> Result<()> {
        self.publish_at(fleet, channel, payload::now())
    }

    /// Publishes one event in each channel and sends them all. Returns the number that they have, of which each channel's
    /// Stream has the event. (Where the connection breaks, further rounds follow until one is stored.)
    pub(super) fn publish_round(&mut self, fleet: &mut Fleet) -> Result<u64> {
        for _ in 0..ROUNDS {
            self.last_is_stored = true;
            for channel in 0..self.parameters.channels {
                self.publish(fleet, channel)?;
                if channel % 1_000 == 999 {
                    self.stage.check()?;
                }
            }
            self.flush(fleet)?;
            if self.last_is_stored {
                return Ok(self.last());
            }
        }
        bail!("the connection to publish over broke {ROUNDS} times in a row")
    }

    /// Waits until everything published is accepted.
    pub(super) fn flush(&mut self, fleet: &mut Fleet) -> Result<()> {
        let flushed = self.publisher.as_mut().map_or(Ok(()), Publisher::flush);
        self.mended(fleet, flushed)
    }

    /// Brings all channels to the same number, with events that count as any other, and returns it. The event of that number
    /// is stored in each.
    pub(super) fn level(&mut self, fleet: &mut Fleet) -> Result<u64> {
        let last = self.last();
        for channel in 0..self.parameters.channels {
            while self.numbers[channel] < last {
                self.publish(fleet, channel)?;
            }
        }
        self.flush(fleet)?;
        if self.last_is_stored { Ok(last) } else { self.publish_round(fleet) }
    }

    /// Publishes at the fixed rate, channel after channel, until the events or the time are used up. The times in the
    /// events are those at which they should have been published.
    pub(super) fn publish_at_rate(&mut self, fleet: &mut Fleet) -> Result<()> {
        let Parameters { events, duration, rate, channels, .. } = *self.parameters;
        let total = if events > 0 { events } else { (rate * duration.as_secs_f64()).ceil() as u64 };
        let (begun, start) = (Instant::now(), payload::now());
        let mut sent = 0;
        while sent < total {
            let due = ((begun.elapsed().as_secs_f64() * rate) as u64 + 1).min(total).min(sent + IN_A_ROW);
            while sent < due {
                let at = start + (sent as f64 * 1e6 / rate) as u64;
                self.publish_at(fleet, (sent % channels as u64) as usize, at)?;
                sent += 1;
            }
            self.flush(fleet)?;
            fleet.glance()?;
            let next = Duration::from_secs_f64(sent as f64 / rate);
            self.stage.rest(next.saturating_sub(begun.elapsed()))?;
        }
        Ok(())
    }

    /// Lets Redis cut the feeds of all nodes; see [`Publisher::cut_feeds`]. `None` without a publisher.
    pub(super) fn cut_feeds(&mut self) -> Result<Option<i64>> {
        self.publisher.as_mut().map(Publisher::cut_feeds).transpose()
    }

    /// Lets what was stored vanish later, and says how often the connection broke.
    pub(super) fn close(mut self) -> Breaks {
        if let Some(publisher) = &mut self.publisher
            && let Err(error) = publisher.clean(self.parameters.channels)
        {
            eprintln!("fanload: the streams of this run (sse:fanload-…) may stay in Redis: {error:#}");
        }
        self.breaks
    }

    /// Publishes the next event of a channel as of `at`, in microseconds since 1970.
    fn publish_at(&mut self, fleet: &mut Fleet, channel: usize, at: u64) -> Result<()> {
        let Self { publisher, parameters, numbers, data, published, .. } = self;
        let publisher = publisher.as_mut().context("this scenario publishes: name --redis, --feed or --post")?;
        numbers[channel] += 1;
        *published += 1;
        let (channel, number) = (channel as u32, numbers[channel]);
        Payload { channel, sequence: number, at }.write(parameters.bytes, data);
        let result = publisher.publish(Event { channel, number }, data);
        self.mended(fleet, result)
    }

    /// When the connection broke: goes on over a new one, and tells the fleet what no client can get. Events that
    /// were not accepted are not published again, since clients may have seen them before Redis lost them.
    fn mended(&mut self, fleet: &mut Fleet, result: Result<()>) -> Result<()> {
        match result {
            Err(error) if error.is::<Broken>() && self.can_be_published() => self.mend(fleet, error),
            result => result,
        }
    }

    fn mend(&mut self, fleet: &mut Fleet, mut why: Error) -> Result<()> {
        // What Ctrl-C has cut off looks like a break.
        self.stage.check()?;
        let begun = Instant::now();
        fleet.say(&format!("{why:#}: trying again"));
        if self.publisher.as_ref().is_some_and(Publisher::accepts) {
            self.away = None;
        }
        loop {
            let (since, attempt) = *self.away.get_or_insert((begun, 0));
            self.away = Some((since, attempt + 1));
            if since.elapsed() > self.parameters.patience {
                return Err(why.context(format!("gave up after {} s (--patience)", self.parameters.patience.as_secs())));
            }
            fleet.glance()?;
            if attempt > 0 {
                self.stage.rest((PAUSE.0 * 2_u32.pow(attempt.min(8))).min(PAUSE.1))?;
            }
            match self.publisher.as_mut().map(Publisher::mend) {
                Some(Ok(mended)) => return self.go_on(fleet, &mended, &why, begun.elapsed()),
                Some(Err(error)) if error.is::<Broken>() => why = error,
                Some(Err(error)) => return Err(why.context(format!("{error:#}"))),
                None => return Err(why),
            }
        }
    }

    fn go_on(&mut self, fleet: &mut Fleet, mended: &Mended, why: &Error, away: Duration) -> Result<()> {
        let breaks = &mut self.breaks;
        let unstored = breaks.unstored;
        breaks.add(mended);
        breaks.away += away;
        breaks.why = Some(format!("{why:#}"));
        self.published = self.published.saturating_sub(breaks.unstored - unstored);
        self.last_is_stored = false;
        fleet.excuse(mended.spans(), self.parameters.patience)
    }
}
