//! Seeds that are kept for what they have met once: each fails if the fault comes back.

use fanfare_sim::run;

/// Strangers keep as many reads in flight as may be while the allowance fills up again.
///
/// Seen to fail, without an end, when the refill is waited for although no read may start: the ingest takes one turn after the
/// other then, and in a world of paused time no answer ever comes.
#[test]
fn a_node_rests_while_all_its_reads_are_in_flight() {
    for seed in [4, 16, 28] {
        run(seed, false).assert_kept();
    }
}
