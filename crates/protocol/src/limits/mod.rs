//! Every limit and default of Fanfare, named once and checked against each other: one file for each subject.
//!
//! `*_MAX` is what nothing may exceed, configuration included. `*_DEFAULT` is what holds where the
//! configuration says nothing. `*_MIN` is the least that configuration may say. Sizes are in bytes
//! where the name says so, counts otherwise; times are [`Duration`](std::time::Duration)s. Assertions stand beside the limits that they are about;
//! those between limits of several subjects are in `relations`.

mod admission;
mod archive;
mod certificates;
mod channels;
mod delivery;
mod events;
mod feed;
mod history;
mod http2;
mod names;
mod occupancy;
mod outside;
mod process;
mod promises;
mod publishing;
mod relations;
mod requests;
mod revocations;
mod tickets;
mod tls;
mod tokens;
mod units;

pub use admission::*;
pub use archive::*;
pub use certificates::*;
pub use channels::*;
pub use delivery::*;
pub use events::*;
pub use feed::*;
pub use history::*;
pub use http2::*;
pub use names::*;
pub use occupancy::*;
pub use outside::*;
pub use process::*;
pub use promises::*;
pub use publishing::*;
pub use requests::*;
pub use revocations::*;
pub use tickets::*;
pub use tls::*;
pub use tokens::*;
