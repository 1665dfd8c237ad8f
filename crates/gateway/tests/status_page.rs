//! The status page of a node in real headless Chromium, over `fanfare dev`.
//!
//! `FANFARE_STATUS_SCREENSHOTS=/tmp` keeps pictures of it: wide and narrow, light and dark.
#![allow(clippy::unwrap_used)]

mod support;
mod webdriver;

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use serde_json::json;
use support::counting::CountingStore;
use support::dev::Dev;
use support::{Process, get, subscribe};
use webdriver::Browser;
use webdriver::looks::{SCHEMES, WIDTHS};

/// How often the browser has loaded the status; a stream counts when it ends.
const LOADS: &str =
    "return performance.getEntriesByType('resource').filter(({ name }) => new URL(name).pathname === '/status').length";

/// The heads of the table of channels, as they are seen.
const HEADS: &str = "return [...document.querySelector('#channels').closest('table').querySelectorAll('th')]
    .filter((head) => head.checkVisibility()).map((head) => `${head.scope} ${head.textContent}`)";
/// Its rows.
const ROWS: &str = "return [...document.querySelectorAll('#channels tr')].map((row) => [...row.cells].map((cell) => cell.textContent))";

/// The six figures.
fn figures(browser: &Browser) -> [String; 6] {
    ["sessions", "deliveries", "lag", "store", "memory", "gaps"].map(|id| browser.text(id))
}

// Seen to fail with a faint colour, and with a long name that is not broken.
#[test]
fn the_page_shows_six_figures_as_they_change_and_says_when_the_node_is_gone() {
    let dev = Dev::start();
    let long = format!("orders.{}", "x".repeat(90));
    let mut readers: Vec<_> = ["host.cpu", "host.cpu", "host.memory"].map(|name| subscribe(dev.node, name)).into();
    let browser = Browser::start(1200, 1400);
    browser.open(&dev.status);
    browser.until("six figures", |browser| {
        let [sessions, deliveries, lag, store, memory, gaps] = figures(browser);
        let is_number = |text: &str| text.parse().is_ok_and(|number: u32| number > 0);
        let is_good = (sessions.as_str(), store.as_str(), gaps.as_str()) == ("3", "Both well", "0");
        is_good && is_number(&deliveries) && lag.starts_with("≤ ") && memory.ends_with(" MiB")
    });
    assert_eq!(browser.text("word"), "Ready");
    assert!(browser.text("refusals").contains("none"), "{}", browser.text("refusals"));
    // It changes without being asked.
    readers.push(subscribe(dev.node, &long));
    browser.until("another session", |browser| browser.text("sessions") == "4");
    browser.until("its channel", |browser| browser.text("channels").contains(&long));
    // It does not ask again and again: the stream, which is not complete yet, is all that it has loaded.
    assert_eq!(browser.run(LOADS), 0);
    assert_eq!(browser.run(ROWS)[0], json!(["host.cpu", "2"]));
    assert_eq!(browser.run(HEADS), json!(["col Channel", "col Readers"]), "nothing is counted here");

    assert_eq!(browser.run("return document.querySelectorAll('#metrics tr').length"), 0, "folded");
    browser.tab_to("#node > summary");
    browser.press("\u{e007}");
    browser.until("facts about the node", |browser| browser.text("facts").contains("cores"));
    browser.tab_to("#all > summary");
    browser.press("\u{e007}");
    browser.until("all metrics", |browser| browser.text("metrics").contains("sessions_opened_total"));
    browser.can_be_read("");
    keep_pictures(&browser, "ready");
    drop(dev);
    browser.until("the end of the node", |browser| browser.text("word") == "The node does not answer");
}

// Seen to fail with the readers of this node in both columns, with 0 in place of what is not known, and with a note that stays.
#[test]
fn the_page_says_how_many_read_a_channel_on_all_nodes_and_why_it_does_not() {
    let store = CountingStore::default();
    let (here, there) = (store.node(), store.node());
    let [clients, others] = [&here, &there].map(|node| node.node().server().tcp_address().unwrap());
    let long = format!("chat:{}", "x".repeat(90));
    let mut readers: Vec<_> = ["chat:1", "chat:1", "news", &long].map(|name| subscribe(clients, name)).into();
    readers.extend((0..3).map(|_| subscribe(others, "chat:1")));
    let browser = Browser::start(1200, 1400);
    browser.open(&format!("http://{}/status", here.admin));
    let counted = json!([["chat:1", "2", "5"], [long, "1", "1"], ["news", "1", "not counted"]]);
    browser.until("the readers on all nodes", |browser| browser.run(ROWS) == counted);
    assert_eq!(browser.run(HEADS), json!(["col Channel", "col Readers here", "col Readers on all nodes"]));
    let note = |browser: &Browser| {
        (browser.text("occupancy-note"), browser.run("return document.getElementById('occupancy-note').hidden"))
    };
    assert_eq!(note(&browser), (String::new(), json!(true)));
    browser.can_be_read("");
    keep_pictures(&browser, "counting");

    // Seen to fail when only the refusals of streams are told.
    (0..300).for_each(|number| drop(get(clients, &format!("/channels/chat:{number}"))));
    browser.until("who asks too often", |browser| browser.text("refusals").contains("asked for too many counts"));

    store.faults().hangs.store(true, Ordering::Relaxed);
    let unknown = json!([["chat:1", "2", "–"], [long, "1", "–"], ["news", "1", "not counted"]]);
    let reason = "the store is unavailable: no answer in 2 s";
    browser.until("what is not known", |browser| browser.run(ROWS) == unknown && note(browser).0.ends_with(reason));
    assert_eq!(note(&browser), (format!("– Not known at present: {reason}"), json!(false)));
    assert_eq!(browser.run("return document.querySelector('#channels td:last-child').title"), reason);
    // Everything else goes on.
    readers.push(subscribe(clients, "news"));
    browser.until("another session", |browser| browser.text("sessions") == "5");
    browser.can_be_read("");
    keep_pictures(&browser, "not-counting");
    store.faults().hangs.store(false, Ordering::Relaxed);
    browser.until("a number again", |browser| browser.run(ROWS)[0] == counted[0] && note(browser).1 == json!(true));
}

/// Asks for a stream and reads nothing.
fn ask(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /events?channel=a HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    stream
}

#[test]
fn the_page_says_what_is_wrong_and_who_was_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.env_clear().env("FANFARE__REDIS__URL", "unix:///nowhere/redis.sock");
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--set", "admission.per_address=1"]);
    let node = Process::start(&mut command);
    let (clients, admin) = (node.address("listening for clients"), node.address("listening for operators"));
    // A stream that waits for its channel is given up in time, so that there are always new ones.
    let refusals = || {
        let status: serde_json::Value = serde_json::from_str(&get(admin, "/status").1).unwrap();
        status["metrics"]["fanfare_refusals_total"]["address"].as_u64().unwrap()
    };
    support::eventually("a refusal", || {
        let _streams = [ask(clients), ask(clients)];
        let refused = || Some(()).filter(|()| refusals() > 0);
        (0..20).find_map(|_| refused())
    });
    let browser = Browser::start(1200, 1400);
    browser.open(&format!("http://{admin}/status"));
    browser.until("two failures", |browser| browser.text("store") == "Both fail");
    let (word, note) = (browser.text("word"), browser.text("store-note"));
    for reason in ["no round trip through Redis Pub/Sub yet", "no read of a stream yet", "No such file"] {
        assert!(note.contains(reason), "{note}");
    }
    assert_eq!(word, "Not ready: the feed fails; the archive fails");
    let refused = "One address: as many streams as it may have";
    browser.until("the refusal", |browser| browser.text("refusals").contains(refused));
    browser.can_be_read("");
    keep_pictures(&browser, "unready");
}

fn keep_pictures(browser: &Browser, name: &str) {
    let Some(directory) = std::env::var_os("FANFARE_STATUS_SCREENSHOTS") else { return };
    browser.run("document.getElementById('all').open = false");
    for (scheme, width) in SCHEMES.into_iter().flat_map(|scheme| WIDTHS.map(|width| (scheme, width))) {
        browser.colours(scheme);
        browser.resize(width, 1400);
        let path = Path::new(&directory).join(format!("status-{name}-{scheme}-{width}.png"));
        std::fs::write(path, browser.screenshot()).unwrap();
    }
}
