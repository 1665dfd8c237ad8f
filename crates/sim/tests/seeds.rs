//! Many worlds, and the guarantee in each of them.

use std::sync::atomic::{AtomicU64, Ordering};

use fanfare_oracle::Ruling;
use fanfare_sim::{AccessCounts, OccupancyCounts, Outcome, run};

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

// Seen to fail when the cursor moves before the socket has taken the bytes, when a gap before an entry carries an id or is left
// out, and when the log is broken in these ways, among seventy that were tried:
// - within its first four seeds: a proof always says that a position continues; nothing is compared after a reconnect; doorbells,
//   retries or the wake after a page are lost; a page of the head that is not the last is not read on; a tail keeps its floor or
//   its segment; a thread's copy keeps its head; a page says no gap to older positions; a gap is told before the first promise;
// - within fifty: `prev <= head`; `id <= head` is a duplicate; a predecessor below the position proves something; no sweep
//   compares heads with their streams; what the feed's queue dropped is not read; a thread's copy keeps its segment; readers ahead
//   of a stale head do not wait for it, or are not let go on; a gap ends in an absence that is not the head's;
// - within six hundred: epochs or eviction are ignored in a proof; a plain producer's first entry proves that there was none
//   before; a young stream that is gone counts as expired.
//
// Where streams come and go it was seen to fail
// - when an expiry is believed at once (28 of the first 1,600 seeds, the first is 32), when the next comparison finds no stream either
//   (25, the first is 32), or by a probe that comes back later, whenever it began (26, the first is 32);
// - when it is believed although messages were missed (485);
// - when absences prove something for 600 s, in `absence::still` (66) or in `absence::is_first_after` (66);
// - when `may_miss` says never (8), and when `follows` does not ask whether messages were missed (8).
// Not in 700 seeds when `has_expired` does not ask when the head was proven: a test of its own does (`continuity`).
//
// The verdicts beside the guarantee were seen to fail
// - when the allowance is never charged: bytes of the stock (seed 205);
// - when the budget never evicts: memory of tails and pages (16);
// - when the tips of new channels are charged to the node: turns before the quiet channel (16);
// - when any number of pages is read at a time: reads of entries under way (16);
// - when a place is asked for after the channel was made: more channels than places (96);
// - when every new channel gets a place: more channels than places (seeds 4, 27 and 43, with strangers who make names up);
// - when a channel that backs off is never read again: the last event is not seen within the patience (seeds 4 and 10).
//
// The verdicts about tokens were seen to fail, among the first 1,200 seeds,
// - when no session is ended that a revocation hits (in 265, the first is 2), or when who takes no farewell is not cut (9, the first is 82);
// - when no session waits until it is known what is revoked (20, the first is 106);
// - when the feed is probed every 5 s, and a proof is good for 8 s (2 of the first 900, the first is 164);
// - when what is known counts as complete for 60 s after a proof (35, the first is 20), or when a proof counts from when it comes back
//   and not from when it was asked for (18, the first is 20);
// - when nobody looks whose token ends (204, the first is 2), or when who takes no farewell is not cut (2, the first is 384).
//
// and among the first 300
// - when a revocation ends who has a younger token as well (11, the first is 121), or when a session is told of its end half a life before it
//   (52, the first is 5);
// - when a session's place is lost on its way back: it begins anew (84, the first is 9), it is told another place with its farewell (38, the
//   first is 2), or what was held back is passed over (61, the first is 2);
// - when nobody is told `$expired`: that is counted, and no seed fails for it.
//
// Those about tickets, among the first 300 seeds,
// - when one is good for ever once it was used (5, the first is 42);
// - when nobody asks what is revoked of a ticket that is looked up (8, the first is 77): by its maker. What is revoked of the ticket itself
//   its stream is asked again, in the thread;
// - when nobody asks whether its maker is revoked (9, the first is 23).
//
// Those about readers, among the first 600 seeds, of which 217 count readers, in more than 200 of these each
// - when what dead nodes have said is added up;
// - when a reader who left is still counted;
// - when rounds are 0.4 s apart and nothing keeps a stream from being told twice in a second.
//
// HTTP/2 was seen to fail, among the first 300 seeds,
// - when the third entry of a batch is not put into the slice (90, the first is 5);
// - when a stream gives no slice while one of another stream has not left (37, the first is 8).
//
// The others were not seen to fail in hundreds of seeds, in the hardest cases 1500: most are about absences, expiries and stores
// that evict, which are rare here. `crates/log/tests/histories/main.rs` counts them by kind; each that alters a guarantee has a
// history or another test of its own.
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
    let (events, gaps, false_gaps) = (sum(|of| of.events), sum(Outcome::gaps), sum(Outcome::false_gaps));
    let reads = outcomes.iter().map(|of| of.reads).max().unwrap_or(0);
    println!(
        "{} seeds, {events} events, {gaps} gaps, {false_gaps} false ones, at most {reads} reads of one range in a second",
        outcomes.len()
    );
    println!(
        "{:>8}  channels on which a node has seen a promise broken",
        outcomes.iter().map(|of| of.broken_promises).sum::<u64>()
    );
    let late_expiries: usize = outcomes.iter().map(|of| of.late_expiries).sum();
    println!("{late_expiries:>8}  streams expired with an event on its way");
    let of_http2 = outcomes.iter().filter(|of| of.http2_streams > 0).count();
    let http2_streams: usize = outcomes.iter().map(|of| of.http2_streams).sum();
    println!("{of_http2:>8}  worlds with a browser that speaks HTTP/2: {http2_streams} streams");
    let of_tokens: Vec<_> = outcomes.iter().filter_map(|of| of.access).collect();
    let sum = |count: fn(&AccessCounts) -> usize| of_tokens.iter().map(count).sum::<usize>();
    let (revocations, revoked) = (sum(|of| of.revocations), sum(|of| of.revoked));
    let (expired, denied) = (sum(|of| of.expired), sum(|of| of.denied));
    println!(
        "{:>8}  worlds with tokens: {revocations} revocations, {revoked} streams ended by one, {expired} by time, {denied} requests refused",
        of_tokens.len()
    );
    let (by_ticket, over) = (sum(|of| of.by_ticket), sum(|of| of.over));
    println!("{by_ticket:>8}  streams began by tickets, {over} of which were over when their clients came back");
    let of_counting: Vec<_> = outcomes.iter().filter_map(|of| of.occupancy).collect();
    let sum = |count: fn(&OccupancyCounts) -> usize| of_counting.iter().map(count).sum::<usize>();
    let (readers, changes, unknown) = (sum(|of| of.readers), sum(|of| of.changes), sum(|of| of.unknown));
    let longest = of_counting.iter().map(|of| of.longest_ms).max().unwrap_or(0);
    println!(
        "{:>8}  worlds that count readers: {readers} of them, {changes} changes, {longest} ms at most until all knew one, {unknown} questions unanswered",
        of_counting.len()
    );
    for ruling in Ruling::ALL {
        let count: usize = outcomes.iter().filter_map(|of| of.rulings.get(&ruling)).sum();
        println!("{count:>8}  {}", ruling.words());
    }
    let broken: Vec<_> = outcomes.iter().filter(|outcome| !outcome.breaches.is_empty()).collect();
    broken.iter().for_each(|outcome| println!("{}", outcome.summary()));
    broken.iter().min_by_key(|outcome| outcome.seed).inspect(|outcome| outcome.assert_kept());
    let of_each = [revocations, revoked, expired, denied, by_ticket].map(|count| count / of_tokens.len().max(1));
    assert!(
        of_each.iter().all(|count| *count > 0) && over > 0,
        "so little happened to tokens that this proves little: {of_each:?}, {over} tickets were over"
    );
    assert!(readers > 10 * of_counting.len() && unknown > 0, "so few readers were counted that this proves little");
    assert!(late_expiries > outcomes.len() / 400, "so few events were on their way that this proves little");
    assert!(http2_streams > outcomes.len(), "so little was asked for over HTTP/2 that this proves little");
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
