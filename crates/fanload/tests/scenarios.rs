//! Every scenario, small, against the floor.

#[path = "support/floor.rs"]
mod floor;
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use fanload::scenario::{Parameters, Scenario, run_scenario};
use fanload::stage::Stage;
use fanload::target::{Protocol, Publish, Resume, Subscribe, Target};
use floor::Floor;
use support::{Ran, fanload};

/// Runs it to a verdict of "ok".
fn run(floor: &Floor, words: &str) -> Ran {
    let ran = fanload(&format!("{words} --pid {}", floor.child.id()), floor.target, floor.feed);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

#[test]
fn a_closed_loop_delivers_every_event_to_every_client() {
    let ran = run(&Floor::start(), "fanout --connections 20 --events 30 --processes 2");
    assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&30.into(), &600.into()), "{ran:?}");
    let used = ran.json["server_cpu"]["user"].as_f64().unwrap() + ran.json["server_cpu"]["system"].as_f64().unwrap();
    assert!(used > 0.0, "{ran:?}");
}

#[test]
fn many_channels_are_spread_over_clients_and_workers() {
    let ran = run(&Floor::start(), "many --connections 30 --channels 30 --events 90 --processes 3");
    assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&90.into(), &90.into()), "{ran:?}");
}

#[test]
fn a_fixed_rate_publishes_what_it_says() {
    let ran = run(&Floor::start(), "rate --connections 10 --rate 500 --events 200");
    assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&200.into(), &2000.into()), "{ran:?}");
}

#[test]
fn idle_connections_are_opened_in_two_steps() {
    let ran = run(&Floor::start(), "hold --baseline 10 --connections 60");
    let number = |name: &str| ran.json["numbers"][name].as_f64().unwrap_or_else(|| panic!("no {name}: {ran:?}"));
    assert!(number("opened_per_second") > 0.0 && number("rss_bytes_per_connection").is_finite());
    // What other programs do meanwhile is in it too.
    assert!(number("kernel_buffer_bytes_per_connection").is_finite());
    if fanload::reading::socket_objects().is_some() {
        assert!(number("kernel_socket_bytes_per_connection").is_finite());
    }
    assert_eq!(ran.verdict("delivered"), 60, "{ran:?}");
}

// Seen to fail when a client forgets its position: the events of the time away are then missing.
#[test]
fn a_storm_brings_every_client_what_it_missed() {
    let ran = run(&Floor::start(), "storm --connections 40 --events 25");
    assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&25.into(), &1000.into()), "{ran:?}");
    assert!(ran.json["numbers"]["caught_up_seconds"].as_f64().unwrap() > 0.0, "{ran:?}");
    assert_eq!(ran.json["latency"]["count"], 0, "what was missed says nothing about latency: {ran:?}");
}

// Seen to fail when a client forgets its position.
#[test]
fn clients_that_are_cut_and_clients_that_are_slow_lose_nothing() {
    let ran = run(&Floor::start(), "soak --connections 30 --rate 200 --events 200 --cuts 50 --slow 0.1");
    assert_eq!(ran.verdict("delivered"), 30 * 202, "{ran:?}");
}

// Seen to fail when what they missed is excused, and when an event that all shall get is published before all are back: the run
// then waits for it in vain.
#[test]
fn clients_with_nothing_to_resume_with_lose_what_they_missed_and_nothing_else() {
    let floor = Floor::start();
    let target = Target {
        addresses: vec![floor.target],
        protocol: Protocol::default(),
        subscribe: Subscribe { resume: Resume::Nothing, ..Subscribe::fanfare(&floor.target.to_string()) },
        publish: Some(Publish::Feed { address: floor.feed }),
        admin: Vec::new(),
    };
    let mut stage = Stage::new(false).unwrap();
    stage.program = env!("CARGO_BIN_EXE_fanload").into();
    let usual = Parameters::of(Scenario::Churn);
    let parameters = Parameters { connections: 30, rate: 200.0, events: 200, cuts: 50.0, ..usual };
    let outcome = run_scenario(Scenario::Churn, &parameters, &target, &[], &stage).unwrap();
    let seen = outcome.integrity;
    assert!(seen.lost > 0, "{seen:?}");
    assert_eq!((seen.doubled, seen.out_of_order, seen.damaged, seen.silent), (0, 0, 0, 0), "{seen:?}");
    // One before, 200, one when all are back, and the last one.
    assert_eq!(seen.delivered + seen.lost, 30 * 203, "{seen:?}");
    assert!(outcome.elapsed < parameters.patience, "somebody was waited for in vain: {:?}", outcome.elapsed);
}

// Seen to fail when the first part is left out, and when slow clients stay as quick as in it.
#[test]
fn slow_clients_are_compared_with_the_same_ones_before_they_were_slow() {
    let ran = run(&Floor::start(), "slow --connections 40 --slow 0.1 --rate 200 --events 200");
    assert_eq!(ran.json["compared"]["count"], 36 * 200, "{ran:?}");
    assert_eq!(ran.json["latency"]["count"], 36 * 200, "{ran:?}");
    assert!(ran.json["deliveries"].as_u64().unwrap() < 40 * 200, "who is slow has not got everything yet: {ran:?}");
    assert_eq!(ran.verdict("delivered"), 40 * (1 + 200 + 200 + 1), "{ran:?}");
}

#[test]
fn large_events_arrive_whole() {
    let ran = run(&Floor::start(), "large --connections 5 --bytes 300000");
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
        ("rate --connections 10 --processes 1000", "most on one machine"),
        ("hold --connections 0", "at least 1"),
        ("rate --channels 20000000", "the most"),
        ("many --connections 5 --channels 10 --events 10", "without anybody who listens"),
        ("fanout --bytes 99999999999", "too large"),
        ("storm --events 0", "--events 0"),
        ("rate --events 0", "--events 0"),
        ("burst --channels 3 --events 2", "2 events are not one for each of 3"),
        ("rate --rate 10000000", "the rate must be"),
        ("rate --patience 0s", "patience"),
        ("churn --cuts 0", "churn without cuts"),
        ("slow --connections 10", "is nobody"),
    ] {
        let ran = fanload(words, floor.target, floor.feed);
        assert_eq!(ran.code, 2, "{words}: {ran:?}");
        assert!(ran.errors.contains(part), "{words}: {ran:?}");
    }
}

// Seen to fail when the address is not tried before it is needed: `rate` does not need it.
#[test]
fn an_admin_address_that_is_none_is_an_error_in_every_scenario() {
    let floor = Floor::start();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stranger = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend_from_slice(&byte);
            }
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nup 1\n");
        }
    });
    for (admin, part) in
        [(closed, "cannot be read"), (floor.target, "404"), (stranger, "none that begins with fanfare_")]
    {
        let ran = fanload(&format!("rate --connections 2 --events 2 --admin http://{admin}"), floor.target, floor.feed);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.errors.contains("--admin") && ran.errors.contains(part), "{part}: {ran:?}");
    }
}
