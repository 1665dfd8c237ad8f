//! Everything at once: real processes, real faults, and a verdict on what every client saw. See `docs/chaos.md`.
//!
//! | part | what it is |
//! |---|---|
//! | `plan` | the schedule of faults, made from the seed |
//! | `world`, `fault_runner`, `redis_faults` | the processes and the wires between them; who breaks and heals them |
//! | `producer`, `publish_method`, `expiring_channel` | publishers, by every durable method |
//! | `published_record`, `restore`, `stream_watcher` | what was published, and what became of it |
//! | `subscriber`, `client_trace` | clients, and what each saw, for the judge of `fanfare-oracle` |
//! | `counters`, `resource_usage`, `report` | what is counted, measured and printed |

mod client_trace;
mod counters;
mod dice;
mod expiring_channel;
mod fault_runner;
mod payload;
mod plan;
mod producer;
mod publish_method;
mod published_record;
mod redis_faults;
mod report;
mod resource_usage;
mod restore;
mod stream_watcher;
mod subscriber;
mod world;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fanfare_e2e::pace;

use counters::Counters;
use fault_runner::FaultRunner;
use plan::{CHANNELS, Plan};
use producer::{Producer, channel};
use publish_method::{OutgoingEvent, PublishMethod};
use published_record::PublishedRecord;
use subscriber::Subscriber;
pub use world::Fsync;
use world::{RECOVERY, World};

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides the schedule and every choice of clients and publishers.
    pub seed: u64,
    /// How long faults are injected and events published.
    pub duration: Duration,
    /// Number of clients.
    pub clients: usize,
    /// Number of publishers.
    pub publishers: usize,
    /// How Redis syncs; `None` lets the seed decide.
    pub fsync: Option<Fsync>,
    /// Where the logs of a failing run go; `None` for a new temporary directory.
    pub logs: Option<PathBuf>,
    /// Print every action as it is done.
    pub verbose: bool,
}

impl Options {
    fn fsync(&self) -> Fsync {
        let drawn = if self.seed.is_multiple_of(3) { Fsync::Always } else { Fsync::Everysec };
        self.fsync.unwrap_or(drawn)
    }
}

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
    /// The time of the schedule is over: publishers end.
    pub(crate) publishing_ends: AtomicBool,
    /// Everything has healed; the last event of each channel is published.
    pub(crate) last_events: AtomicBool,
    over: AtomicBool,
    verbose: bool,
    /// What was done, the newest lines of it, for the directory of a failing run.
    journal: Mutex<VecDeque<String>>,
}

/// Lines of the journal that are kept.
const JOURNAL: usize = 100_000;
/// A run with so many breaches proves nothing more by going on.
const ENOUGH: u64 = 500;

impl Run {
    fn new(options: &Options, world: &World) -> Self {
        Self {
            seed: options.seed,
            record: PublishedRecord::new(),
            counters: Counters::default(),
            redis: world.primary(),
            publishers: world.wire(plan::Wire::Publishers).address(),
            balancer: world.haproxy.address(),
            clients: world.wire(plan::Wire::Clients).address(),
            publishing_ends: AtomicBool::new(false),
            last_events: AtomicBool::new(false),
            over: AtomicBool::new(false),
            verbose: options.verbose,
            journal: Mutex::default(),
        }
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

    /// Publishes the last event of every channel.
    fn publish_last_events(&self) {
        let mut producer = Producer::new(self, usize::MAX);
        for channel in (0..CHANNELS).map(channel) {
            let name = payload::last(&channel);
            let event =
                OutgoingEvent { data: payload::data(&name), channel, name, maxlen: "100".to_owned(), ttl: None };
            let published =
                || !self.record.ledger.with(&event.channel, |history| history.places(&event.name)).is_empty();
            let deadline = Instant::now() + RECOVERY;
            while !published() && Instant::now() < deadline {
                producer.publish(PublishMethod::Deduplicated, &event);
            }
            if !published() {
                self.counters.breach(|| format!("Redis took no event for {RECOVERY:?} after everything had healed"));
            }
        }
    }
}

/// The schedule of these options, as text.
pub fn schedule(options: &Options) -> String {
    Plan::new(options.seed, options.duration).to_string()
}

/// Runs and reports. True if the guarantee was kept.
pub fn run(options: &Options) -> bool {
    let plan = Plan::new(options.seed, options.duration);
    report::begin(options);
    let mut world = World::start(options.seed, options.fsync());
    let run = Run::new(options, &world);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let _stop_threads = StopThreadsOnDrop(&run);
        let publishers: Vec<_> = (0..options.publishers)
            .map(|index| {
                scope.spawn({
                    let run = &run;
                    move || Producer::new(run, index).run()
                })
            })
            .collect();
        let clients: Vec<_> = (0..options.clients)
            .map(|index| {
                scope.spawn({
                    let run = &run;
                    move || Subscriber::new(run, index).run()
                })
            })
            .collect();
        let expiring = scope.spawn(|| expiring_channel::run(&run));
        let stream_watcher = scope.spawn(|| stream_watcher::watch(&run));
        let printer = scope.spawn(|| report::live(&run, begun));
        FaultRunner::new(&run, &mut world, options.fsync()).run(&plan, options.duration);
        run.publishing_ends.store(true, Ordering::Release);
        join("publisher", &run, publishers);
        join("expiring channel", &run, [expiring]);
        run.last_events.store(true, Ordering::Release);
        run.publish_last_events();
        join("client", &run, clients);
        run.over.store(true, Ordering::Release);
        join("stream watcher", &run, [stream_watcher]);
        join("printer", &run, [printer]);
    });
    report::end(options, &run, &world, begun.elapsed())
}

/// Tells all threads to end, however the scope ends: one that panics would otherwise wait for them for ever.
struct StopThreadsOnDrop<'a>(&'a Run);

impl Drop for StopThreadsOnDrop<'_> {
    fn drop(&mut self) {
        for flag in [&self.0.publishing_ends, &self.0.last_events, &self.0.over] {
            flag.store(true, Ordering::Release);
        }
    }
}

/// Waits for threads. One that panicked saw something that the harness does not expect: the run has failed.
fn join<'scope>(what: &str, run: &Run, threads: impl IntoIterator<Item = std::thread::ScopedJoinHandle<'scope, ()>>) {
    for thread in threads {
        if thread.join().is_err() {
            run.counters.breach(|| format!("a thread of the harness panicked ({what}); its message is above"));
        }
    }
    // Their last lines come before what follows.
    pace(Duration::from_millis(1));
}
