//! The k6 scenarios of `loadtest/`, run as people run them: they pass against two real nodes, and they notice what is
//! lost, doubled, announced or never arrives.
//!
//! Skipped, with a word, where there is no Go to build k6 with. The first run builds it, which takes a minute or two.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use fanfare_e2e::{Ledger, Node, Publisher, RedisServer, eventually, fanfare_binary};
use serde_json::Value;
use tempfile::TempDir;

/// What `loadtest/build.sh` exits with when there is no Go.
const NO_GO: i32 = 3;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A script of `loadtest/`. What it builds lands in the target directory of this test, `<target>/<profile>/deps/<name>`.
fn script(name: &str) -> Command {
    let me = std::env::current_exe().expect("the path of the test");
    let mut command = Command::new(root().join("loadtest").join(name));
    command.env("CARGO_TARGET_DIR", me.ancestors().nth(3).expect("a target directory"));
    command.current_dir(root()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for setting in ["SCENARIO", "TARGETS", "REDIS_URL", "PUBLISH_KEY", "PUBLISH_URL", "PUBLISH_VIA", "ROLE", "RUN"] {
        command.env_remove(setting);
    }
    command
}

/// Whether k6 is there, built if need be.
fn k6_is_built() -> bool {
    static BUILT: OnceLock<bool> = OnceLock::new();
    *BUILT.get_or_init(|| {
        let output = script("build.sh").output().expect("loadtest/build.sh starts");
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(NO_GO) {
            // Not `eprintln!`, which nobody sees when a test passes.
            let _ = writeln!(std::io::stderr(), "SKIPPED: the k6 scenarios. {said}");
            return false;
        }
        assert!(output.status.success(), "loadtest/build.sh: {said}");
        true
    })
}

/// Both outputs, for a message.
fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

// Seen to fail when the subscriber came back without its Last-Event-ID, when resume.js never cut anybody, when the
// publishes of auth.js that must be refused carried the right key, and when a scenario was left out of the report.
#[test]
fn every_k6_scenario_passes_against_two_nodes() {
    if !k6_is_built() {
        return;
    }
    let report = TempDir::new().expect("a temporary directory");
    let mut command = script("run.sh");
    command.env("FANFARE_BIN", fanfare_binary()).env("OUT", report.path());
    // The figures of a shared machine say nothing: only what is lost counts here.
    command.env("LATENCY_P95_MS", "20000").env("LATENCY_P99_MS", "20000");
    for (name, value) in [("SUBSCRIBERS", "16"), ("RATE", "10"), ("DURATION", "2"), ("LEAD", "1"), ("AWAY", "0.3")] {
        command.env(name, value);
    }
    let output = command.output().expect("loadtest/run.sh starts");
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("\n5 passed, 0 failed\n"), "{}", said(&output));

    let page = std::fs::read_to_string(report.path().join("report.html")).expect("a report");
    let text = std::fs::read_to_string(report.path().join("report.txt")).expect("a report");
    for scenario in ["steady", "ramp", "resume", "churn", "auth"] {
        assert!(page.contains(&format!("<section id=\"{scenario}\">")), "{scenario} is not in report.html");
        assert!(text.contains(&format!("PASSED  {scenario}:")), "{scenario} has not passed in report.txt");
    }
    assert!(!page.contains("src=") && !page.contains("@import"), "report.html needs something from elsewhere");
}

/// k6 as a mere subscriber of the run `x`: the test itself publishes, and lies.
fn subscribers(node: &Node, report: &Path) -> Child {
    let mut command = script("run.sh");
    command.env("SCENARIO", "steady").env("ROLE", "subscribe").env("RUN", "x").env("OUT", report);
    command.env("TARGETS", format!("http://{}", node.address()));
    for (name, value) in [("SUBSCRIBERS", "2"), ("CHANNELS", "2"), ("LEAD", "3"), ("DURATION", "1"), ("PATIENCE", "4")]
    {
        command.env(name, value);
    }
    command.spawn().expect("loadtest/run.sh starts")
}

// Seen to fail when a skipped number counted as fine, when a repeated one did, when a subscriber that was there before the
// first event was allowed to begin with the second, when a gap excused nothing, and when silence counted as the end.
#[test]
fn k6_notices_what_is_lost_doubled_announced_or_never_comes() {
    if !k6_is_built() {
        return;
    }
    let redis = RedisServer::start();
    let node = Node::builder(&redis).set("limits.event_bytes", "1KiB").start();
    let report = TempDir::new().expect("a temporary directory");
    let child = subscribers(&node, report.path());
    // One to try the address, then both.
    eventually("two subscribers", || node.metric("fanfare_sessions_opened_total", "").filter(|&opened| opened >= 3.0));

    let mut publisher = Publisher::new(&redis, &Ledger::default());
    // Followed by both: 1 and 3 are lost, 4 is doubled, 5 is too large to be delivered and announced as a gap.
    for data in ["0 2 0 -", "0 4 0 -", "0 4 0 -", &format!("0 5 0 - {}", ".".repeat(2_000)), "0 6 0 last"] {
        publisher.fcall("load-x-0", data);
    }
    // Followed by the second subscriber: never comes to its end.
    publisher.fcall("load-x-1", "1 1 0 -");

    let output = child.wait_with_output().expect("loadtest/run.sh ends");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("\n0 passed, 1 failed\n"), "{}", said(&output));
    let model = std::fs::read(report.path().join("steady.json")).expect("a report");
    let model: Value = serde_json::from_slice(&model).expect("JSON");
    let counted =
        ["lost", "doubled", "gaps", "announced", "silent"].map(|name| model[name].as_u64().expect("a number"));
    assert_eq!(counted, [4, 2, 2, 2, 1], "lost, doubled, gaps, announced, silent in {model}");
    assert_eq!(model["passed"], Value::Bool(false));
}
