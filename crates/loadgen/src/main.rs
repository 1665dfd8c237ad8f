//! `fanload`: load, latency and integrity of Fanfare from the command line.

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Load, latency and integrity of an event-stream server
#[derive(Parser)]
#[command(name = "fanload", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve events with a bare loop: the least that any server can do for the same work
    Floor(fanload::floor::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Floor(arguments) => fanload::floor::run(&arguments),
    }
}
