//! Short requests, asked by a client that is not ours: `h2load` of nghttp2.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::run::Run;
use crate::stage::Stage;

const PROGRAM: &str = "h2load";
/// Its connections, and the requests that each has under way: fewer than a node answers at a time, which is 64.
const CONNECTIONS: u32 = 4;
const STREAMS: u32 = 4;
/// Events that the channel has, and that each answer has.
const PAGE: usize = 10;
/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What `h2load` says of a run.
#[derive(Debug, PartialEq)]
struct Said {
    per_second: f64,
    succeeded: u64,
}

/// Whether `h2load` can be run.
pub fn can_ask() -> bool {
    let asked = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Asks as many times as there are to be events for a page of history, and checks that every answer is a good one. Numbers:
/// `requests_per_second`, and with the server's process ids `cpu_us_per_request`.
pub(super) fn requests(run: &mut Run<'_>) -> Result<()> {
    run.open_all()?;
    for _ in 0..PAGE {
        run.publish_round()?;
    }
    run.flush()?;
    let last = run.level()?;
    ensure!(run.all_have(last)?, "the events for the history do not arrive");
    let address = run.target.addresses.first().context("no address")?;
    let scheme = if run.target.protocol.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}/channels/{}/history?limit={PAGE}", run.channel(0));
    run.measure()?;
    let before = run.reading()?.cpu;
    let said = ask(&url, run.parameters.events, run.parameters.patience, run.stage)?;
    let cpu = run.reading()?.cpu.since(&before).total();
    run.measured()?;
    let requests = run.parameters.events;
    if said.succeeded != requests {
        bail!("of {requests} requests {} succeeded", said.succeeded);
    }
    run.numbers.insert("requests_per_second".to_owned(), said.per_second);
    if cpu > 0.0 {
        run.numbers.insert("cpu_us_per_request".to_owned(), cpu * 1e6 / requests as f64);
    }
    Ok(())
}

fn ask(url: &str, requests: u64, patience: Duration, stage: &Stage) -> Result<Said> {
    let mut command = Command::new(PROGRAM);
    command.args(["-n", &requests.to_string(), "-c", &CONNECTIONS.to_string(), "-m", &STREAMS.to_string()]);
    let mut child =
        command.arg(url).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("cannot run h2load")?;
    let begun = Instant::now();
    // It says less than a pipe holds.
    while child.try_wait().context("h2load is gone")?.is_none() {
        if begun.elapsed() > patience || stage.check().is_err() {
            child.kill().and_then(|()| child.wait()).context("h2load does not end")?;
            stage.check()?;
            bail!("h2load has not ended after {} s", patience.as_secs());
        }
        std::thread::sleep(LOOK);
    }
    let mut text = String::new();
    child.stdout.take().context("h2load has no output")?.read_to_string(&mut text)?;
    read(&text).with_context(|| format!("h2load says nothing that can be understood: {text}"))
}

/// Reads `finished in 3.03s, 3301.12 req/s, 1.2MB/s` and `requests: … 10000 succeeded, 0 failed, …`.
fn read(text: &str) -> Option<Said> {
    let number_before = |line: &str, word: &str| {
        let mut words = line.split([' ', ',']).filter(|word| !word.is_empty()).collect::<Vec<_>>().into_iter().rev();
        words.by_ref().find(|each| *each == word)?;
        words.next().map(str::to_owned)
    };
    let line = |start: &str| text.lines().find(|line| line.starts_with(start));
    Some(Said {
        per_second: number_before(line("finished in ")?, "req/s")?.parse().ok()?,
        succeeded: number_before(line("requests: ")?, "succeeded")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_says_is_understood() {
        let text = "progress: 100% done\n\nfinished in 3.03s, 3301.12 req/s, 1.24MB/s\n\
                    requests: 10000 total, 10000 started, 10000 done, 9990 succeeded, 10 failed, 10 errored, 0 timeout\n";
        assert_eq!(read(text), Some(Said { per_second: 3_301.12, succeeded: 9_990 }));
        assert_eq!(read("finished in 3.03s\n"), None);
    }
}
