//! Ctrl-C and SIGTERM: what came so far, a code that says so, and no process left behind.

#[path = "support/floor.rs"]
mod floor;
#[path = "support/relay.rs"]
mod relay;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use floor::Floor;
use relay::Relay;

const PATIENCE: Duration = Duration::from_secs(30);

/// A run that goes on for an hour unless a signal ends it.
struct Endless {
    child: Child,
    workers: Vec<u32>,
    _floor: Floor,
}

impl Endless {
    /// Starts it and waits until some events have been published.
    fn start() -> Self {
        let floor = Floor::start();
        let relay = Relay::to(floor.feed);
        let words = "soak --connections 20 --processes 2 --rate 200 --duration 1h --cuts 20 --slow 0.1 --json";
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanload"));
        command.args(words.split(' ')).args(["--target", &format!("http://{}", floor.target)]);
        command.args(["--feed", &relay.address.to_string()]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        eventually("events", || relay.passed() > 20_000);
        let workers = children(child.id());
        assert_eq!(workers.len(), 2);
        Self { child, workers, _floor: floor }
    }

    /// The exit code, and what was said on standard output and error. All its processes must be gone by then.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut errors) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors).unwrap();
        }
        let code = self.child.wait().unwrap().code();
        eventually("the end of all workers", || self.workers.iter().all(|&worker| has_ended(worker)));
        (code, out, errors)
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        // It has ended, unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Whether a process is no more, or waits for the process that adopted it to notice.
fn has_ended(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |stat| stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X'])))
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

// Seen to fail when a worker ends with the signal, which a terminal sends to all of them, and when the run ends with nothing
// but an error.
#[test]
fn ctrl_c_ends_a_run_with_its_verdict_so_far() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let run = Endless::start();
        run.workers.iter().for_each(|&worker| signal(name, worker));
        signal(name, run.child.id());
        let (ended, out, errors) = run.end();
        assert_eq!(ended, Some(code), "{out} {errors}");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["cut_short"], "interrupted", "{json}");
        assert!(json["deliveries"].as_u64().unwrap() > 0 && json["latency"]["count"].as_u64().unwrap() > 0, "{json}");
        for breach in ["lost", "doubled", "out_of_order", "damaged", "silent"] {
            assert_eq!(json["integrity"][breach], 0, "{breach}: {json}");
        }
    }
}

// Seen to fail when the second signal is taken like the first: it then waits for the worker and says so.
#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let mut run = Endless::start();
    let stopped = run.workers[0];
    signal("-STOP", stopped);
    signal("-INT", run.child.id());
    let mut lines = BufReader::new(run.child.stderr.take().unwrap()).lines();
    let heard = lines.by_ref().map_while(Result::ok).any(|line| line.contains("once more ends it"));
    assert!(heard, "it says that it has heard the first one");
    signal("-INT", run.child.id());
    run.child.wait().unwrap();
    // The workers write to the same standard error, which ends with the last of them.
    signal("-CONT", stopped);
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let (code, out, _) = run.end();
    assert_eq!((code, out.as_str(), rest.as_slice()), (Some(130), "", [].as_slice()));
}
