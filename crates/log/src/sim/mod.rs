//! The whole log under chance: two nodes with two threads each, one store, eight clients, driven step by step in one
//! thread without a clock. Whatever happens, what each client saw must be a contiguous run of the true history, or have a gap
//! where it is not; and when the trouble ends every reader must get to the end without anybody asking again and again.
//!
//! A failing seed prints itself; `FANFARE_SEED=… cargo test -p fanfare-log sim` runs only that one.

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
