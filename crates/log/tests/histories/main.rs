//! Single histories of channels, told to the end: what chance meets too seldom, and what costs reads or wakes instead of
//! events. Two nodes with two threads each, one store, and a few clients are driven step by step in one thread without a
//! clock. Each client keeps what it saw, and each entry that it sees has to follow the one before, unless a gap was told.
//!
//! Chance is tried elsewhere: whole nodes in `crates/sim`, threads in `tests/threads.rs`.
//!
//! Seventy ways of breaking the log were tried here, on the unit tests, and on hundreds of worlds of `crates/sim`:
//!
//! | the broken part | ways | seen to fail here or in `append_rule` | in other tests of the crate | in `crates/sim` |
//! |---|---|---|---|---|
//! | append rule | 6 | 6 | | 2: `prev <= head`, `id <= head` |
//! | proof | 9 | 7 | 9 | 5 |
//! | a stream that is gone or still absent: 60 s, epochs, eviction, missed messages | 10 | 9 | | 1 |
//! | pages: kept over a seal, of two histories, without a gap | 6 | 4 | 2 | 1 |
//! | merging what was read from the head | 3 | 3 | | 1 |
//! | lost doorbells, retries, reconciles, wakes, doubts | 14 | 12 | 8 | 6 |
//! | the tail and its copies: floor, segment, head, absence | 10 | 4 | 9 | 4 |
//! | budget, and readers who wait | 12 | 7 | 6 | 4 |
//!
//! What only chance had found before is a history of its own now. The five that nothing sees alter no guarantee: three are
//! said twice in the code (a tip asked for before the feed broke, a page that serves its last entry, the newest entries from a
//! floor that was made up), one costs only time (after a failed read of the head the retry compares it anyway), one alters which
//! reader is served first.
// In a test a surprise is a failure.
#![allow(clippy::unwrap_used)]

mod absence;
mod life;
mod node;
mod promises;
mod reader;
mod repair;
mod saw;
mod unreadable;
mod world;

use fanfare_log::Options;

use world::World;

const CHANNEL: usize = 0;
/// A client of the channel, and two more. Clients with odd numbers follow the other channel.
const CLIENT: usize = 0;
const OTHER: usize = 1;
const SECOND: usize = 2;
const THIRD: usize = 4;
/// The first thread of the first node.
const HERE: (usize, usize) = (0, 0);

/// Two nodes, and a store without streams.
fn empty_world() -> World {
    World::new(&Options::default(), 1 << 20)
}

/// A stream with `count` entries and a client that is live.
fn live(count: usize) -> World {
    let mut world = empty_world();
    (0..count).for_each(|_| world.publish());
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world
}
