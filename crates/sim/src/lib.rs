//! Whole nodes, a fake Redis and fake clients in one process, under paused time and a seed.
//!
//! **What is real**: everything of a node but its threads, its listener and its configuration file. The feed's
//! supervisor, probe and subscriptions, the archive's pool, reads and proofs, the publisher and the control connection of
//! `fanfare-redis`, over the client library's own connections; ingest and registry of `fanfare-log`; admission, hyper,
//! detach and sessions of `fanfare-server`.
//!
//! **What is fake**: the network (`net`), which is two lanes of bytes; Redis (`redis`), which speaks RESP3
//! and can lose, double and swap pushes, be late, deaf, mute, frozen and down, cut connections at any byte, trim, retract, expire,
//! evict, flush, fail over to a replica that misses the newest entries, and turn its clock back; and clients (`client`), which
//! drop at any byte, read slowly, stay away, and resume on any node with what they have read. They read with the readers of
//! `fanfare-oracle`, which shares nothing with the product.
//!
//! **A world** ([`run`]) is drawn from its seed: the nodes' bounds, what can go wrong (`scenario`), who publishes how,
//! what breaks when (`fault_injector`). After a while everything is healed and each channel gets a last event: with its push, without, while no
//! node reaches Redis, or after a flush and below all ids before. Every client must see it as soon as its node can know
//! of it (`scenario::LastEvents`). Then the judge of `fanfare-oracle`, which
//! judges the chaos run and the end-to-end tests too, compares what each client saw with what the fake Redis stored: here it is
//! told everything (`stored_record`). In a quarter of the worlds nothing is ever lost, and any gap at all is a breach.
//! Elsewhere false gaps are counted.
//!
//! **A seed repeats**: one thread, paused time, no `select!` by chance, no unseeded number. `tests/repeats.rs` compares a
//! hash of every byte to clients and every command to Redis, with their times. Nothing that runs in a world may iterate over a
//! `HashMap` where the order matters, or read another clock than tokio's.
//!
//! What it does not see: threads (`crates/log/tests/threads.rs` does), the kernel's sockets, a real Redis
//! (`crates/e2e` does). Single histories of a log, step by step, are told in `crates/log/tests/histories`.
//!
//! ```text
//! make sim                      # 3000 seeds
//! FANFARE_SEEDS=100000 make sim # as many
//! FANFARE_FIRST_SEED=3000 …     # beginning there
//! FANFARE_SEED=17 make sim      # one, with a trace to read
//! ```
#![forbid(unsafe_code)]

mod client;
mod fault_injector;
mod life;
mod net;
mod node;
mod outcome;
mod publisher;
mod redis;
mod rng;
mod scenario;
mod stored_record;
mod trace;
mod world;

pub use life::run;
pub use outcome::Outcome;

/// What every key and Pub/Sub channel of the simulation begins with.
pub(crate) const PREFIX: &str = "sse:";

/// The machine's clock when a world begins, in milliseconds since the Unix epoch.
pub(crate) const WALL_MS: u64 = 1_700_000_000_000;
