//! The gateway: configuration, command line, composition root, admin listener and the demonstration.
//!
//! This crate is the only one that reads configuration and the only one that knows both Redis and HTTP. It is a library
//! as well as the binary `fanfare`, so that tests build a node from the same composition root as production.
#![forbid(unsafe_code)]

pub mod admin;
pub mod cli;
pub mod config;
pub mod demo;
pub mod descriptors;
pub mod http;
pub mod https;
mod key_file;
pub mod logging;
pub mod metrics;
pub mod node;
mod output;
pub mod process;
pub mod reload;
mod revocation;
pub mod revocation_writer;
pub mod run;
pub mod signal_thread;
pub mod signals;
pub mod tls;
