//! Load, latency and integrity of an event-stream server, seen from outside.
//!
//! One process, the *conductor*, runs a [scenario], publishes and reports. It starts *workers* (the same
//! program), each of which holds thousands of connections in one readiness loop, checks every delivery and measures
//! its latency. Nothing here is shared with the product: the parsers and the Redis client are a second
//! implementation on purpose, so that a mistake cannot cancel itself out.
//!
//! | part | what it is |
//! |---|---|
//! | [`target`] | where and how to subscribe and publish, as data |
//! | [`scenario`] | what is done and what comes out of it |
//! | [`contender`] | servers that can be started and measured |
//! | [`bench`](mod@bench) | all scenarios for several contenders, compared |
//! | [`hostile`] | what attacks do to the clients that behave |
//! | [`floor`] | the server that does nothing but write |
//! | [`reading`] | CPU and memory of processes, from `/proc` |

mod admin;
pub mod bench;
pub mod cli;
mod columns;
mod command_line;
pub mod contender;
mod cores;
pub mod descriptors;
pub mod disturbances;
mod document;
pub mod fleet;
pub mod floor;
pub mod hostile;
pub mod integrity;
pub mod latency;
mod machine;
pub mod payload;
pub mod process;
pub mod publish;
pub mod reading;
pub mod report;
mod resp;
pub mod scenario;
pub mod screen;
pub mod stage;
mod statistic;
pub mod target;
mod thousands;
mod transport;
pub mod wire;
pub mod worker;
