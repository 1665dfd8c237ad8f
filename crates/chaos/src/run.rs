//! What all threads of a run share.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use fanfare_e2e::Transport;

use crate::action::Wire;
use crate::attack::Waves;
use crate::counters::Counters;
use crate::interference::Interference;
use crate::node_under_test::NodeUnderTest;
use crate::options::Options;
use crate::promises;
use crate::published_record::PublishedRecord;
use crate::tokens::Signer;
use crate::world::World;

/// What all threads of a run share.
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) record: PublishedRecord,
    pub(crate) counters: Counters,
    /// Redis itself: its primary, over a line that never fails.
    pub(crate) redis: SocketAddr,
    /// Redis, over the publishers' line.
    pub(crate) publishers: SocketAddr,
    /// The balancer itself.
    pub(crate) balancer: SocketAddr,
    /// The balancer, over a line that fails.
    pub(crate) clients: SocketAddr,
    /// How clients talk to nodes.
    transports: Vec<Transport>,
    /// One for each node.
    pub(crate) nodes: Vec<NodeUnderTest>,
    pub(crate) waves: Waves,
    pub(crate) interference: Interference,
    pub(crate) signer: Signer,
    /// The time of the schedule is over: no fault goes on.
    pub(crate) heals: AtomicBool,
    /// Everything has healed: publishers end.
    pub(crate) publishing_ends: AtomicBool,
    /// Everything has healed; the last event of each channel is published.
    pub(crate) last_events: AtomicBool,
    /// All clients have ended: whoever watches ends.
    pub(crate) over: AtomicBool,
    pub(crate) verbose: bool,
    /// What was done, the newest lines of it, for the directory of a failing run.
    journal: Mutex<VecDeque<String>>,
}

/// Lines of the journal that are kept.
const JOURNAL: usize = 100_000;
/// A run with so many breaches proves nothing more by going on.
const ENOUGH: u64 = 500;

impl Run {
    pub(crate) fn new(options: &Options, world: &World) -> Self {
        let record = PublishedRecord::new();
        promises::tell(&record.ledger);
        Self {
            seed: options.seed,
            record,
            counters: Counters::default(),
            redis: world.primary(),
            publishers: world.wire(Wire::Publishers).address(),
            balancer: world.haproxy.address(),
            clients: world.wire(Wire::Clients).address(),
            transports: world.transports.clone(),
            nodes: world.nodes.iter().map(NodeUnderTest::new).collect(),
            waves: Waves::default(),
            interference: Interference::default(),
            signer: Signer::new().expect("a temporary file"),
            heals: AtomicBool::new(false),
            publishing_ends: AtomicBool::new(false),
            last_events: AtomicBool::new(false),
            over: AtomicBool::new(false),
            verbose: options.verbose,
            journal: Mutex::default(),
        }
    }

    /// How the client with this number talks to nodes.
    pub(crate) fn transport(&self, index: usize) -> &Transport {
        &self.transports[index % self.transports.len()]
    }

    /// Whether going on is of no use.
    pub(crate) fn is_stopped(&self) -> bool {
        self.counters.breaches.get() >= ENOUGH
    }

    /// Notes what was done.
    pub(crate) fn log(&self, line: &str) {
        self.counters.action(line.to_owned());
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.push_back(line.to_owned());
        if journal.len() > JOURNAL {
            journal.pop_front();
        }
        if self.verbose {
            println!("  {line}");
        }
    }

    /// The newest lines of what was done.
    pub(crate) fn journal(&self) -> String {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.iter().map(|line| format!("{line}\n")).collect()
    }
}
