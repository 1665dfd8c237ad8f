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

mod answers;
mod feed;
mod log;
mod timers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use fanfare_protocol::ChannelName;
use tokio::time::Instant;

use crate::archive::ReadRequest;
use crate::budget::{Budget, Charge};
use crate::channel::{Channel, Hub, Want};
use crate::feed::Desired;
use crate::options::Options;
use crate::stats::IngestStats;
use log::ChannelLog;
use timers::{Allowance, Jitter, Timer};

/// Channels asked about in one pipelined request.
const TIPS_PER_REQUEST: usize = 256;
/// Pipelined requests for tips in flight.
const TIP_REQUESTS: usize = 2;

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
    jitter: Jitter,
    /// Keys whose tip is to be read.
    tips: VecDeque<usize>,
    /// Keys whose log is dirty.
    dirty: VecDeque<usize>,
    /// Keys with readers that want a page.
    paging: VecDeque<usize>,
    /// Keys in the order of the next reconcile.
    sweep: VecDeque<usize>,
    next_sweep: Instant,
    tip_requests: usize,
    reads: usize,
    /// Threads to wake at the end of the turn.
    wake: u64,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(options: Options, hub: Arc<Hub>, desired: Desired, stats: Arc<IngestStats>, now: Instant) -> Self {
        Self {
            budget: Budget::new(options.budget),
            allowance: Allowance::new(options.archive_bytes_per_second, now),
            jitter: Jitter::new(options.seed),
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
            sweep: VecDeque::new(),
            tip_requests: 0,
            reads: 0,
            wake: 0,
        }
    }

    /// Looks at channels that connection threads touched: new ones, ones with wants, ones without readers.
    pub fn on_touched(&mut self, channels: &[Arc<Channel>], now: Instant) {
        for channel in channels {
            if !self.logs.contains_key(&channel.key) {
                self.open(channel);
            }
            let Some(log) = self.logs.get_mut(&channel.key) else { continue };
            if channel.is_watched() {
                log.idle_since = None;
            } else if log.idle_since.is_none() {
                log.idle_since = Some(now);
                self.timers.push(Reverse((now + self.options.linger, channel.key, Timer::Linger)));
            }
            if !channel.lock().wants.is_empty() {
                self.queue_page(channel.key);
            }
        }
    }

    /// Ends a turn: keeps the budget and says which reads to start. Call it after any number of `on_…` calls.
    pub fn settle(&mut self, now: Instant) -> Vec<Command> {
        let mut commands = Vec::new();
        self.start_tips(&mut commands);
        self.start_heads(&mut commands);
        self.start_pages(now, &mut commands);
        self.keep_budget();
        self.stats.channels.set(self.logs.len() as u64);
        self.stats.tail_bytes.set(self.budget.used() as u64);
        self.hub.wake(std::mem::take(&mut self.wake));
        commands
    }

    fn open(&mut self, channel: &Arc<Channel>) {
        let key = channel.key;
        let full = self.logs.len() >= self.options.max_channels;
        self.logs.insert(key, ChannelLog::new(Arc::clone(channel)));
        if full {
            channel.lock().refusal = Some("this node follows as many channels as it may".into());
            self.hub.mark(channel, &mut self.wake);
            return;
        }
        self.by_name.insert(channel.name.clone(), key);
        self.sweep.push_back(key);
        self.desired.insert(&channel.name);
    }

    fn close(&mut self, key: usize) {
        let Some(log) = self.logs.remove(&key) else { return };
        if self.by_name.remove(&log.channel.name).is_some() {
            self.desired.remove(&log.channel.name);
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
    }

    fn start_tips(&mut self, commands: &mut Vec<Command>) {
        while self.tip_requests < TIP_REQUESTS && !self.tips.is_empty() {
            let (mut keys, mut names) = (Vec::new(), Vec::new());
            while keys.len() < TIPS_PER_REQUEST
                && let Some(key) = self.tips.pop_front()
            {
                if let Some(log) = self.logs.get_mut(&key) {
                    log.tip_queued = false;
                    keys.push(key);
                    names.push(log.channel.name.clone());
                }
            }
            if !keys.is_empty() {
                self.tip_requests += 1;
                commands.push(Command::Tips { keys, names });
            }
        }
    }

    fn start_heads(&mut self, commands: &mut Vec<Command>) {
        while self.reads < self.options.archive_concurrency
            && let Some(key) = self.dirty.pop_front()
        {
            let Some(log) = self.logs.get_mut(&key) else { continue };
            log.dirty_queued = false;
            let head = log.channel.lock().tail.as_ref().map(crate::tail::Tail::head);
            // A log that is not primed yet stays dirty; priming queues it again.
            let Some(head) = head else { continue };
            if !log.dirty || log.head_read.is_some() || log.resting {
                continue;
            }
            log.dirty = false;
            log.awaited = 0;
            log.head_read = Some(head);
            let request = ReadRequest {
                channel: log.channel.name.clone(),
                after: head,
                max_entries: self.options.page_entries,
                max_bytes: self.options.page_bytes,
            };
            self.reads += 1;
            self.stats.head_reads.add(1);
            commands.push(Command::Head { key, request });
        }
    }

    fn start_pages(&mut self, now: Instant, commands: &mut Vec<Command>) {
        while self.reads < self.options.archive_concurrency
            && !self.paging.is_empty()
            && self.allowance.is_available(now)
        {
            let Some(key) = self.paging.pop_front() else { break };
            let Some(log) = self.logs.get_mut(&key) else { continue };
            log.page_queued = false;
            if log.page_read.is_some() || log.resting {
                continue;
            }
            let Some(want) = log.next_want() else { continue };
            log.page_read = Some(want);
            self.reads += 1;
            self.stats.page_reads.add(1);
            let name = log.channel.name.clone();
            commands.push(match want {
                Want::Newest(count) => Command::Newest { key, name, count },
                Want::Page(after) => Command::Page {
                    key,
                    request: ReadRequest {
                        channel: name,
                        after,
                        max_entries: self.options.page_entries,
                        max_bytes: self.options.page_bytes,
                    },
                },
            });
        }
    }

    fn queue_tip(&mut self, key: usize) {
        if let Some(log) = self.logs.get_mut(&key)
            && !log.tip_queued
            && !log.resting
        {
            log.tip_queued = true;
            self.tips.push_back(key);
        }
    }

    fn queue_dirty(&mut self, key: usize) {
        if let Some(log) = self.logs.get_mut(&key) {
            log.dirty = true;
            if !log.dirty_queued {
                log.dirty_queued = true;
                self.dirty.push_back(key);
            }
        }
    }

    fn queue_page(&mut self, key: usize) {
        if let Some(log) = self.logs.get_mut(&key)
            && !log.page_queued
        {
            log.page_queued = true;
            self.paging.push_back(key);
        }
    }

    fn keep_budget(&mut self) {
        while let Some(charge) = self.budget.victim() {
            let (Charge::Item { channel: key, .. } | Charge::Page { channel: key, .. }) = charge;
            let Some(log) = self.logs.get(&key) else { continue };
            let mut shared = log.channel.lock();
            let mut released = Vec::new();
            match charge {
                Charge::Item { index, .. } => {
                    if let Some(tail) = &mut shared.tail {
                        while tail.first() <= index && !tail.is_empty() {
                            released.push(tail.pop_front());
                        }
                    }
                }
                Charge::Page { number, .. } => released.extend(shared.pages.remove(number)),
            }
            drop(shared);
            if !released.is_empty() {
                self.stats.evictions.add(released.len() as u64);
                released.into_iter().for_each(|bytes| self.budget.release(bytes));
                self.hub.mark(&log.channel, &mut self.wake);
            }
        }
        let logs = &self.logs;
        self.budget.compact(|charge| match charge {
            Charge::Item { channel, index } => logs
                .get(&channel)
                .is_some_and(|log| log.channel.lock().tail.as_ref().is_some_and(|tail| tail.first() <= index)),
            Charge::Page { channel, number } => {
                logs.get(&channel).is_some_and(|log| log.channel.lock().pages.contains(number))
            }
        });
    }
}
