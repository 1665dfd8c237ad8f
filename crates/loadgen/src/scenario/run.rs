//! What all scenarios have in common: clients, a publisher, a measured part, a last event for everybody.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::{Outcome, Parameters, Scenario};
use crate::fleet::{Fleet, Order, Plan, Total};
use crate::payload::{self, Payload};
use crate::publish::Publisher;
use crate::reading::{Cpu, Reading};
use crate::stage::Stage;
use crate::target::{Publish, RedisWay, Resume, Target};

/// Bytes a second that a slow client reads.
const SLOW_BYTES: usize = 64;
/// Longest pause before a client that was cut comes back.
const AWAY: Duration = Duration::from_millis(500);

/// How long the first connect may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A scenario that is running.
pub(super) struct Run<'a> {
    pub(super) parameters: &'a Parameters,
    pub(super) target: &'a Target,
    pub(super) fleet: Fleet,
    pub(super) publisher: Option<Publisher>,
    /// What only this scenario measures.
    pub(super) numbers: BTreeMap<String, f64>,
    scenario: Scenario,
    server_pids: &'a [u32],
    stage: &'a Stage,
    before: Reading,
    /// The number of the last event of each channel.
    sequences: Vec<u64>,
    pub(super) published: u64,
    data: Vec<u8>,
    part: Option<Part>,
}

/// The measured part, when it has ended.
struct Part {
    published: u64,
    deliveries: u64,
    elapsed: Duration,
    server: Cpu,
    client: Cpu,
    after: Reading,
    total: Total,
}

/// The measured part while it runs.
pub(super) struct Measuring {
    begun: Instant,
    server: Cpu,
    client: Cpu,
    /// Events published before those that count.
    pub(super) published: u64,
}

impl<'a> Run<'a> {
    /// Starts workers and connects the publisher; opens no connection yet.
    pub(super) fn begin(
        scenario: Scenario,
        parameters: &'a Parameters,
        target: &'a Target,
        server_pids: &'a [u32],
        stage: &'a Stage,
    ) -> Result<Self> {
        let before = Reading::take(server_pids)?;
        somebody_listens(&target.addresses)?;
        // Names of their own, so that nothing of an earlier run is met.
        let prefix = format!("fanload-{:08x}-", fastrand::u32(..));
        let mut publisher = target.publish.as_ref().map(|publish| Publisher::connect(publish, &prefix)).transpose()?;
        if let Some(publisher) = &mut publisher {
            publisher.prepare(parameters.channels)?;
        }
        let ephemeral = matches!(target.publish, Some(Publish::Redis { way: RedisWay::Ephemeral, .. }));
        let plan = Plan {
            addresses: target.addresses.clone(),
            subscribe: target.subscribe.clone(),
            prefix,
            channels: parameters.channels,
            channels_per_connection: parameters.channels_per_connection,
            worker: 0,
            first: 0,
            bytes: parameters.bytes,
            slow: parameters.slow,
            slow_bytes: SLOW_BYTES,
            resumes: target.subscribe.resume != Resume::Never && !ephemeral,
            at_once: parameters.at_once,
            patience_ms: parameters.patience.as_millis() as u64,
            away_ms: AWAY.as_millis() as u64,
            seed: parameters.seed,
        };
        let title = format!("{scenario:?}").to_lowercase();
        let fleet = Fleet::start(stage, &title, &plan, parameters.connections, parameters.processes)?;
        Ok(Self {
            parameters,
            target,
            fleet,
            publisher,
            numbers: BTreeMap::new(),
            scenario,
            server_pids,
            stage,
            before,
            sequences: vec![0; parameters.channels],
            published: 0,
            data: Vec::new(),
            part: None,
        })
    }

    /// Opens all connections.
    pub(super) fn open_all(&mut self) -> Result<()> {
        self.fleet.open(self.parameters.connections, self.parameters.patience)
    }

    /// Publishes the next event of a channel as of `at`, in microseconds since 1970. See [`Publisher::publish`].
    pub(super) fn publish_at(&mut self, channel: usize, at: u64) -> Result<()> {
        let publisher = self.publisher.as_mut().context("this scenario publishes: name --redis, --feed or --post")?;
        self.sequences[channel] += 1;
        let payload = Payload { channel: channel as u32, sequence: self.sequences[channel], at };
        payload.write(self.parameters.bytes, &mut self.data);
        self.published += 1;
        publisher.publish(channel as u32, &self.data)
    }

    /// Publishes the next event of a channel as of now.
    pub(super) fn publish(&mut self, channel: usize) -> Result<()> {
        self.publish_at(channel, payload::now())
    }

    /// Publishes one event in each channel and sends them all. Returns the number that they have.
    pub(super) fn publish_round(&mut self) -> Result<u64> {
        for channel in 0..self.parameters.channels {
            self.publish(channel)?;
            if channel % 1_000 == 999 {
                self.stage.check()?;
            }
        }
        self.flush()?;
        Ok(self.last())
    }

    /// Waits until everything published is accepted.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.publisher.as_mut().map_or(Ok(()), Publisher::flush)
    }

    /// The number of the newest event of any channel.
    pub(super) fn last(&self) -> u64 {
        self.sequences.iter().copied().max().unwrap_or(0)
    }

    /// Brings all channels to the same number, with events that count as any other.
    pub(super) fn level(&mut self) -> Result<u64> {
        let last = self.last();
        for channel in 0..self.parameters.channels {
            while self.sequences[channel] < last {
                self.publish(channel)?;
            }
        }
        self.flush()?;
        Ok(last)
    }

    /// Waits until everybody has event `sequence` of each channel. `false`: somebody has not; the run should then
    /// [`finish`](Self::finish), which finds out what was lost.
    pub(super) fn all_have(&mut self, sequence: u64) -> Result<bool> {
        self.fleet.watch(sequence, false)?;
        self.fleet.reached(sequence, self.parameters.patience)
    }

    /// Publishes at the fixed rate, channel after channel, until the events or the time are used up. The times in the
    /// events are those at which they should have been published.
    pub(super) fn publish_at_rate(&mut self) -> Result<()> {
        let Parameters { events, duration, rate, channels, .. } = *self.parameters;
        let total = if events > 0 { events } else { (rate * duration.as_secs_f64()).ceil() as u64 };
        let (begun, start) = (Instant::now(), payload::now());
        let mut sent = 0;
        while sent < total {
            let due = ((begun.elapsed().as_secs_f64() * rate) as u64 + 1).min(total);
            while sent < due {
                let at = start + (sent as f64 * 1e6 / rate) as u64;
                self.publish_at((sent % channels as u64) as usize, at)?;
                sent += 1;
            }
            self.flush()?;
            self.fleet.glance()?;
            let next = Duration::from_secs_f64(sent as f64 / rate);
            std::thread::sleep(next.saturating_sub(begun.elapsed()));
        }
        Ok(())
    }

    /// Begins the measured part.
    pub(super) fn measure(&mut self) -> Result<Measuring> {
        self.fleet.measure(self.parameters.patience)?;
        Ok(Measuring {
            server: Reading::take(self.server_pids)?.cpu,
            client: Reading::take(&self.fleet.pids())?.cpu,
            published: self.published,
            begun: Instant::now(),
        })
    }

    /// Ends the measured part.
    pub(super) fn measured(&mut self, measuring: &Measuring) -> Result<()> {
        let elapsed = measuring.begun.elapsed();
        let after = Reading::take(self.server_pids)?;
        let client = Reading::take(&self.fleet.pids())?.cpu.since(&measuring.client);
        let total = self.fleet.report(self.parameters.patience)?;
        self.part = Some(Part {
            published: self.published - measuring.published,
            deliveries: total.measured,
            elapsed,
            server: after.cpu.since(&measuring.server),
            client,
            after,
            total,
        });
        Ok(())
    }

    /// Reads the server's processes now.
    pub(super) fn reading(&self) -> Result<Reading> {
        Reading::take(self.server_pids)
    }

    /// Publishes a last event in each channel, waits for everybody to get it, and gives the verdict.
    pub(super) fn finish(mut self) -> Result<Outcome> {
        self.fleet.order(Order::Churn(0.0))?;
        self.fleet.order(Order::Hurry)?;
        self.fleet.order(Order::Return)?;
        if self.publisher.is_some() {
            self.level()?;
            let last = self.publish_round()?;
            self.fleet.watch(last, true)?;
            self.fleet.reached(last, self.parameters.patience)?;
        }
        let total = self.fleet.report(self.parameters.patience)?;
        let mut integrity = total.integrity;
        integrity.silent = total.behind;
        drop(self.fleet);
        if let Some(publisher) = &mut self.publisher {
            publisher.clean(self.parameters.channels)?;
        }
        let part = self.part.context("a scenario that measured nothing")?;
        Ok(Outcome {
            scenario: self.scenario,
            parameters: self.parameters.clone(),
            published: part.published,
            deliveries: part.deliveries,
            elapsed: part.elapsed,
            server_cpu: part.server,
            client_cpu: part.client,
            latency: part.total.latencies,
            before: self.before,
            after: part.after,
            integrity,
            disturbances: total.disturbances,
            numbers: self.numbers,
        })
    }
}

/// Tries the addresses once, so that a wrong one is told at once and not after many attempts of many clients.
fn somebody_listens(addresses: &[SocketAddr]) -> Result<()> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, CONNECT) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(anyhow!("nobody listens at {address}: {error}")),
        }
    }
    Err(last.unwrap_or_else(|| anyhow!("there is no address to connect to")))
}
