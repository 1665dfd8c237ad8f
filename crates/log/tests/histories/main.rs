//! Single histories of channels, told to the end: what chance meets too seldom, and what costs reads or wakes instead of
//! events. Two nodes with two threads each, one store, and a few clients are driven step by step in one thread without a
//! clock. Each client keeps what it saw, and each entry that it sees has to follow the one before, unless a gap was told.
//!
//! Chance is tried elsewhere: whole nodes in `crates/sim`, threads in `tests/threads.rs`.
// In a test a surprise is a failure.
#![allow(clippy::unwrap_used)]

mod absence;
mod life;
mod node;
mod reader;
mod repair;
mod saw;
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

fn stage() -> World {
    World::new(&Options::default(), 1 << 20)
}

/// A stream with `count` entries and a client that is live.
fn live(count: usize) -> World {
    let mut world = stage();
    (0..count).for_each(|_| world.publish());
    world.connect(CLIENT, HERE, None);
    world.settle_down();
    world
}
