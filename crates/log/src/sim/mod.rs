//! The whole log under chance: two nodes with two threads each, one store, eight clients, driven step by step in one
//! thread without a clock. Whatever happens, what each client saw must be a contiguous run of the true history, or have a gap
//! where it is not; and when the trouble ends every reader must get to the end without anybody asking again and again.
//!
//! A failing seed prints itself; `FANFARE_SEED=… cargo test -p fanfare-log sim` runs only that one and tells what happened.
//! `FANFARE_SEEDS=20` runs twenty times as many.
//!
//! Forty ways of breaking the log were tried and seen to fail here or in [`directed`]: among them `prev <= head` and
//! `id <= head` in the append rule, a predecessor below the position in a proof, absence without its 60 s, epochs ignored,
//! expiry without its conditions, pages kept over a seal or of two histories, a page merged into a head that moved, lost
//! rings, wakes, retries and reconciles, a floor or a segment that stays, a copy without the head, a page evicted before
//! its reader came. What one thread cannot see is the order of locks and atomics: `tests/threads.rs` tries that.

mod archive;
mod destroy;
mod directed;
mod node;
mod publish;
mod reader;
mod rng;
mod scenario;
mod truth;
mod world;
