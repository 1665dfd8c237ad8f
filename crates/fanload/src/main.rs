//! `fanload`: load, latency and integrity of Fanfare from the command line.

fn main() -> std::process::ExitCode {
    fanload::cli::run()
}
