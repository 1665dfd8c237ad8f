//! How many read a channel, on all nodes together: **occupancy**.
//!
//! It is counted for channels that the operator names and for no others. Each connection thread adds its readers to the channel's
//! [`Tally`], which all threads of the node share; a [`Reporter`] tells the store what has changed, and asks it for the channels that
//! somebody wants to know of. Nothing here is on the way of an event.

mod counted;
mod reporter;
mod rounds;
mod stats;
mod store;
mod tallies;
mod tally;
mod watch;

pub use counted::Occupancy;
pub use reporter::Reporter;
pub use rounds::Rounds;
pub use stats::OccupancyStats;
pub use store::{NodeLife, OccupancyAnswer, OccupancyError, OccupancyStore};
pub use tally::Tally;
pub use watch::Watch;

#[cfg(test)]
mod tests;
