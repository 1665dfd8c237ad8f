//! Every scenario, small, against the floor.

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use support::{Ran, fanload};

/// A floor server that ends with the test.
struct Floor {
    child: Child,
    target: SocketAddr,
    feed: SocketAddr,
}

impl Floor {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanload"));
        let mut child = command.arg("floor").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (target, feed) = fanload::floor::ready_addresses(&line).expect("the floor says where it listens");
        Self { child, target, feed }
    }

    fn run(&self, words: &str) -> Ran {
        let ran = fanload(&format!("{words} --pid {}", self.child.id()), self.target, self.feed);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_closed_loop_delivers_every_event_to_every_client() {
    let ran = Floor::start().run("fanout --connections 20 --events 30 --processes 2");
    assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&30.into(), &600.into()), "{ran:?}");
    let used = ran.json["server_cpu"]["user"].as_f64().unwrap() + ran.json["server_cpu"]["system"].as_f64().unwrap();
    assert!(used > 0.0, "{ran:?}");
}

#[test]
fn many_channels_are_spread_over_clients_and_workers() {
    let ran = Floor::start().run("many --connections 30 --channels 30 --events 90 --processes 3");
    assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&90.into(), &90.into()), "{ran:?}");
}

#[test]
fn a_fixed_rate_publishes_what_it_says() {
    let ran = Floor::start().run("rate --connections 10 --rate 500 --events 200");
    assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&200.into(), &2000.into()), "{ran:?}");
}

#[test]
fn idle_connections_are_opened_in_two_steps() {
    let ran = Floor::start().run("hold --baseline 10 --connections 60");
    assert!(ran.json["numbers"]["opened_per_second"].as_f64().unwrap() > 0.0, "{ran:?}");
    assert_eq!(ran.verdict("delivered"), 60, "{ran:?}");
}

// Seen to fail when a client forgets its position: the events of the time away are then missing.
#[test]
fn a_storm_brings_everybody_what_was_missed() {
    let ran = Floor::start().run("storm --connections 40 --events 25");
    assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&25.into(), &1000.into()), "{ran:?}");
    assert!(ran.json["numbers"]["caught_up_seconds"].as_f64().unwrap() > 0.0, "{ran:?}");
    assert_eq!(ran.json["latency"]["count"], 0, "what was missed says nothing about latency: {ran:?}");
}

// Seen to fail when a client forgets its position.
#[test]
fn clients_that_are_cut_and_clients_that_are_slow_lose_nothing() {
    let ran = Floor::start().run("soak --connections 30 --rate 200 --events 200 --cuts 50 --slow 0.1");
    assert_eq!(ran.verdict("delivered"), 30 * 202, "{ran:?}");
}

#[test]
fn large_events_arrive_whole() {
    let ran = Floor::start().run("large --connections 5 --bytes 300000");
    assert_eq!((ran.verdict("delivered"), ran.verdict("damaged")), (15, 0), "{ran:?}");
}

#[test]
fn sizes_that_do_not_fit_together_are_an_error_that_names_them() {
    let floor = Floor::start();
    for (words, part) in [
        ("hold --baseline 10 --connections 5", "--baseline 10"),
        ("many --channels 3 --channels-per-connection 4", "3 channels"),
        ("rate --bytes 10", "at least 64 bytes"),
        ("rate --duration 0s", "no event would be published"),
        ("rate --connections 100000 --processes 1", "processes"),
    ] {
        let ran = fanload(words, floor.target, floor.feed);
        assert_eq!(ran.code, 2, "{words}: {ran:?}");
        assert!(ran.errors.contains(part), "{words}: {ran:?}");
    }
}
