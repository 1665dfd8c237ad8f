//! The demonstration's page in real headless Chromium, over `fanfare dev`.
//!
//! `FANFARE_SCREENSHOT=docs/images/demo.png` (from the root of the repository) keeps a picture of it.
#![allow(clippy::unwrap_used)]

mod webdriver;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use webdriver::Browser;

/// `fanfare dev` on free ports. Killed when it is dropped.
struct Dev {
    process: Child,
    page: String,
}

impl Dev {
    fn start() -> Self {
        let free = "127.0.0.1:0,127.0.0.1:0";
        let mut process = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(["dev", "--listen", "127.0.0.1:0", "--nodes", free, "--admin", free])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let page = lines.next().unwrap().strip_prefix("page").unwrap().trim().to_owned();
        // The last line says that everything listens.
        assert!(lines.any(|line| line.starts_with("try")), "fanfare dev did not start");
        Self { process, page }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn complete(browser: &Browser) -> bool {
    ["missing", "doubled", "gaps"].iter().all(|id| browser.number(id) == 0)
}

#[test]
fn a_page_that_is_cut_off_resumes_on_the_other_node_without_a_missing_point() {
    let dev = Dev::start();
    let browser = Browser::start(1280, 1120);
    browser.colours("light");
    browser.open(&dev.page);

    browser.until("points of all four channels", |browser| {
        browser.text("node") == "on node 1" && browser.number("events") >= 40
    });
    let before = (browser.number("events"), browser.text("position"));
    assert!(before.1.len() <= 128, "a longer position needs a CORS preflight: {}", before.1);

    browser.click("cut");
    browser.until("the cut", |browser| browser.text("node") == "cut off");
    let at_cut = browser.number("events");
    browser.until("the other node", |browser| browser.text("node") == "on node 2");
    browser.until("what was missed, and more", |browser| browser.number("events") >= at_cut + 80);
    browser.until("the report", |browser| browser.text("diary").contains("Resumed on node 2"));

    assert!(complete(&browser), "{}", browser.text("diary"));
    let report = browser.text("diary");
    assert!(report.contains("0 missing, 0 doubled") && !report.contains(" 0 points replayed"), "{report}");
    assert_ne!(browser.text("position"), before.1);

    browser.click("cut");
    browser.until("the first node again", |browser| browser.text("node") == "on node 1");
    browser.until("its points", |browser| browser.number("events") >= at_cut + 160);
    assert!(complete(&browser), "{}", browser.text("diary"));

    if let Some(path) = std::env::var_os("FANFARE_SCREENSHOT") {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::fs::write(root.join(path), base64(&browser.screenshot())).unwrap();
    }
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

/// Decodes base64 (RFC 4648); the test needs it once.
fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bytes: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let group = |group: &[u8]| {
        let bits = (0..4).fold(0_u32, |bits, i| bits << 6 | u32::from(group.get(i).copied().unwrap_or(0)));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    bytes.chunks(4).flat_map(group).collect()
}
