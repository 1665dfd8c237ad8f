//! The registry: every followed log of the node, kept true to its stream.
//!
//! A state machine without I/O. It is fed with what the feed says, which channels the connection threads touched, and what
//! the archive answered; [`Registry::settle`] then says which reads to start. The clock is handed in.
//!
//! The rules, each in one place:
//! - a push is appended only if it follows the head, and dropped only if that very entry is here; anything else is a
//!   **doorbell**: the archive is read from the head ([`feed`]);
//! - doorbells set a flag, resolved once per turn, one read in flight per channel ([`Registry::settle`]);
//! - whatever the archive says is proven before it is appended ([`answers`]);
//! - every head is compared with its stream after a reconnect and every `reconcile_interval` ([`timers`]).

#[cfg(test)]
mod ahead_tests;
mod answers;
mod bounds;
mod complaints;
#[cfg(test)]
mod complaints_tests;
mod feed;
#[cfg(test)]
mod limits_tests;
mod log;
mod reads;
#[cfg(test)]
mod tests;
mod timers;
mod untaken;
#[cfg(test)]
mod untaken_tests;
mod wants;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use fanfare_protocol::ChannelName;
use tokio::time::Instant;

use crate::archive::ReadRequest;
use crate::budget::Budget;
use crate::channel::{Channel, Hub};
use crate::feed::Desired;
use crate::options::Options;
use crate::random::Random;
use crate::stats::IngestStats;
use complaints::Complaints;
use log::ChannelLog;
use timers::{Allowance, Timer};
use untaken::Untaken;

/// A read that the ingest has to start. Its answer comes back through the `on_…` method of the same name.
#[derive(Debug)]
pub enum Command {
    /// Where these streams end.
    Tips {
        /// Their keys, in the order of the names.
        keys: Vec<usize>,
        /// Their names.
        names: Vec<ChannelName>,
    },
    /// A page from the head, to repair or extend a tail.
    Head {
        /// The channel's key.
        key: usize,
        /// What to read.
        request: ReadRequest,
    },
    /// A page for readers that are behind.
    Page {
        /// The channel's key.
        key: usize,
        /// What to read.
        request: ReadRequest,
    },
    /// Where the newest entries begin.
    Newest {
        /// The channel's key.
        key: usize,
        /// The channel.
        name: ChannelName,
        /// How many.
        count: usize,
    },
}

/// Every followed log of the node.
#[derive(Debug)]
pub struct Registry {
    options: Options,
    hub: Arc<Hub>,
    desired: Desired,
    stats: Arc<IngestStats>,
    began: Instant,
    logs: HashMap<usize, ChannelLog>,
    by_name: HashMap<ChannelName, usize>,
    budget: Budget,
    timers: BinaryHeap<Reverse<(Instant, usize, Timer)>>,
    allowance: Allowance,
    untaken: Untaken,
    random: Random,
    /// Keys whose tip is to be read.
    tips: VecDeque<usize>,
    /// Keys whose log is dirty.
    dirty: VecDeque<usize>,
    /// Keys with readers that want a page.
    paging: VecDeque<usize>,
    /// Keys of channels over the node's limit.
    waiting: BTreeSet<usize>,
    /// Keys in the order of the next reconcile.
    sweep: VecDeque<usize>,
    next_sweep: Instant,
    /// Shares of a channel that no sweep has used yet.
    sweep_credit: usize,
    /// Keys whose stream was proven absent in this turn.
    absent: Vec<usize>,
    tip_requests: usize,
    /// Reads of pages and heads in flight.
    reads: usize,
    /// Those of heads.
    head_reads: usize,
    /// Threads to wake at the end of the turn.
    wake: u64,
    /// Histories that turned out not to be contiguous since the last sweep.
    broken: Complaints,
}

impl Registry {
    /// An empty registry. `random` is for jitter: nodes that start together must not do everything together.
    #[must_use]
    pub fn new(
        options: Options,
        hub: Arc<Hub>,
        desired: Desired,
        stats: Arc<IngestStats>,
        random: Random,
        now: Instant,
    ) -> Self {
        Self {
            budget: Budget::new(options.budget),
            allowance: Allowance::new(options.archive_bytes_per_second, now),
            untaken: Untaken::default(),
            random,
            next_sweep: now + options.reconcile_interval / timers::SWEEPS,
            options,
            hub,
            desired,
            stats,
            began: now,
            logs: HashMap::new(),
            by_name: HashMap::new(),
            timers: BinaryHeap::new(),
            tips: VecDeque::new(),
            dirty: VecDeque::new(),
            paging: VecDeque::new(),
            waiting: BTreeSet::new(),
            sweep: VecDeque::new(),
            sweep_credit: 0,
            absent: Vec::new(),
            tip_requests: 0,
            reads: 0,
            head_reads: 0,
            wake: 0,
            broken: Complaints::default(),
        }
    }

    /// Looks at channels that connection threads touched: new ones, ones with wants, ones without readers.
    pub fn on_touched(&mut self, channels: &[Arc<Channel>], now: Instant) {
        for channel in channels.iter().filter(|channel| !channel.is_forgotten()) {
            let key = channel.key;
            let log = self.logs.entry(key).or_insert_with(|| ChannelLog::new(Arc::clone(channel)));
            let wanting = log.is_wanting();
            if channel.is_watched() {
                log.idle_since = None;
                if !log.followed {
                    self.follow(key);
                }
            } else if log.idle_since.is_none() {
                log.idle_since = Some(now);
                self.start_linger(key, now);
            }
            if wanting {
                self.queue_page(key);
            }
        }
    }

    /// Ends a turn: keeps the budget and says which reads to start. Call it after any number of `on_…` calls.
    pub fn settle(&mut self, now: Instant) -> Vec<Command> {
        let mut commands = Vec::new();
        self.renew_absences(now);
        self.untaken.forget(now);
        self.start_tips(&mut commands);
        self.start_heads(&mut commands);
        self.start_pages(now, &mut commands);
        self.keep_budget();
        self.stats.channels.set(self.logs.len() as u64);
        self.stats.tail_bytes.set(self.budget.used() as u64);
        self.hub.wake(std::mem::take(&mut self.wake));
        commands
    }

    /// Puts a channel into the desired set, if there is room.
    fn follow(&mut self, key: usize) {
        if self.by_name.len() >= self.options.max_channels {
            self.refuse(key, "this node follows as many channels as it may");
            self.waiting.insert(key);
            return;
        }
        self.accept(key);
        let Some(log) = self.logs.get_mut(&key) else { return };
        log.followed = true;
        self.waiting.remove(&key);
        self.by_name.insert(log.channel.name.clone(), key);
        self.sweep.push_back(key);
        self.desired.insert(&log.channel.name);
    }

    fn close(&mut self, key: usize) {
        self.accept(key);
        let Some(log) = self.logs.remove(&key) else { return };
        if log.followed {
            self.by_name.remove(&log.channel.name);
            self.desired.remove(&log.channel.name);
        } else {
            self.waiting.remove(&key);
        }
        let mut shared = log.channel.lock();
        let mut released = shared.pages.clear();
        if let Some(tail) = &mut shared.tail {
            while !tail.is_empty() {
                released.push(tail.pop_front());
            }
        }
        drop(shared);
        released.into_iter().for_each(|bytes| self.budget.release(bytes));
        if let Some(next) = self.waiting.pop_first() {
            self.follow(next);
        }
    }
}
