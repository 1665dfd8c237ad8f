//! Carries out the schedule. What happens to Redis and its streams is in `redis_faults`.

use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fanfare_e2e::{Direction, Flow, Node, Signal, pace};

use crate::action::Action;
use crate::attack::Wave;
use crate::bounds::{DRAIN_WITHIN, RECOVERY};
use crate::fsync::Fsync;
use crate::plan::Plan;
use crate::published_record::now_ms;
use crate::redis_faults::RedisFaults;
use crate::resource_usage::ResourceUsage;
use crate::run::Run;
use crate::world::World;

/// The number of SIGTERM, everywhere.
const TERM: i32 = 15;

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Runs,
    Frozen,
    /// Since then.
    Draining(Instant),
    Dead,
}

/// How often nodes that speak TLS get another certificate.
const RENEWAL: Duration = Duration::from_secs(7);
/// A node that has run for so long has read its files: it would refuse to start with a certificate and the key of another one.
const HAS_READ_FILES: Duration = Duration::from_secs(10);
/// How often it looks whether something is to be done.
const TICK: Duration = Duration::from_millis(10);

pub(crate) struct FaultRunner<'a> {
    run: &'a Run,
    world: &'a mut World,
    begun: Instant,
    nodes: Vec<Condition>,
    redis: RedisFaults<'a>,
    /// What ends faults and could not be done when it was due.
    owed: Vec<Action>,
    /// How often certificates were replaced.
    renewals: u32,
}

impl<'a> FaultRunner<'a> {
    pub(crate) fn new(run: &'a Run, world: &'a mut World, fsync: Fsync) -> Self {
        let nodes = vec![Condition::Runs; world.nodes.len()];
        let (redis, owed) = (RedisFaults::new(run, fsync), Vec::new());
        Self { run, world, begun: Instant::now(), nodes, redis, owed, renewals: 0 }
    }

    /// Does everything in the plan, until `duration` has passed or somebody stops the run; then heals everything.
    pub(crate) fn run(&mut self, plan: &Plan, duration: Duration) {
        let mut actions = plan.actions.iter().peekable();
        while self.begun.elapsed() < duration && !self.run.is_stopped() {
            while let Some((_, action)) = actions.next_if(|(at, _)| *at <= self.begun.elapsed()) {
                self.attempt(*action);
            }
            self.attend();
            pace(TICK);
        }
        self.heal();
    }

    fn attempt(&mut self, action: Action) {
        let (begun, fits) = (self.begun.elapsed(), self.fits(action));
        let done = fits && {
            // It may take a while.
            self.run.interference.note(action);
            let done = self.act(action).is_some();
            self.run.interference.note(action);
            done
        };
        let how = if done { "" } else { " (not possible now)" };
        let line = format!("{} {:.3} s: {action:?}{how}", now_ms(), begun.as_secs_f64());
        self.run.log(&line);
        if let Some(kind) = action.kind().filter(|_| done) {
            self.run.counters.fault(kind);
        }
        if !done && action.is_owed() {
            self.owed.push(action);
        }
    }

    /// Does what is owed and can be done now.
    fn catch_up(&mut self) {
        for action in std::mem::take(&mut self.owed) {
            if self.fits(action) {
                self.attempt(action);
            } else {
                self.owed.push(action);
            }
        }
    }

    /// Whether the action makes sense with what runs now. One node always goes on running, so that somebody is there to
    /// serve; a Redis that is frozen or down hears nobody.
    fn fits(&self, action: Action) -> bool {
        let hears = self.redis.hears();
        let running = self.nodes.iter().filter(|node| **node == Condition::Runs).count();
        match action {
            Action::KillNode(node) | Action::DrainNode(node) | Action::FreezeNode(node) => {
                self.nodes[node] == Condition::Runs && running > 1
            }
            Action::ThawNode(node) => self.nodes[node] == Condition::Frozen,
            Action::StartNode(node) => self.nodes[node] == Condition::Dead,
            Action::ThawRedis => self.redis.is_frozen(),
            Action::StartRedis => self.redis.is_down(),
            Action::FailOver => hears && !self.redis.replica_is_down() && self.world.replica.is_in_step(),
            Action::Rejoin => self.redis.replica_is_down(),
            Action::Cut(_) | Action::Flow(..) => true,
            Action::FreezeRedis | Action::StopRedis(_) | Action::KillClients(_) | Action::FlushAll => hears,
            Action::Trim(..) | Action::TrimBefore(..) | Action::Retract(..) => hears,
            Action::Expire(_) | Action::Delete(_) => hears,
            Action::TakeAccess(_) | Action::GiveAccess(_) | Action::LimitMemory | Action::LiftMemoryLimit => hears,
            Action::Attack(_, node, _) => self.nodes[node] == Condition::Runs,
            Action::LeaveLog(node) | Action::ReadLog(node) => node != self.world.unread,
        }
    }

    fn act(&mut self, action: Action) -> Option<()> {
        match action {
            Action::KillNode(node) => self.kill_node(node),
            Action::DrainNode(node) => self.signal(node, Signal::Term, Condition::Draining(Instant::now())),
            Action::FreezeNode(node) => self.signal(node, Signal::Stop, Condition::Frozen),
            Action::ThawNode(node) => self.signal(node, Signal::Cont, Condition::Runs),
            Action::StartNode(node) => self.start_node(node),
            Action::Cut(wire) => self.world.wire(wire).cut(),
            Action::Flow(wire, direction, flow) => self.world.wire(wire).set(direction, flow),
            Action::Attack(attack, node, length) => self.run.waves.begin(Wave { attack, node, length })?,
            Action::LeaveLog(node) => self.world.nodes[node].leave_log(),
            Action::ReadLog(node) => self.world.nodes[node].read_log(),
            _ => return self.redis.act(self.world, action),
        }
        Some(())
    }

    fn signal(&mut self, node: usize, signal: Signal, condition: Condition) {
        self.run.nodes[node].ends();
        self.world.nodes[node].signal(signal);
        self.nodes[node] = condition;
        if condition == Condition::Runs {
            self.run.nodes[node].begins(self.world.nodes[node].pid());
        }
    }

    fn kill_node(&mut self, node: usize) {
        self.run.nodes[node].ends();
        self.world.nodes[node].kill();
        self.nodes[node] = Condition::Dead;
    }

    fn start_node(&mut self, node: usize) {
        self.world.nodes[node].relaunch();
        self.nodes[node] = Condition::Runs;
        self.run.nodes[node].begins(self.world.nodes[node].pid());
    }

    /// What has to be done all the time.
    fn attend(&mut self) {
        for index in 0..self.nodes.len() {
            if matches!(self.nodes[index], Condition::Runs | Condition::Draining(_))
                && let Some(status) = self.world.nodes[index].ended()
            {
                self.node_ended(index, status);
            }
            if let Condition::Draining(since) = self.nodes[index] {
                self.judge_drain(index, since.elapsed());
            }
        }
        self.catch_up();
        self.renew_certificates();
        self.redis.note_length(self.world);
        if self.run.counters.usage_is_due(self.begun.elapsed()) {
            let nodes = self.nodes.iter().zip(&self.world.nodes);
            let nodes = nodes.filter(|(condition, _)| **condition != Condition::Dead).map(|(_, node)| node);
            self.run.counters.usage(ResourceUsage::take(
                self.begun.elapsed(),
                nodes,
                self.world,
                !self.redis.is_down(),
            ));
        }
    }

    /// Replaces the certificates of nodes now and then, and tells nobody: they look by themselves.
    fn renew_certificates(&mut self) {
        let certificates = &self.world.certificates;
        if certificates.is_empty() || self.begun.elapsed() < RENEWAL * (self.renewals + 1) {
            return;
        }
        self.renewals += 1;
        let certificate = &certificates[self.renewals as usize % certificates.len()];
        for (node, under_test) in self.world.nodes.iter().zip(&self.run.nodes) {
            if under_test.life().is_some_and(|life| life.since.elapsed() > HAS_READ_FILES) {
                node.replace_certificate(certificate);
                self.run.counters.fault("certificate of a node replaced");
            }
        }
        self.run.log(&format!("{} nodes get certificate {}", now_ms(), self.renewals));
    }

    /// A node that is told to end does so within a bound, whatever else happens to it.
    fn judge_drain(&mut self, index: usize, took: Duration) {
        if took > DRAIN_WITHIN {
            self.run.counters.breach(|| format!("node {index} has not ended {took:?} after SIGTERM"));
            self.kill_node(index);
            self.start_node(index);
        }
    }

    fn node_ended(&mut self, index: usize, status: std::process::ExitStatus) {
        self.run.nodes[index].ends();
        if let Condition::Draining(since) = self.nodes[index] {
            self.run.counters.drain_ms.most(since.elapsed().as_millis() as u64);
        }
        // A node that was told to end before it listened to signals ends at once.
        let obeyed = status.success() || status.signal() == Some(TERM);
        if self.nodes[index] == Condition::Runs || !obeyed {
            let log = self.world.nodes[index].log();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n    ");
            let what = format!("node {index} ended by itself ({status}); its log ends with\n    {tail}");
            self.run.counters.breach(|| what);
        }
        self.start_node(index);
        self.run.log(&format!("{} node {index} has ended and is started again", now_ms()));
    }

    /// Ends every fault and waits until all nodes are ready.
    fn heal(&mut self) {
        self.run.log(&format!("{} everything heals", now_ms()));
        self.run.heals.store(true, Ordering::Release);
        self.owed.clear();
        for wire in self.world.wires() {
            wire.set(Direction::ToTarget, Flow::Pass);
            wire.set(Direction::ToClient, Flow::Pass);
        }
        self.redis.heal(self.world);
        self.run.interference.note_healed();
        let deadline = Instant::now() + RECOVERY;
        for index in 0..self.nodes.len() {
            match self.nodes[index] {
                Condition::Frozen => self.signal(index, Signal::Cont, Condition::Runs),
                Condition::Dead => self.start_node(index),
                Condition::Runs | Condition::Draining(_) => {}
            }
            if index != self.world.unread {
                self.world.nodes[index].read_log();
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
        self.run.counters.breach(|| format!("nodes {late:?} were not ready {RECOVERY:?} after everything had healed"));
    }
}
