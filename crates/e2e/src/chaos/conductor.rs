//! Carries out the schedule, and keeps the ledger true when streams are lost.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Stage;
use super::plan::{CHANNELS, Deed, Fall, Plan};
use super::producer::channel;
use super::restore;
use super::truth::{Unsettled, now_ms};
use super::world::{Fsync, RECOVERY, World};
use crate::publisher::key;
use crate::{Connection, Direction, Flow, Node, Signal, pace};

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Runs,
    Frozen,
    Draining,
    Dead,
}

/// How often it looks whether something is to be done.
const TICK: Duration = Duration::from_millis(10);
/// A power failure takes what was written in this time.
const POWER_LOSS: Duration = Duration::from_millis(900);
/// How long Redis may take to answer the conductor.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Conductor<'a> {
    stage: &'a Stage,
    world: &'a mut World,
    fsync: Fsync,
    begun: Instant,
    nodes: Vec<Condition>,
    redis_frozen: bool,
    /// Since when Redis has been down, how it fell, and the proof that nothing is judged meanwhile.
    fallen: Option<(u64, Fall, Unsettled<'a>)>,
    /// Lengths of the append-only file, and when they were read.
    lengths: Vec<(Instant, PathBuf, u64)>,
}

impl<'a> Conductor<'a> {
    pub(crate) fn new(stage: &'a Stage, world: &'a mut World, fsync: Fsync) -> Self {
        let nodes = vec![Condition::Runs; world.nodes.len()];
        let begun = Instant::now();
        Self { stage, world, fsync, begun, nodes, redis_frozen: false, fallen: None, lengths: Vec::new() }
    }

    /// Does everything in the plan, until `duration` has passed or somebody stops the run; then heals everything.
    pub(crate) fn run(&mut self, plan: &Plan, duration: Duration) {
        let mut deeds = plan.deeds.iter().peekable();
        while self.begun.elapsed() < duration && !self.stage.is_stopped() {
            while let Some((_, deed)) = deeds.next_if(|(at, _)| *at <= self.begun.elapsed()) {
                self.attempt(*deed);
            }
            self.attend();
            pace(TICK);
        }
        self.heal();
    }

    fn attempt(&mut self, deed: Deed) {
        let (begun, fits) = (self.begun.elapsed(), self.fits(deed));
        let done = fits && self.act(deed).is_some();
        let how = if done { "" } else { " (not possible now)" };
        let line = format!("{} {:.3} s: {deed:?}{how}", now_ms(), begun.as_secs_f64());
        self.stage.log(&line);
        if let Some(kind) = deed.kind().filter(|_| done) {
            self.stage.tally.fault(kind);
        }
    }

    /// Whether the deed makes sense with what runs now. One node always goes on running, so that somebody is there to
    /// serve; a Redis that is frozen or down hears nobody.
    fn fits(&self, deed: Deed) -> bool {
        let hears = self.fallen.is_none() && !self.redis_frozen;
        let running = self.nodes.iter().filter(|node| **node == Condition::Runs).count();
        match deed {
            Deed::KillNode(node) | Deed::DrainNode(node) | Deed::FreezeNode(node) => {
                self.nodes[node] == Condition::Runs && running > 1
            }
            Deed::ThawNode(node) => self.nodes[node] == Condition::Frozen,
            Deed::StartNode(node) => self.nodes[node] == Condition::Dead,
            Deed::ThawRedis => self.redis_frozen,
            Deed::StartRedis => self.fallen.is_some(),
            Deed::Cut(_) | Deed::Flow(..) => true,
            Deed::FreezeRedis | Deed::StopRedis(_) | Deed::KillClients(_) | Deed::FlushAll => hears,
            Deed::Trim(..) | Deed::Retract(..) | Deed::Delete(_) => hears,
        }
    }

    fn act(&mut self, deed: Deed) -> Option<()> {
        match deed {
            Deed::KillNode(node) => {
                self.world.nodes[node].kill();
                self.nodes[node] = Condition::Dead;
            }
            Deed::DrainNode(node) => self.signal(node, Signal::Term, Condition::Draining),
            Deed::FreezeNode(node) => self.signal(node, Signal::Stop, Condition::Frozen),
            Deed::ThawNode(node) => self.signal(node, Signal::Cont, Condition::Runs),
            Deed::StartNode(node) => self.start_node(node),
            Deed::FreezeRedis => {
                self.world.redis.freeze();
                self.redis_frozen = true;
            }
            Deed::ThawRedis => {
                self.world.redis.thaw();
                self.redis_frozen = false;
            }
            Deed::StopRedis(fall) => self.stop_redis(fall),
            Deed::StartRedis => self.start_redis(),
            Deed::KillClients(kind) => self.command(&["CLIENT", "KILL", "TYPE", kind])?,
            Deed::Cut(wire) => self.world.wire(wire).cut(),
            Deed::Flow(wire, direction, flow) => self.world.wire(wire).set(direction, flow),
            Deed::Trim(index, kept) => self.command(&["XTRIM", &key(&channel(index)), "MAXLEN", &kept.to_string()])?,
            Deed::Retract(index, back) => self.retract(index, back)?,
            Deed::Delete(index) => self.delete(&[channel(index)], &["DEL", &key(&channel(index))])?,
            Deed::FlushAll => {
                let channels: Vec<String> = (0..CHANNELS).map(channel).collect();
                self.delete(&channels, &["FLUSHALL"])?;
            }
        }
        Some(())
    }

    fn signal(&mut self, node: usize, signal: Signal, condition: Condition) {
        self.world.nodes[node].signal(signal);
        self.nodes[node] = condition;
    }

    fn start_node(&mut self, node: usize) {
        self.world.nodes[node].relaunch();
        self.nodes[node] = Condition::Runs;
    }

    fn connection(&self) -> Option<Connection> {
        Connection::open_with(self.stage.redis, PATIENCE).ok()
    }

    fn command(&self, words: &[&str]) -> Option<()> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let reply = self.connection()?.try_command(&words).ok()?;
        // `CLIENT KILL TYPE normal` kills others only; XTRIM of nothing trims nothing.
        reply.error().is_none().then_some(())
    }

    /// Retracts the entry that so many others have followed.
    fn retract(&mut self, index: usize, back: u64) -> Option<()> {
        let name = channel(index);
        // From now on nobody need see it. Whether `XDEL` is answered does not matter.
        let id = self.stage.truth.ledger.with(&name, |history| history.retract_newest(back as usize))?;
        self.command(&["XDEL", &key(&name), &id])
    }

    /// Deletes streams, which begin anew; no publish is under way meanwhile.
    fn delete(&mut self, channels: &[String], words: &[&str]) -> Option<()> {
        let _alone = self.stage.truth.replacing();
        let _unsettled = self.stage.truth.unsettled();
        let mut redis = self.connection()?;
        for channel in channels {
            restore::note_unknown(&self.stage.truth.ledger, &mut redis, channel).ok()?;
        }
        let began = now_ms();
        self.command(words)?;
        for channel in channels {
            self.stage.truth.ledger.with(channel, |history| history.begin([], began));
        }
        // Two streams of one key within a millisecond could give one id to two events, which nobody can tell apart.
        pace(Duration::from_millis(3));
        Some(())
    }

    fn stop_redis(&mut self, fall: Fall) {
        // Before: what is published from now on may be lost.
        let unsettled = self.stage.truth.unsettled();
        if fall == Fall::Term {
            self.world.redis.stop();
        } else {
            self.world.redis.kill();
        }
        if fall == Fall::Power && self.fsync == Fsync::Everysec {
            self.lose_power();
        }
        self.fallen = Some((now_ms(), fall, unsettled));
    }

    /// Cuts off what was written lately: the operating system had not brought it to the disk.
    fn lose_power(&mut self) {
        let kept = self.lengths.iter().rfind(|(at, ..)| at.elapsed() >= POWER_LOSS);
        let (Some((_, path, length)), Some((newest, now))) = (kept, self.world.redis.append_only_end()) else { return };
        if *path == newest && *length < now {
            let file = OpenOptions::new().write(true).open(path).expect("the append-only file");
            file.set_len(*length).expect("a file that can be cut");
        }
    }

    fn start_redis(&mut self) {
        let Some((since, _, unsettled)) = self.fallen.take() else { return };
        let _alone = self.stage.truth.replacing();
        self.stage.truth.has_fallen();
        self.world.redis.launch();
        self.lengths.clear();
        let mut redis = self.connection().expect("redis-server answered a moment ago");
        for index in 0..CHANNELS {
            let name = channel(index);
            let lost = restore::compare(&self.stage.truth.ledger, &mut redis, &name, since);
            self.stage.tally.forgotten.add(lost.expect("redis-server answered a moment ago"));
        }
        drop(unsettled);
    }

    /// What has to be done all the time.
    fn attend(&mut self) {
        for index in 0..self.nodes.len() {
            if matches!(self.nodes[index], Condition::Runs | Condition::Draining)
                && let Some(status) = self.world.nodes[index].ended()
            {
                self.node_ended(index, status);
            }
        }
        if self.lengths.last().is_none_or(|(at, ..)| at.elapsed() >= POWER_LOSS / 10)
            && let Some((path, length)) = self.world.redis.append_only_end()
        {
            self.lengths.retain(|(at, ..)| at.elapsed() < POWER_LOSS * 3);
            self.lengths.push((Instant::now(), path, length));
        }
    }

    fn node_ended(&mut self, index: usize, status: std::process::ExitStatus) {
        if self.nodes[index] == Condition::Runs || !status.success() {
            let log = self.world.nodes[index].log();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n    ");
            let what = format!("node {index} ended by itself ({status}); its log ends with\n    {tail}");
            self.stage.tally.breach(|| what);
        }
        self.start_node(index);
        self.stage.log(&format!("{} node {index} has ended and is started again", now_ms()));
    }

    /// Ends every fault and waits until all nodes are ready.
    fn heal(&mut self) {
        self.stage.log(&format!("{} everything heals", now_ms()));
        for wire in self.world.wires() {
            wire.set(Direction::ToTarget, Flow::Pass);
            wire.set(Direction::ToClient, Flow::Pass);
        }
        if self.redis_frozen {
            self.world.redis.thaw();
        }
        if self.fallen.is_some() {
            self.start_redis();
        }
        let deadline = Instant::now() + RECOVERY;
        for index in 0..self.nodes.len() {
            match self.nodes[index] {
                Condition::Frozen => self.signal(index, Signal::Cont, Condition::Runs),
                Condition::Dead => self.start_node(index),
                Condition::Runs | Condition::Draining => {}
            }
        }
        let ready = |node: &Node| node.is_ready();
        while Instant::now() < deadline {
            self.attend();
            if self.nodes.iter().all(|node| *node == Condition::Runs) && self.world.nodes.iter().all(ready) {
                return;
            }
            pace(TICK * 5);
        }
        let late: Vec<usize> = (0..self.nodes.len()).filter(|&index| !ready(&self.world.nodes[index])).collect();
        self.stage.tally.breach(|| format!("nodes {late:?} were not ready {RECOVERY:?} after everything had healed"));
    }
}
