//! `make chaos`: three nodes, Redis, a balancer, publishers and hundreds of clients under a seeded schedule of faults.
//! See `docs/chaos.md`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use fanfare_chaos::{Fsync, Options, TransportKind, run};

/// Breaks everything around real Fanfare nodes and judges what every client saw.
///
/// Exit code 0: the guarantee was kept. 1: it was broken. 2: wrong usage. 101: the machine could not run it.
#[derive(Debug, Parser)]
#[command(name = "chaos", version)]
struct Arguments {
    /// Decides the schedule of faults and all choices; a new one each time if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// How long faults are injected: a number with s, m or h. About half a minute is added for the end.
    #[arg(long, default_value = "60s", value_parser = duration)]
    duration: Duration,
    /// Number of clients, each on a thread of its own.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=2000))]
    clients: u16,
    /// Number of publishers.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=64))]
    publishers: u16,
    /// How Redis syncs its append-only file; the seed decides if not given.
    #[arg(long, value_enum)]
    fsync: Option<Fsync>,
    /// How clients and publishers over HTTP talk to nodes.
    #[arg(long, value_enum, default_value_t)]
    transport: TransportKind,
    /// Directory for the logs of a failing run; a new temporary one if not given.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Print every action, a fault or the end of one, as it is done.
    #[arg(long, short)]
    verbose: bool,
    /// Print the schedule of the seed and end.
    #[arg(long)]
    plan: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| u64::from(elapsed.subsec_nanos()));
    let options = Options {
        seed: arguments.seed.unwrap_or(now),
        duration: arguments.duration,
        clients: arguments.clients.into(),
        publishers: arguments.publishers.into(),
        fsync: arguments.fsync,
        transport: arguments.transport,
        logs: arguments.logs,
        verbose: arguments.verbose,
    };
    if arguments.plan {
        print!("{}", options.schedule());
        return ExitCode::SUCCESS;
    }
    if run(&options) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `90`, `90s`, `5m` or `1h`, up to a week.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        other => return Err(format!("{other:?} is no unit; use s, m or h")),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    let seconds = seconds.ok_or_else(|| format!("{text:?} is not a whole number with s, m or h"))?;
    if !(5..=7 * 24 * 3600).contains(&seconds) {
        return Err("from 5s to a week".to_owned());
    }
    Ok(Duration::from_secs(seconds))
}
