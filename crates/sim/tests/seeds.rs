//! Many worlds, and the guarantee in each of them.

use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_sim::{Outcome, run};

/// Worlds in an unoptimised build, for everybody who runs all tests. `make sim` tries thousands.
const SEEDS: u64 = 100;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs the seeds on every core, each on one of them.
fn run_all(seeds: std::ops::Range<u64>) -> Vec<Outcome> {
    let next = AtomicU64::new(seeds.start);
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds.end);
    let work = || std::iter::from_fn(take).map(|seed| run(seed, false)).collect::<Vec<_>>();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

// Seen to fail, within its first four seeds each, when: a proof always says that a position continues; the cursor moves before
// the socket has taken the bytes; a gap before an entry carries an id; no sweep compares heads with their streams; nothing is
// compared after a reconnect. Within its first hundred: a push whose `id <= head` counts as a duplicate. Within a few
// hundred: readers ahead of a stale head do not wait for the read of the head.
#[test]
fn whatever_happens_clients_see_contiguous_runs_or_are_told_of_gaps() {
    if let Some(seed) = number("FANFARE_SEED") {
        let outcome = run(seed, true);
        println!("{}\n{}", outcome.trace, outcome.summary());
        return outcome.assert_kept();
    }
    let first = number("FANFARE_FIRST_SEED").unwrap_or(0);
    let outcomes = run_all(first..first + number("FANFARE_SEEDS").unwrap_or(SEEDS));
    let sum = |count: fn(&Outcome) -> usize| outcomes.iter().map(count).sum::<usize>();
    let (events, gaps, false_gaps) = (sum(|of| of.events), sum(|of| of.gaps), sum(|of| of.false_gaps));
    let reads = outcomes.iter().map(|of| of.reads).max().unwrap_or(0);
    println!(
        "{} seeds, {events} events, {gaps} gaps, {false_gaps} false ones, at most {reads} reads of one range in a second",
        outcomes.len()
    );
    let broken: Vec<_> = outcomes.iter().filter(|outcome| !outcome.breaches.is_empty()).collect();
    broken.iter().for_each(|outcome| println!("{}", outcome.summary()));
    broken.iter().min_by_key(|outcome| outcome.seed).inspect(|outcome| outcome.assert_kept());
    assert!(events > outcomes.len() * 100 && gaps > outcomes.len(), "so little happened that this proves little");
}

// Seen to fail, with 90 reads, when a session looks for what is due while its socket is full: its channels' pages do not fit into
// the budget together, each one that is read evicts another, and the eviction wakes the session, which asks for it again.
#[test]
fn a_client_that_does_not_read_has_nothing_read_for_it() {
    let outcome = run(501_080, false);
    outcome.assert_kept();
    assert!(outcome.reads <= 10, "{} reads of one range within a second", outcome.reads);
}
