//! Whom a refusal sends to another node: by `GOAWAY`, so that the next request comes by a new connection.

use std::time::{Duration, Instant};

use fanfare_server::Reason;

use crate::ends::goaways;
use crate::raw::{self, DATA, END_STREAM, GOAWAY, PING, RESET, Raw};
use crate::support::Node;

/// The field `:status: 200` as the first of a head (RFC 7541, appendix A).
const OK: u8 = 0x88;

/// A node with room for two streams, and a connection that has both.
fn full() -> (Node, Raw) {
    let node = Node::start(|options| options.admission.max_connections = 2);
    let mut raw = Raw::open(node.address(), &[]);
    for stream in [1, 3] {
        assert_eq!(raw.status(stream, "/events?channel=a"), OK);
    }
    node.await_sessions(2);
    (node, raw)
}

/// Reads the whole answer on a stream. Nothing else has come before its end that ends a connection.
#[track_caller]
fn body(raw: &mut Raw, stream: u32) -> String {
    let mut text = Vec::new();
    loop {
        let frame = raw.frame().expect("the connection stands");
        assert_ne!(frame.kind, GOAWAY, "before the answer");
        if frame.kind == DATA && frame.stream == stream {
            text.extend(frame.payload);
            if frame.flags & END_STREAM != 0 {
                return String::from_utf8(text).unwrap();
            }
        }
    }
}

/// Waits until the connection is told to end: for the last stream that is looked at, and why.
#[track_caller]
fn goaway(raw: &mut Raw) -> (u32, u32) {
    let begun = Instant::now();
    loop {
        let frame = raw.frame().expect("the connection stands");
        if frame.kind == GOAWAY {
            return (frame.number(0), frame.number(4));
        }
        // Streams that go on say so, again and again.
        assert!(begun.elapsed() < Duration::from_secs(20), "no GOAWAY");
    }
}

// Seen to fail when a refusal leaves the connection as it is, and when GOAWAY comes before the end of the answer.
#[test]
fn a_client_for_which_a_node_has_no_room_is_sent_elsewhere_once_it_is_answered_and_its_streams_go_on() {
    let (node, mut raw) = full();
    raw.send(raw::get(5, "/events?channel=a"));
    let refusal = body(&mut raw, 5);
    assert!(refusal.starts_with("retry: "), "{refusal}");
    assert_eq!(goaway(&mut raw), (u32::MAX >> 1, 0), "what is on its way is still looked at");
    // Asks whether everything has come that was on its way.
    let ping = raw.wait_for(PING);
    raw.send(raw::get(7, "/events?channel=a"));
    assert!(body(&mut raw, 7).starts_with("retry: "));
    raw.send(raw::frame(PING, raw::ACK, 0, &ping.payload));
    assert_eq!(goaway(&mut raw), (7, 0));
    assert_eq!(goaways(&node, "no_error"), 1);
    for number in 0..3 {
        node.publish("a", &format!("after {number}"));
        for _ in 0..2 {
            let event = raw.wait_for(DATA);
            let text = String::from_utf8_lossy(&event.payload).into_owned();
            assert!([1, 3].contains(&event.stream) && text.contains(&format!("data: after {number}\n")), "{text}");
        }
    }
    // It ends with its last stream, and has had nothing more to say.
    for stream in [1, 3] {
        raw.send(raw::frame(RESET, 0, stream, &8u32.to_be_bytes()));
    }
    assert_eq!(raw.end(), None);
    node.await_sessions(0);
}

// Seen to fail where every refusal that closes a connection of HTTP/1 sends its client elsewhere.
#[test]
fn who_is_refused_for_what_it_does_itself_keeps_its_connection() {
    let node = Node::start(|options| options.admission.per_address = Some(1));
    let mut raw = Raw::open(node.address(), &[]);
    assert_eq!(raw.status(1, "/events?channel=a"), OK);
    raw.send(raw::get(3, "/events?channel=a"));
    assert!(body(&mut raw, 3).starts_with("retry: "));
    assert_eq!(node.server().admission().refused(Reason::Address), 1);
    for (stream, path) in [(5, "/nowhere"), (7, "/events?channel="), (9, "/events?channel=a&close=abort")] {
        assert_ne!(raw.status(stream, path), OK, "{path}");
    }
    // Whatever was to be said about the connection has been said before this.
    assert_eq!(raw.status(11, "/"), OK);
    assert_eq!(goaways(&node, "no_error"), 0);
}

// Seen to fail where a proxy is sent elsewhere like a client of its own.
#[test]
fn a_trusted_proxy_chooses_nodes_itself_and_keeps_its_connection() {
    let node = Node::start(|options| {
        options.admission.max_connections = 2;
        options.admission.proxies.trusted = vec!["127.0.0.1".parse().unwrap()];
    });
    let mut raw = Raw::open(node.address(), &[]);
    for stream in [1, 3] {
        assert_eq!(raw.status(stream, "/events?channel=a"), OK);
    }
    node.await_sessions(2);
    raw.send(raw::get(5, "/events?channel=a"));
    assert!(body(&mut raw, 5).starts_with("retry: "));
    assert_eq!(node.server().admission().refused(Reason::Connections), 1);
    assert_eq!(raw.status(7, "/"), OK);
    assert_eq!(goaways(&node, "no_error"), 0);
}
