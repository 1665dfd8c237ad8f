//! What a run prints, and what a failing one leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fanfare_e2e::{Transport, pace};

use crate::bounds::{ADMIN_WITHIN, DRAIN_WITHIN, NODE_MEMORY_MAX, SERVED_WITHIN};
use crate::options::Options;
use crate::run::Run;
use crate::world::World;

/// What was asked for.
pub(crate) fn begin(options: &Options) {
    println!(
        "chaos: seed {}, {} s, {} clients, {} publishers, redis-server with appendfsync {}, transport {}",
        options.seed,
        options.duration.as_secs(),
        options.clients,
        options.publishers,
        options.fsync().word(),
        options.transport.word()
    );
    println!("chaos: the seed repeats the schedule and all choices, not the timing of processes");
}

/// Which nodes have it harder than the others.
pub(crate) fn weak_nodes(world: &World) {
    let World { few, unread, verifying, .. } = world;
    println!(
        "chaos: node {few} may open few files; nobody reads what node {unread} logs; node {verifying} believes no message"
    );
}

/// A line now and then until the run is over: every second on a terminal, every ten in a log.
pub(crate) fn live(run: &Run, begun: Instant) {
    let terminal = io::stdout().is_terminal() && !run.verbose;
    let every = if terminal { Duration::from_secs(1) } else { Duration::from_secs(10) };
    let mut next = begun + every;
    while !run.over.load(Ordering::Acquire) {
        if Instant::now() >= next {
            next += every;
            let line = format!("[{:>6.0} s] {}", begun.elapsed().as_secs_f64(), summary(run));
            if terminal {
                print!("\r\x1b[K{line}");
            } else {
                println!("{line}");
            }
            // A terminal that is gone needs no progress.
            let _ = io::stdout().flush();
        }
        pace(Duration::from_millis(50));
    }
    if terminal {
        println!();
    }
}

fn summary(run: &Run) -> String {
    let counters = &run.counters;
    let (justified, not) = gaps(run);
    format!(
        "{} faults, {} events published, {} deliveries checked, {} gaps justified, {} false, {} breaches",
        counters.faults_by_kind().values().sum::<u64>(),
        counters.published_by_method().values().sum::<u64>(),
        counters.checked.get(),
        justified,
        not,
        counters.breaches.get()
    )
}

fn gaps(run: &Run) -> (u64, u64) {
    let gaps = run.counters.gaps_by_ruling();
    let sum = |justified: bool| {
        gaps.iter().filter(|((ruling, _), _)| ruling.is_justified() == justified).map(|(_, count)| count).sum()
    };
    (sum(true), sum(false))
}

/// Of clients over HTTP/2, how often one was given a connection that it may share, and how many of those there were.
fn shared_connections(world: &World) -> Vec<(String, u64)> {
    let Some(Transport::Http2(clients)) = world.transports.first() else { return Vec::new() };
    let (streams, connections) = clients.shared();
    [("streams on shared connections", streams), ("of those connections", connections)]
        .map(|(what, count)| (what.to_owned(), count as u64))
        .to_vec()
}

/// The tables and the verdict. True if the guarantee was kept.
pub(crate) fn end(options: &Options, run: &Run, world: &World, took: Duration) -> bool {
    let counters = &run.counters;
    table("faults injected", rows(counters.faults_by_kind()));
    table("events published", rows(counters.published_by_method()));
    let rest = [
        ("without an answer; Redis was asked afterwards", counters.unanswered.get()),
        ("of those: lost with their stream", counters.lost.get()),
        ("acknowledged and lost by Redis", counters.forgotten.get()),
    ];
    let rest = rest.into_iter().map(|(what, count)| (what.to_owned(), count));
    table("publishes that went wrong", rest.chain(counters.refused_by_reason()));
    let opened = [
        ("opened".to_owned(), counters.connects.get()),
        ("of those: without a place, with last=N".to_owned(), counters.newest.get()),
    ];
    let shared = shared_connections(world);
    table("connections of clients", counters.endings_by_kind().into_iter().chain(opened).chain(shared));
    table("connections of hostile clients", rows(counters.strangers_by_kind()));
    table("holders of tokens", rows(counters.tokens_by_kind()));
    let gaps = counters.gaps_by_ruling().into_iter();
    table("gaps announced", gaps.map(|((ruling, reason), count)| (format!("{reason}: {}", ruling.words()), count)));
    table("what a node counted, at most", run.counters.seen_by_nodes().into_iter());
    table("bounds", bounds(run).into_iter());
    if let Some(cost) = counters.cost() {
        println!("\nmemory and files\n  {cost}");
    }
    for gap in counters.unexplained() {
        println!("\na gap that nothing in the history explains (a nuisance, not a breach):\n{gap}");
    }
    for breach in counters.reports() {
        println!("\nBREACH: {breach}");
    }
    println!("\nchaos: {} in {:.0} s (seed {})", summary(run), took.as_secs_f64(), options.seed);
    let kept = counters.breaches.get() == 0;
    if kept && counters.checked.get() == 0 {
        println!("chaos: FAILED: nothing was delivered, so nothing is proven");
    } else if kept {
        println!("chaos: the guarantee was kept");
    }
    let kept = kept && counters.checked.get() > 0;
    if !kept {
        failed(options, run, world);
    }
    kept
}

fn rows(counts: BTreeMap<&'static str, u64>) -> impl Iterator<Item = (String, u64)> {
    counts.into_iter().map(|(what, count)| (what.to_owned(), count))
}

/// What was nearest to each bound.
fn bounds(run: &Run) -> [(String, u64); 4] {
    let counters = &run.counters;
    let most = |what: &str, bound: u128, most: u64| (format!("{what} (bound {bound})"), most);
    [
        most("ms: slowest answer of an admin port", ADMIN_WITHIN.as_millis(), counters.admin_ms.get()),
        most("MiB: largest node", u128::from(NODE_MEMORY_MAX >> 20), counters.node_memory.get() >> 20),
        most("ms: slowest end of a node after SIGTERM", DRAIN_WITHIN.as_millis(), counters.drain_ms.get()),
        most("ms: until the last client had all last events", SERVED_WITHIN.as_millis(), counters.served_ms.get()),
    ]
}

fn table(title: &str, rows: impl Iterator<Item = (String, u64)>) {
    println!("\n{title}");
    rows.for_each(|(what, count)| println!("{count:>10}  {what}"));
}

fn failed(options: &Options, run: &Run, world: &World) {
    match keep_logs(options, run, world) {
        Ok(directory) => println!("chaos: logs of this run are in {}", directory.display()),
        Err(error) => println!("chaos: the logs of this run could not be kept: {error}"),
    }
    println!("chaos: the same schedule again: {}", again(options));
}

/// The command that repeats the schedule.
pub(crate) fn again(options: &Options) -> String {
    format!(
        "make chaos SEED={} DURATION={}s CLIENTS={} FSYNC={} TRANSPORT={}",
        options.seed,
        options.duration.as_secs(),
        options.clients,
        options.fsync().word(),
        options.transport.word()
    )
}

fn keep_logs(options: &Options, run: &Run, world: &World) -> io::Result<PathBuf> {
    let directory = match &options.logs {
        Some(directory) => directory.clone(),
        None => tempfile::Builder::new().prefix("fanfare-chaos-").tempdir()?.keep(),
    };
    fs::create_dir_all(&directory)?;
    for (index, node) in world.nodes.iter().enumerate() {
        fs::write(directory.join(format!("node-{index}.log")), node.log())?;
    }
    fs::write(directory.join("redis.log"), world.redis.log())?;
    fs::write(directory.join("replica.log"), world.replica.log())?;
    fs::write(directory.join("schedule.txt"), options.schedule())?;
    fs::write(directory.join("journal.txt"), run.journal())?;
    let reports = [run.counters.reports(), run.counters.unexplained()].concat().join("\n\n");
    fs::write(directory.join("reports.txt"), reports)?;
    Ok(directory)
}
