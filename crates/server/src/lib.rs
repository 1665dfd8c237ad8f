//! The only crate that speaks HTTP to clients.
#![forbid(unsafe_code)]

mod clock;
mod core;
mod core_stats;
mod session;
mod sessions;

pub use clock::Clock;
pub use core::{Core, DeliveryOptions};
pub use core_stats::{CoreStats, Ends, LAG_BOUNDS_MS, Lag};
pub use session::{Framing, Refusal, SubscribeRequest, start};
