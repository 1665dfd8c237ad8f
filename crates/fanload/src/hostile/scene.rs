//! A fresh node with clients that behave, before and during an attack.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};

use super::audience::{Audience, PATIENCE, Shape};
use super::link::Link;
use super::meters::{self, Meters};
use super::observation::Observation;
use super::openings;
use super::size::Size;
use crate::contender::Running;
use crate::fleet::Total;
use crate::stage::Stage;
use crate::target::{Publish, Target, Trust};
use crate::transport::tls::Connector;

/// The other clients: two on each of ten channels.
const OTHERS: Shape = Shape { connections: 20, channels: 10, channels_per_connection: 1, bytes: 200 };
/// Events a second for them, over all their channels.
const RATE: f64 = 100.0;

/// What an attack needs to know.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) node: SocketAddr,
    pub(super) redis: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) pid: u32,
    /// How clients connect, in cases with TLS.
    pub(super) tls: Option<Arc<Connector>>,
    pub(super) size: Size,
    pub(super) stage: Stage,
}

/// A fresh node with clients that behave. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) ground: Ground,
    pub(super) target: Target,
    pub(super) undisturbed: Option<Observation>,
    pub(super) attacked: Option<Observation>,
    /// The link between node and Redis, in cases that have one.
    pub(super) link: Option<Link>,
    others: Audience,
    /// Ended last: its clients would complain.
    _running: Running,
}

impl Scene {
    /// # Errors
    /// When the other clients cannot be opened.
    pub(super) fn open(running: Running, link: Option<Link>, size: Size, stage: &Stage) -> Result<Self> {
        let target = running.target.clone();
        let Some(Publish::Redis { address: redis, .. }) = target.publish else {
            return Err(anyhow!("a node without Redis"));
        };
        let ground = Ground {
            node: *target.addresses.first().context("no node")?,
            redis,
            admin: *target.admin.first().context("no admin listener")?,
            pid: *running.server_pids.first().context("no process")?,
            tls: target.protocol.tls.as_ref().map(|trust| connector(trust, &target)).transpose()?,
            size,
            stage: stage.clone(),
        };
        let others = Audience::gather(stage, "others", &target, OTHERS)?;
        Ok(Self { ground, target, undisturbed: None, attacked: None, link, others, _running: running })
    }

    /// Measures the other clients without an attack.
    ///
    /// # Errors
    /// When something of the measuring fails.
    pub(super) fn undisturbed(&mut self) -> Result<Observation> {
        let (observation, ()) = self.observe(|| Ok(()))?;
        self.undisturbed = Some(observation.clone());
        Ok(observation)
    }

    /// Measures them while `attack` runs, and for some seconds at least.
    ///
    /// # Errors
    /// Those of `attack`, or when something of the measuring fails.
    pub(super) fn attacked<T>(&mut self, attack: impl FnOnce() -> Result<T>) -> Result<(Observation, T)> {
        let (observation, value) = self.observe(attack)?;
        self.attacked = Some(observation.clone());
        Ok((observation, value))
    }

    /// What the other clients have seen.
    ///
    /// # Errors
    /// When a worker does not report.
    pub(super) fn verdict(&mut self) -> Result<Total> {
        self.others.report()
    }

    fn observe<T>(&mut self, attack: impl FnOnce() -> Result<T>) -> Result<(Observation, T)> {
        let Ground { node, redis, admin, pid, tls, size, stage } = &self.ground;
        let Audience { fleet, voice, prefix, .. } = &mut self.others;
        fleet.measure(PATIENCE)?;
        let before = Meters::read(*pid, *admin, *redis)?;
        let (begun, done) = (Instant::now(), AtomicBool::new(false));
        let (value, most, openings) = std::thread::scope(|scope| {
            let voice = scope.spawn(|| voice.keep_on(RATE, &done));
            let openings = scope.spawn(|| openings::keep_opening(*node, tls.as_ref(), prefix, &done));
            let memory = scope.spawn(|| meters::most_memory(*pid, &done));
            let value = attack().and_then(|value| {
                stage.rest(size.span().saturating_sub(begun.elapsed()))?;
                Ok(value)
            });
            done.store(true, Ordering::Relaxed);
            joined(voice)?;
            Ok::<_, anyhow::Error>((value?, joined(memory)?, joined(openings)?))
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        let after = Meters::read(*pid, *admin, *redis)?;
        // Late events are waited for, so that the latencies hold them.
        self.others.round()?;
        let latency = self.others.report()?.latencies;
        let observation = Observation {
            seconds,
            latency,
            openings,
            rss_before: before.rss,
            rss_most: most.max(after.rss),
            node_cpu: after.cpu.since(&before.cpu).total(),
            redis_sent: after.redis_sent.saturating_sub(before.redis_sent),
            feed_cuts: after.feed_connects - before.feed_connects,
        };
        Ok((observation, value))
    }
}

fn connector(trust: &Trust, target: &Target) -> Result<Arc<Connector>> {
    Ok(Arc::new(Connector::new(trust, &target.subscribe.host, false)?))
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread of the measurement panicked"))?
}
