//! The demonstration's page in real headless Chromium: over `fanfare dev`, and over what `make run` starts.
#![allow(clippy::unwrap_used)]

mod support;
mod webdriver;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use support::dev::Dev;
use support::{eventually, signal};
use webdriver::Browser;

const ENTER: &str = "\u{e007}";

/// Pages of one's own: as docs/getting-started.md serves them, and as `make run ORIGIN=…` is told of them.
const OWN_PAGES: [&str; 2] = ["http://127.0.0.1:3000", "http://localhost:3000"];
const ORIGINS: [&str; 2] = ["http://127.0.0.1:5173", "https://shop.example"];

/// A script that cleans up behind itself when it is interrupted, also when the test fails.
struct Script(Child);

impl Script {
    /// Interrupts it and returns its exit code.
    fn interrupted(&mut self) -> Option<i32> {
        signal(&self.0, "INT");
        eventually("the end of the script", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.interrupted();
        }
    }
}

fn complete(browser: &Browser) -> bool {
    ["missing", "doubled", "gaps"].iter().all(|id| browser.number(id) == 0)
}

/// Opens the page, cuts it off twice, and requires that nothing was missed or seen twice.
fn resumes_on_the_other_node_and_back(browser: &Browser, page: &str) {
    browser.open(page);
    browser.until("points of all four channels", |browser| {
        browser.text("node") == "on node 1" && browser.number("events") >= 40
    });
    let position = browser.text("position");
    assert!(position.len() <= 128, "a longer position needs a CORS preflight: {position}");

    for other in ["node 2", "node 1"] {
        browser.click("cut");
        browser.until("the cut", |browser| browser.text("node") == "cut off");
        let at_cut = browser.number("events");
        browser.until("the other node", |browser| browser.text("node") == format!("on {other}"));
        browser.until("what was missed, and more", |browser| browser.number("events") >= at_cut + 80);
        browser.until("the report", |browser| browser.text("diary").contains(&format!("Resumed on {other}")));
    }
    assert!(complete(browser), "{}", browser.text("diary"));
    let report = browser.text("diary");
    assert_eq!(report.matches("0 missing, 0 doubled").count(), 2, "{report}");
    assert!(!report.contains(": 0 points replayed"), "{report}");
    assert_ne!(browser.text("position"), position);
}

#[test]
fn a_page_that_is_cut_off_resumes_on_the_other_node_without_a_missing_point() {
    let dev = Dev::start();
    let browser = Browser::start(1280, 1120);
    resumes_on_the_other_node_and_back(&browser, &dev.page);
}

/// The longest texts that the figures have in a day.
const LONG_FIGURES: &str = "for (const figure of document.querySelectorAll('.figures b')) figure.textContent = '0';
  document.getElementById('events').textContent = '1,234,567';
  document.getElementById('delay').textContent = '999 ms';";

#[test]
fn the_page_can_be_read_at_any_width_and_is_used_by_the_keyboard() {
    let dev = Dev::start();
    let browser = Browser::start(1200, 1120);
    browser.open(&dev.page);
    let charts = "return [...document.querySelectorAll('canvas')].every((canvas) => canvas.ariaLabel)";
    browser.until("a text for each of the charts", |browser| browser.run(charts) == serde_json::json!(true));
    assert_eq!(browser.run("return document.querySelectorAll('canvas').length"), 4);
    browser.can_be_read(LONG_FIGURES);
    browser.tab_to("#cut");
    browser.press(ENTER);
    browser.until("the cut", |browser| browser.text("node") == "cut off");
}

/// The head of the answer to a page of that origin which follows a channel.
fn head_for(address: SocketAddr, origin: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /events?channel=a HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream";
    write!(stream, "{request}\r\nOrigin: {origin}\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    lines.fold(String::new(), |head, line| head + &line.to_ascii_lowercase() + "\n")
}

#[test]
fn make_run_shows_the_same_over_redis_and_leaves_nothing_behind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let work = tempfile::tempdir().unwrap();
    // A shell cannot trap a signal that was ignored when it started, as in what another shell runs in the background.
    let mut script = Command::new("env");
    script.arg("--default-signal=INT").arg(root.join("scripts/run.sh"));
    script.env("FANFARE_BIN", env!("CARGO_BIN_EXE_fanfare")).env("TMPDIR", work.path()).env_remove("REDIS_URL");
    // Commas alone do as well.
    script.env("ORIGIN", json!(ORIGINS).to_string());
    let mut script = Script(script.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    let lines: Vec<String> = BufReader::new(script.0.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.contains("Ctrl-C"))
        .collect();
    let said = lines.join("\n");
    let url = |name: &str| {
        let line = lines.iter().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{said}"));
        line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned()
    };
    assert!(said.contains("curl -N") && said.contains("PUBLISH sse:") && said.contains("FCALL sse_publish"), "{said}");

    let browser = Browser::start(1280, 1050);
    browser.colours("light");
    resumes_on_the_other_node_and_back(&browser, &url("The live page"));

    let nodes = [url("Node 1"), url("Node 2"), url("The live page")];
    let address = |url: &str| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    for node in &nodes[..2] {
        let admits = |origin| {
            let head = head_for(address(node).parse().unwrap(), origin);
            assert!(head.starts_with("http/1.1 200 "), "{head}");
            head.contains(&format!("\naccess-control-allow-origin: {origin}\n"))
        };
        assert!(OWN_PAGES.into_iter().chain(ORIGINS).all(admits), "a page of one's own is refused by {node}");
        assert!(!admits("http://stranger.example"), "{node} admits any page");
    }
    assert_eq!(script.interrupted(), Some(130));
    assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0, "the temporary directory is still there");
    for node in nodes {
        let address = address(&node);
        assert!(TcpStream::connect(&address).is_err(), "somebody still listens on {address}");
    }
}

// Fails when nodes are left to wait for it, whose log does not name the variable.
#[test]
fn make_run_says_at_once_that_nothing_answers_where_redis_url_points() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut script = Command::new(root.join("scripts/run.sh"));
    script.env("FANFARE_BIN", env!("CARGO_BIN_EXE_fanfare"));
    script.env("REDIS_URL", format!("redis://:secret@127.0.0.1:{port}/0"));
    let output = script.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("nothing answers on 127.0.0.1:{port}, which REDIS_URL names")), "{said}");
    assert!(!said.contains("secret") && !said.contains("Node 1"), "{said}");
}

#[test]
fn a_page_that_loses_its_place_says_so() {
    let dev = Dev::start();
    let browser = Browser::start(1280, 1120);
    browser.open(&dev.page);
    browser.until("points", |browser| browser.number("events") >= 8);
    // A page that forged its position must show the gap: the counter is no decoration.
    browser.run("position = 'v' + 'AAA0000000'; cut();");
    browser.until("a gap", |browser| browser.number("gaps") > 0);
}

/// What a node answers that has no room: a stream that ends at once, from which `EventSource` knows when to come back.
const POLITE_REFUSAL: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nAccess-Control-Allow-Origin: *\r\n\
    Connection: close\r\n\r\nretry: 100\n\n";

/// Refuses every request politely, until the process ends. Returns where, and a count of requests.
fn full_node() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, refused) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let count = refused.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let count = count.clone();
            // A browser may open a connection without asking for anything.
            std::thread::spawn(move || refuse(stream, &count));
        }
    });
    (address, refused)
}

fn refuse(mut stream: TcpStream, count: &AtomicU32) {
    let head = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).count();
    if head > 0 && stream.write_all(POLITE_REFUSAL.as_bytes()).is_ok() {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// `EventSource` opens for a polite refusal, too.
#[test]
fn a_page_that_is_refused_politely_says_nowhere_that_it_is_connected() {
    let (node, refused) = full_node();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    demo.args(["demo", "--listen", "127.0.0.1:0", "--nodes", &format!("http://{node}")]);
    demo.args(["--redis", &format!("redis://{nobody}")]).stderr(Stdio::null());
    let mut demo = Script(demo.stdout(Stdio::piped()).spawn().unwrap());
    let line = BufReader::new(demo.0.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let browser = Browser::start(1280, 1120);
    browser.open(line.trim_start_matches("page").trim());
    browser.until("three refusals", |browser| {
        assert!(!browser.text("node").starts_with("on "), "refused, and {}", browser.text("node"));
        refused.load(Ordering::Relaxed) >= 3
    });
    assert_eq!(browser.text("diary"), "");
}
