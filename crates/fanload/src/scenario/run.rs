//! What all scenarios have in common: clients, a publisher, a measured part, a last event for all clients.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::events::Events;
use super::kind::Scenario;
use super::measured::{Measuring, Part};
use super::outcome::Outcome;
use super::parameters::Parameters;
use crate::admin;
use crate::fleet::{Fleet, Order, Plan};
use crate::latency::Latency;
use crate::publish::Publisher;
use crate::reading::Reading;
use crate::stage::Stage;
use crate::target::{Publish, RedisWay, Resume, Target};

/// Bytes a second that a slow client reads.
const SLOW_BYTES: usize = 64;
/// Longest pause before a client that was cut comes back.
const AWAY: Duration = Duration::from_millis(500);

/// How long the first connect may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a run that ends before its time waits for the last reports of its workers.
const LAST_WORD: Duration = Duration::from_secs(10);

/// A scenario that is running.
pub(super) struct Run<'a> {
    pub(super) parameters: &'a Parameters,
    pub(super) target: &'a Target,
    pub(super) fleet: Fleet,
    pub(super) events: Events<'a>,
    /// What only this scenario measures.
    pub(super) numbers: BTreeMap<String, f64>,
    /// What the names of its channels begin with; the index follows.
    prefix: String,
    scenario: Scenario,
    server_pids: &'a [u32],
    pub(super) stage: &'a Stage,
    before: Reading,
    measuring: Option<Measuring>,
    part: Option<Part>,
    compared: Option<Latency>,
    /// Whether a client that comes back starts from now on, so that it gets nothing that was published while it was away.
    starts_over: bool,
    /// Whether the last event was waited for, so that a client without it is silent.
    last_was_awaited: bool,
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
        check_addresses(&target.addresses)?;
        // Names of their own, so that nothing of an earlier run is met.
        let prefix = format!("fanload-{:08x}-", fastrand::u32(..));
        let publisher = target.publish.as_ref().map(|publish| Publisher::connect(publish, &prefix, stage));
        let mut publisher = publisher.transpose()?;
        if let Some(publisher) = &mut publisher {
            publisher.prepare(parameters.channels)?;
        }
        let resume = &target.subscribe.resume;
        let ephemeral = matches!(target.publish, Some(Publish::Redis { way: RedisWay::Ephemeral, .. }));
        let plan = Plan {
            addresses: target.addresses.clone(),
            protocol: target.protocol.clone(),
            subscribe: target.subscribe.clone(),
            prefix: prefix.clone(),
            channels: parameters.channels,
            channels_per_connection: parameters.channels_per_connection,
            worker: 0,
            first: 0,
            bytes: parameters.bytes,
            slow: parameters.slow,
            slow_bytes: SLOW_BYTES,
            resumes: *resume != Resume::Never && !ephemeral,
            at_once: parameters.at_once,
            patience_ms: parameters.patience.as_millis() as u64,
            away_ms: AWAY.as_millis() as u64,
            seed: parameters.seed,
        };
        let fleet = Fleet::start(stage, &scenario.name(), &plan, parameters.connections, parameters.processes)?;
        Ok(Self {
            parameters,
            target,
            fleet,
            events: Events::new(publisher, parameters, stage),
            numbers: BTreeMap::new(),
            prefix,
            scenario,
            server_pids,
            stage,
            before,
            measuring: None,
            part: None,
            compared: None,
            starts_over: matches!(resume, Resume::Never | Resume::Nothing) || ephemeral,
            last_was_awaited: false,
        })
    }

    /// The name of a channel.
    pub(super) fn channel(&self, index: usize) -> String {
        format!("{}{index}", self.prefix)
    }

    /// Opens all connections.
    pub(super) fn open_all(&mut self) -> Result<()> {
        self.fleet.open(self.parameters.connections, self.parameters.patience)
    }

    /// Waits until all clients have event `sequence` of each channel. `false`: one has not; the run should then end,
    /// which finds out what was lost.
    pub(super) fn all_have(&mut self, sequence: u64) -> Result<bool> {
        self.fleet.watch(sequence, false)?;
        self.fleet.reached(sequence, self.parameters.patience)
    }

    /// Publishes the next event of a channel as of now.
    pub(super) fn publish(&mut self, channel: usize) -> Result<()> {
        self.events.publish(&mut self.fleet, channel)
    }

    /// Publishes one event in each channel; see [`Events::publish_round`].
    pub(super) fn publish_round(&mut self) -> Result<u64> {
        self.events.publish_round(&mut self.fleet)
    }

    /// Publishes at the fixed rate; see [`Events::publish_at_rate`].
    pub(super) fn publish_at_rate(&mut self) -> Result<()> {
        self.events.publish_at_rate(&mut self.fleet)
    }

    /// Waits until everything published is accepted.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.events.flush(&mut self.fleet)
    }

    /// Brings all channels to the same number; see [`Events::level`].
    pub(super) fn level(&mut self) -> Result<u64> {
        self.events.level(&mut self.fleet)
    }

    /// Brings all channels to the same number, of which all clients can be expected to get the event: where one that comes
    /// back starts from now on, it is published when all are there. Nobody is cut any more.
    pub(super) fn level_for_all(&mut self) -> Result<u64> {
        let last = self.level()?;
        if self.gather()? { self.publish_round() } else { Ok(last) }
    }

    /// Where a client that comes back starts from now on, waits until all are there, for as long as there is patience: one that does not come
    /// then misses what follows. Returns whether that is so.
    fn gather(&mut self) -> Result<bool> {
        if self.starts_over {
            self.fleet.gather(self.parameters.patience)?;
        }
        Ok(self.starts_over)
    }

    /// Begins the measured part: what is published from now on counts.
    pub(super) fn measure(&mut self) -> Result<()> {
        self.measure_what_follows(self.events.published)
    }

    /// Begins the measured part, in which the events count that were published after the first `published`.
    pub(super) fn measure_what_follows(&mut self, published: u64) -> Result<()> {
        // Asking a node for its metrics touches its memory.
        let asks = !matches!(self.scenario, Scenario::Hold | Scenario::Large);
        let reads = if asks { admin::archive_reads(&self.target.admin)? } else { None };
        let (pids, patience) = (self.server_pids, self.parameters.patience);
        self.measuring = Some(Measuring::begin(&mut self.fleet, pids, patience, published, reads)?);
        Ok(())
    }

    /// Ends the measured part. Number, with the nodes' admin addresses and where memory is not the question:
    /// `archive_reads`.
    pub(super) fn measured(&mut self) -> Result<()> {
        let reads = self.measuring.as_ref().and_then(|measuring| measuring.reads);
        self.measured_within(self.parameters.patience)?;
        if let Some(before) = reads
            && let Some(after) = admin::archive_reads(&self.target.admin)?
        {
            self.numbers.insert("archive_reads".to_owned(), after - before);
        }
        Ok(())
    }

    /// The same, with a bound on how long workers may take to report, and without what only nodes can say.
    fn measured_within(&mut self, patience: Duration) -> Result<()> {
        let Some(measuring) = self.measuring.take() else { return Ok(()) };
        self.part = Some(measuring.end(&mut self.fleet, self.server_pids, patience, self.events.published)?);
        Ok(())
    }

    /// Ends a part that the measured one will be compared with.
    pub(super) fn compared(&mut self) -> Result<()> {
        self.measuring = None;
        self.compared = Some(self.fleet.report(self.parameters.patience)?.latencies);
        Ok(())
    }

    /// Reads the server's processes now.
    pub(super) fn reading(&self) -> Result<Reading> {
        Reading::take(self.server_pids)
    }

    /// Publishes a last event in each channel and waits until all clients have it.
    pub(super) fn end(&mut self) -> Result<()> {
        self.fleet.order(&Order::Churn(0.0))?;
        self.fleet.order(&Order::Slow(false))?;
        self.fleet.order(&Order::Return)?;
        if self.events.can_be_published() {
            self.level()?;
            self.gather()?;
            let last = self.publish_round()?;
            self.fleet.watch(last, true)?;
            self.fleet.reached(last, self.parameters.patience)?;
        }
        self.last_was_awaited = true;
        Ok(())
    }

    /// Whether anything has been measured yet.
    pub(super) fn has_measured(&self) -> bool {
        self.measuring.is_some() || self.part.is_some()
    }

    /// Ends the workers and gives the verdict. `cut_short`: why the run ends before its time.
    pub(super) fn outcome(mut self, cut_short: Option<String>) -> Result<Outcome> {
        let mut patience = self.parameters.patience;
        if cut_short.is_some() {
            if self.stage.asked_to_end().is_some() {
                self.fleet.say("interrupted: a last report; once more ends it without");
            }
            self.fleet.wind_up();
            patience = patience.min(LAST_WORD);
            if self.measuring.is_some() {
                self.measured_within(patience)?;
            }
        }
        let total = self.fleet.report(patience)?;
        let mut integrity = total.integrity;
        if self.last_was_awaited {
            integrity.silent = total.behind;
        }
        drop(self.fleet);
        let breaks = self.events.close();
        let part = match self.part {
            None if cut_short.is_some() => Part::nothing(self.before),
            part => part.context("a scenario that measured nothing")?,
        };
        Ok(Outcome {
            scenario: self.scenario,
            parameters: self.parameters.clone(),
            protocol: self.target.protocol.clone(),
            cut_short,
            published: part.published,
            deliveries: part.deliveries,
            elapsed: part.elapsed,
            server_cpu: part.server,
            client_cpu: part.client,
            latency: part.latencies,
            compared: self.compared,
            before: self.before,
            after: part.after,
            integrity,
            disturbances: total.disturbances,
            breaks,
            numbers: self.numbers,
        })
    }
}

/// Tries the addresses once, so that a wrong one is told at once and not after many attempts of many clients.
fn check_addresses(addresses: &[SocketAddr]) -> Result<()> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, CONNECT) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(anyhow!("nobody listens at {address}: {error}")),
        }
    }
    Err(last.unwrap_or_else(|| anyhow!("there is no address to connect to")))
}
