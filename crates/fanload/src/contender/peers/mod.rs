//! Servers of others, as far as a package registry has them: what an event costs with Fanfare is compared with what it
//! costs with them. docs/peers.md has their settings and what each of them can do.
//!
//! Nothing of theirs is here, and nothing installs them but `make bench-peers`.

mod centrifugo;
mod durable_streams;
mod go;
mod mercure;
mod nchan;
mod node_loop;
mod posted;
mod program;

pub use centrifugo::Centrifugo;
pub use durable_streams::DurableStreams;
pub use mercure::Mercure;
pub use nchan::Nchan;
pub use node_loop::NodeLoop;

use super::contract::Contender;

/// All of them.
pub fn all() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(Nchan),
        Box::new(Mercure),
        Box::new(Centrifugo::MEMORY),
        Box::new(Centrifugo::REDIS),
        Box::new(DurableStreams),
        Box::new(NodeLoop),
    ]
}
