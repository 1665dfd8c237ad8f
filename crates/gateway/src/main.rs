//! The binary `fanfare`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    fanfare_gateway::cli::main()
}
