//! The binary `fanfare`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// A connection leaves a small lasting task behind among large passing buffers. With glibc's allocator the holes between such tasks
/// took more memory than the tasks (`docs/decisions/0040-memory-is-given-out-by-jemalloc.md`).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    fanfare_gateway::cli::main()
}
