//! Scenarios over TLS and HTTP/2, small, against the floor that speaks them.

#[path = "support/floor.rs"]
mod floor;
mod support;

use floor::Floor;
use support::{Ran, fanload, fanload_at};

/// Options of the floor, those of the clients, and the scheme of the URL.
const WIRES: [(&[&str], &str, &str); 3] = [
    (&["--tls"], "--insecure", "https"),
    (&["--http2"], "--http2 --streams-per-connection 7", "http"),
    (&["--tls", "--http2"], "--insecure --http2 --streams-per-connection 7", "https"),
];

/// Runs it over each of them, and as ever, to a verdict of "ok".
fn over_each(words: &str, check: impl Fn(&Ran)) {
    let floor = Floor::start();
    let ran = fanload(&format!("{words} --pid {}", floor.child.id()), floor.target, floor.feed);
    assert_eq!(ran.code, 0, "{words}: {ran:?}");
    check(&ran);
    for (server, client, scheme) in WIRES {
        let floor = Floor::with(server);
        let words = format!("{words} {client} --pid {}", floor.child.id());
        let ran = fanload_at(&words, &format!("{scheme}://{}", floor.target), floor.feed);
        assert_eq!(ran.code, 0, "{words}: {ran:?}");
        check(&ran);
    }
}

#[test]
fn every_event_reaches_every_client() {
    over_each("fanout --connections 20 --events 30 --processes 2", |ran| {
        assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&30.into(), &600.into()), "{ran:?}");
        assert_eq!(ran.json["latency"]["count"], 600, "{ran:?}");
    });
}

#[test]
fn clients_of_several_channels_get_those_and_no_others() {
    over_each("many --connections 30 --channels 30 --channels-per-connection 4 --events 90", |ran| {
        assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&90.into(), &360.into()), "{ran:?}");
    });
}

// Seen to fail when a client forgets its position.
#[test]
fn who_comes_back_gets_what_was_missed() {
    over_each("storm --connections 40 --events 25", |ran| {
        assert_eq!((&ran.json["published"], &ran.json["deliveries"]), (&25.into(), &1000.into()), "{ran:?}");
    });
}

// Seen to fail when those who shared a connection that was cut find that out as a disturbance.
#[test]
fn clients_that_are_cut_and_clients_that_are_slow_lose_nothing() {
    over_each("soak --connections 30 --rate 200 --events 200 --cuts 50 --slow 0.1", |ran| {
        assert_eq!(ran.verdict("delivered"), 30 * 202, "{ran:?}");
        for disturbance in ["reset", "unreachable", "timed_out", "refused", "ended"] {
            assert_eq!(ran.json["disturbances"][disturbance], 0, "{disturbance}: {ran:?}");
        }
    });
}

// Seen to fail when a slow client of a shared connection reads as fast as the others, and when the window of a connection is that of
// one stream.
#[test]
fn slow_clients_are_slow_and_hold_nobody_up_who_shares_their_connection() {
    over_each("slow --connections 40 --slow 0.1 --rate 200 --events 200", |ran| {
        assert_eq!(ran.json["latency"]["count"], 36 * 200, "{ran:?}");
        assert!(ran.json["deliveries"].as_u64().unwrap() < 40 * 200, "who is slow has not got everything yet: {ran:?}");
        assert_eq!(ran.verdict("delivered"), 40 * (1 + 200 + 200 + 1), "{ran:?}");
    });
}

// Seen to fail when what the window had no room for is forgotten, when what was read does not open it again, and when every read over
// TLS counts as having emptied the socket.
#[test]
fn events_larger_than_any_buffer_arrive_whole() {
    over_each("large --connections 5 --bytes 3000000", |ran| {
        assert_eq!((ran.verdict("delivered"), ran.verdict("damaged")), (15, 0), "{ran:?}");
    });
}

// Seen to fail when the HTTP/2 library keeps its own bound on small frames that wait.
#[test]
fn nearly_all_clients_may_be_slow_and_their_events_small() {
    over_each("slow --connections 20 --slow 0.9 --bytes 64 --rate 400 --events 400", |ran| {
        assert_eq!(ran.verdict("delivered"), 20 * (1 + 400 + 400 + 1), "{ran:?}");
        assert_eq!(ran.json["disturbances"]["reset"], 0, "{ran:?}");
    });
}

#[test]
fn memory_is_measured_for_each_client_however_many_share_a_connection() {
    over_each("hold --baseline 20 --connections 90", |ran| {
        assert!(ran.json["numbers"]["rss_bytes_per_connection"].as_f64().is_some(), "{ran:?}");
        assert_eq!(ran.verdict("delivered"), 90, "{ran:?}");
    });
}

/// A run that cannot be made, and what it says. It does not try for a minute first.
fn refused(server: &[&str], scheme: &str, options: &str) -> String {
    let floor = Floor::with(server);
    let words = format!("rate --connections 3 --events 5 --patience 60s {options}");
    let ran = fanload_at(words.trim_end(), &format!("{scheme}://{}", floor.target), floor.feed);
    assert_eq!(ran.code, 2, "{words}: {ran:?}");
    assert!(!ran.errors.contains("after 60 s"), "{ran:?}");
    ran.errors
}

// Seen to fail when an error that will come again is tried again.
#[test]
fn a_server_that_speaks_something_else_or_cannot_be_believed_is_an_error_at_once() {
    assert!(refused(&["--tls"], "https", "--insecure --http2").contains("no HTTP/2"));
    assert!(refused(&[], "http", "--http2").contains("no HTTP/2"));
    assert!(refused(&[], "https", "--insecure").contains("broke"));
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.pem");
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert;
    std::fs::write(&other, certificate.pem()).unwrap();
    let errors = refused(&["--tls"], "https", &format!("--ca {}", other.display()));
    assert!(errors.contains("certificate"), "{errors}");
}

// Seen to fail when the floor shows a certificate of its own instead.
#[test]
fn a_certificate_of_files_is_shown_and_believed() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let floor = Floor::with(&["--tls", "--cert", cert, "--key", key]);
    let words = format!("rate --connections 3 --events 5 --ca {cert}");
    let ran = fanload_at(&words, &format!("https://{}", floor.target), floor.feed);
    assert_eq!((ran.code, ran.verdict("delivered")), (0, 3 * 7), "{ran:?}");
}
