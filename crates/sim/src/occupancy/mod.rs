//! How many read a channel, where nodes count that: what each node says of it is compared with what is true.
//!
//! Readers of one channel that nobody else reads come and go on all nodes while everything breaks (`census`). Afterwards it is compared.

mod census;
mod count_request;
mod counting;
mod member;
mod told;

pub(crate) use census::Census;
pub use census::OccupancyCounts;
pub(crate) use counting::Counting;
pub(crate) use told::Told;
