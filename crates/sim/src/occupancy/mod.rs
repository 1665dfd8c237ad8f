//! How many read a channel, where nodes count that: what each node says of it is compared with what is true.
//!
//! Readers of one channel that nobody else reads come and go on all nodes while everything breaks (`census`). Afterwards it is compared.

pub(crate) mod census;
mod count_request;
pub(crate) mod counting;
mod member;
pub(crate) mod told;
