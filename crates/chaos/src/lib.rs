//! Everything at once: real processes, real faults, and a verdict on what every client saw. See `docs/chaos.md`.
//!
//! | part | what it is |
//! |---|---|
//! | `action`, `plan`, `pressure` | the schedule of faults, made from the seed: what breaks, and what presses on bounds |
//! | `options`, `transport_kind`, `run` | what was asked for, and what all threads share |
//! | `world`, `fault_runner`, `redis_faults` | the processes and the wires between them; who breaks and heals them |
//! | `producer`, `publisher_connection`, `expiring_channel` | publishers, by every durable method (`publish_method`) |
//! | `published_record`, `restore`, `stream_watcher` | what was published, and what became of it |
//! | `promises` | what is promised about the life of streams, kept or not |
//! | `subscriber`, `client_trace` | clients, and what each saw, for the judge of `fanfare-oracle` |
//! | `tokens`, `token_holder`, `interference` | the channel that is not public, its clients, and what keeps nodes from hearing what was revoked |
//! | `attack`, `attacker`, `access` | hostile clients, and what the nodes may do in Redis |
//! | `bounds`, `node_under_test`, `node_watcher`, `calm` | what must hold besides the guarantee, and who looks whether it does |
//! | `counters`, `resource_usage`, `report` | what is counted, measured and printed |

mod access;
mod action;
mod attack;
mod attacker;
mod bounds;
mod calm;
mod client_trace;
mod counters;
mod dice;
mod expiring_channel;
mod fault_runner;
mod fsync;
mod interference;
mod node_under_test;
mod node_watcher;
mod options;
mod outgoing_event;
mod payload;
mod plan;
mod pressure;
mod producer;
mod promises;
mod publish_method;
mod published_record;
mod publisher_connection;
mod redis_faults;
mod report;
mod resource_usage;
mod restore;
mod run;
mod stream_watcher;
mod subscriber;
mod token_holder;
mod tokens;
mod transport_kind;
mod world;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fanfare_e2e::pace;

use attacker::{ATTACKERS, Attacker};
use fault_runner::FaultRunner;
pub use fsync::Fsync;
use node_watcher::NodeWatcher;
pub use options::Options;
use producer::Producer;
use run::Run;
use subscriber::Subscriber;
use token_holder::{HOLDERS, TokenHolder};
pub use transport_kind::TransportKind;
use world::World;

/// Runs and reports. True if the guarantee was kept.
pub fn run(options: &Options) -> bool {
    let plan = options.plan();
    report::begin(options);
    let mut world = World::start(options.seed, options.fsync(), options.transport);
    report::weak_nodes(&world);
    let run = Run::new(options, &world);
    let begun = Instant::now();
    for whole_run in ["node with few descriptors, the whole run", "log pipe of a node unread, the whole run"] {
        run.counters.fault(whole_run);
    }
    std::thread::scope(|scope| {
        let run = &run;
        let _stop_threads = StopThreadsOnDrop(run);
        let publishers: Vec<_> =
            (0..options.publishers).map(|index| scope.spawn(move || Producer::new(run, index).run())).collect();
        let clients: Vec<_> =
            (0..options.clients).map(|index| scope.spawn(move || Subscriber::new(run, index).run())).collect();
        let holders: Vec<_> =
            (0..HOLDERS).map(|index| scope.spawn(move || TokenHolder::new(run, index).run())).collect();
        let attackers: Vec<_> =
            (0..ATTACKERS).map(|index| scope.spawn(move || Attacker::new(run, index).run())).collect();
        let watchers: Vec<_> =
            (0..run.nodes.len()).map(|index| scope.spawn(move || NodeWatcher::new(run, index).run())).collect();
        let expiring = scope.spawn(|| expiring_channel::run(run));
        let stream_watcher = scope.spawn(|| stream_watcher::watch(run));
        let printer = scope.spawn(|| report::live(run, begun));
        FaultRunner::new(run, &mut world, options.fsync()).run(&plan, options.duration);
        run.publishing_ends.store(true, Ordering::Release);
        join("publisher", run, publishers);
        join("hostile client", run, attackers);
        join("expiring channel", run, [expiring]);
        run.last_events.store(true, Ordering::Release);
        producer::publish_last_events(run);
        join("client", run, clients);
        join("holder of a token", run, holders);
        token_holder::revoke_in_peace(run);
        calm::readers_are_counted(run);
        calm::full_memory(run);
        calm::rights_that_come_back(run, &world);
        calm::farewell(run, &mut world);
        run.over.store(true, Ordering::Release);
        join("stream watcher", run, [stream_watcher]);
        join("node watcher", run, watchers);
        join("printer", run, [printer]);
    });
    report::end(options, &run, &world, begun.elapsed())
}

/// Tells all threads to end, however the scope ends: one that panics would otherwise wait for them for ever.
struct StopThreadsOnDrop<'a>(&'a Run);

impl Drop for StopThreadsOnDrop<'_> {
    fn drop(&mut self) {
        for flag in [&self.0.heals, &self.0.publishing_ends, &self.0.last_events, &self.0.over] {
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
