//! Servers of others, as far as a package registry has them: what an event costs with Fanfare is compared with what it
//! costs with them. docs/peers.md has their settings, what each of them can do and which ones could not be installed.
//!
//! Nothing of theirs is here, and nothing installs them but `make bench-peers`.

mod durable_streams;
mod nchan;
mod node_loop;
mod posted;
mod program;

pub use durable_streams::DurableStreams;
pub use nchan::Nchan;
pub use node_loop::NodeLoop;

use super::contract::Contender;

/// All of them.
pub fn all() -> Vec<Box<dyn Contender>> {
    vec![Box::new(Nchan), Box::new(DurableStreams), Box::new(NodeLoop)]
}
