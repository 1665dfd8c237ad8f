//! Bytes at the socket of the real binary: heads, frames, and requests that no browser would send.

use std::time::Duration;

use fanfare_e2e::{
    ChunkDecoder, Client, ConnectionEnd, Head, Ledger, Node, Parsed, Parser, Publisher, RawConnection, RedisServer,
    Response, Subscribe, eventually, eventually_within, request,
};

const SOON: Duration = Duration::from_secs(10);

fn scene() -> (RedisServer, Node, Publisher) {
    let redis = RedisServer::start();
    let node = Node::start(&redis);
    let publisher = Publisher::new(&redis, &Ledger::default());
    (redis, node, publisher)
}

fn raw(node: &Node, request: &str) -> RawConnection {
    let mut connection = RawConnection::open(node.address()).expect("the node accepts");
    connection.send(request.as_bytes()).expect("the node reads");
    connection
}

fn contains(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

/// The head and the decoded body so far of a chunked answer.
fn decode(bytes: &[u8]) -> (Head, String) {
    let (head, start) = Head::parse(bytes).expect("a head");
    let mut body = Vec::new();
    ChunkDecoder::default().feed(&bytes[start..], &mut body).expect("well-formed chunks");
    (head, String::from_utf8(body).expect("UTF-8"))
}

const SUBSCRIBE: &str = "GET /events?channel=c HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";

// Seen to fail when `retry` is a block of its own.
#[test]
fn the_head_and_the_frames_of_a_stream_are_exactly_these() {
    let (_redis, node, mut publisher) = scene();
    let first = publisher.fcall("c", "before");
    let mut connection = raw(&node, SUBSCRIBE);
    let primed = format!("id: {first}\n\n");
    assert!(connection.read_until(SOON, |bytes| contains(bytes, &primed)).expect("a stream"));
    let second = publisher.fcall_with("c", "one\r\ntwo\rthree\nfour\n", &["EVENT", "tick"]);
    let frame = format!("event: tick\ndata: one\ndata: two\ndata: three\ndata: four\ndata:\nid: {second}\n\n");
    let chunk = format!("{:x}\r\n{frame}\r\n", frame.len());
    let found = connection.read_until(SOON, |bytes| contains(&bytes.to_ascii_lowercase(), &chunk));
    assert!(found.expect("a stream"), "no {chunk:?} in {:?}", String::from_utf8_lossy(&connection.received));
    let (head, body) = decode(&connection.received);
    assert_eq!((head.version.as_str(), head.status), ("HTTP/1.1", 200));
    for (name, value) in [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    let (opening, rest) = body.split_once(&primed).expect("a priming id");
    let ready = format!("event: $ready\ndata: {{\"position\":\"{first}\",\"channels\":[\"c\"]}}\nid: {first}\n\n");
    let retry = opening.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix('\n'));
    let jittered = retry.and_then(|retry| retry.parse::<u64>().ok());
    assert!(jittered.is_some_and(|ms| ms >= 100), "the opening is one block, retry and id: {opening:?}");
    assert_eq!(rest, format!("{ready}{frame}"));
}

// Seen to fail when `retry` is a block of its own.
#[test]
fn a_stream_that_is_cut_anywhere_never_takes_the_place_away() {
    let (_redis, node, mut publisher) = scene();
    publisher.fcall_many("c", 0..3, &[]);
    let place = publisher.fcall("c", "c 3");
    publisher.fcall("c", "c 4");
    let resume = SUBSCRIBE.replace("\r\n\r\n", &format!("\r\nLast-Event-ID: {place}\r\n\r\n"));
    for text in [SUBSCRIBE.to_owned(), resume, SUBSCRIBE.replace("\r\n\r\n", "\r\nLast-Event-ID: junk\r\n\r\n")] {
        let mut connection = raw(&node, &text);
        assert!(connection.read_until(SOON, |bytes| contains(bytes, "\nid: ")).expect("a stream"));
        publisher.fcall("c", "end");
        assert!(
            connection
                .read_until(SOON, |bytes| contains(bytes, "data: end\nid: ") && bytes.ends_with(b"\n\n\r\n"))
                .expect("a stream")
        );
        let (_, body) = decode(&connection.received);
        let mut places = Vec::new();
        Parser::default().feed(body.as_bytes(), &mut places);
        let empty = places.iter().any(|item| match item {
            Parsed::Place(id) => id.is_empty(),
            Parsed::Event(event) => event.last_event_id.is_empty(),
            _ => false,
        });
        assert!(!empty, "a blank line before the first id erases the place of a literal client: {body:?}");
    }
}

// Seen to fail when every version gets chunks.
#[test]
fn http_1_0_gets_a_stream_without_chunks() {
    let (_redis, node, mut publisher) = scene();
    let mut connection = raw(&node, "GET /events?channel=c HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n");
    assert!(connection.read_until(SOON, |bytes| contains(bytes, "\nid: ")).expect("a stream"));
    let id = publisher.fcall("c", "old");
    let frame = format!("\n\ndata: old\nid: {id}\n\n");
    assert!(connection.read_until(SOON, |bytes| contains(bytes, &frame)).expect("a stream"));
    let (head, _) = Head::parse(&connection.received).expect("a head");
    assert_eq!((head.status, head.header("transfer-encoding")), (200, None));
}

// Seen to fail when the problem for an unknown path has status 200.
#[test]
fn a_request_before_and_after_a_subscription_on_one_connection_break_nothing() {
    let (_redis, node, mut publisher) = scene();
    let text = format!("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n{SUBSCRIBE}GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut connection = raw(&node, &text);
    assert!(connection.read_until(SOON, |bytes| contains(bytes, "\nid: ")).expect("a stream"));
    let id = publisher.fcall("c", "after all");
    // The request behind a stream without end is ignored.
    let found =
        connection.read_until(SOON, |bytes| contains(bytes, "data: after all\nid: ") && bytes.ends_with(b"\n\n\r\n"));
    assert!(found.expect("a stream"), "{:?}", String::from_utf8_lossy(&connection.received));
    let (first, start) = Head::parse(&connection.received).expect("a head");
    assert_eq!(first.status, 404);
    let length: usize = first.header("content-length").expect("a length").parse().expect("a number");
    let (head, body) = decode(&connection.received[start + length..]);
    assert_eq!(head.status, 200);
    assert!(body.ends_with(&format!("data: after all\nid: {id}\n\n")), "{body:?}");
}

#[test]
fn a_subscription_with_a_body_is_refused() {
    let (_redis, node, _) = scene();
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let mut connection = raw(&node, &SUBSCRIBE.replace("\r\n\r\n", &format!("\r\n{body}")));
        let answer = connection.read_until(SOON, |bytes| contains(bytes, "body-not-allowed"));
        assert!(answer.expect("an answer"), "{:?}", String::from_utf8_lossy(&connection.received));
        let (head, _) = Head::parse(&connection.received).expect("a head");
        assert_eq!((head.status, head.header("content-type")), (400, Some("application/problem+json")));
    }
}

// Seen to fail when heads of a megabyte are accepted.
#[test]
fn a_head_of_a_hundred_kilobytes_is_refused_and_harms_nobody() {
    let (_redis, node, _) = scene();
    let mut connection = RawConnection::open(node.address()).expect("the node accepts");
    let text = SUBSCRIBE.replace("\r\n\r\n", &format!("\r\nX-Big: {}\r\n\r\n", "x".repeat(100 * 1024)));
    connection.send(text.as_bytes()).expect("the node reads on after its answer");
    let answer = connection.read_to_end(SOON).expect("an answer that no reset destroys");
    let (head, _) = Head::parse(&answer).expect("a head");
    assert_eq!(head.status, 431, "{head:?}");
    Client::open(node.address(), Subscribe::to("c"));
}

#[test]
fn partial_requests_held_open_keep_nobody_out() {
    let (_redis, node, mut publisher) = scene();
    let _held: Vec<RawConnection> = (0..100).map(|_| raw(&node, "GET /events?channel=c HTTP/1.1\r\nHost:")).collect();
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    publisher.fcall("c", "through");
    client.read_data("through");
}

// Seen to fail when the problem for an unknown path has status 200.
#[test]
fn other_methods_and_unknown_paths_are_answered_with_problems() {
    let (_redis, node, _) = scene();
    let ask = |method: &str, path: &str| request(node.address(), method, path, &[], b"").expect("an answer");
    let problem = |reply: &Response, status: u16| {
        assert_eq!(reply.status(), status, "{}", reply.text());
        assert_eq!(reply.head.header("content-type"), Some("application/problem+json"));
        assert!(reply.json()["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{}", reply.text());
    };
    let post = ask("POST", "/events?channel=c");
    problem(&post, 405);
    assert!(post.head.header("allow").is_some_and(|allow| allow.contains("GET")), "{:?}", post.head);
    problem(&ask("GET", "/nowhere"), 404);
    problem(&ask("GET", "/events"), 400);
    problem(&ask("GET", "/events?channel="), 400);
    problem(&ask("GET", "/events?channel=%24x"), 400);
    problem(&ask("GET", "/events?channel=a%0Ab"), 400);
    problem(&ask("GET", "/events?channel=%FF"), 400);
    problem(&ask("GET", "/events?channel=c&last=many"), 400);
    let many: Vec<String> = (0..65).map(|number| format!("channel=c{number}")).collect();
    problem(&ask("GET", &format!("/events?{}", many.join("&"))), 400);
    let head = ask("HEAD", "/events?channel=c");
    assert!(head.body.is_empty(), "an answer to HEAD has no body");
    assert_eq!((head.status(), head.head.header("content-type")), (200, Some("text/event-stream; charset=utf-8")));
    assert_eq!(node.metric("fanfare_sessions_opened_total", ""), Some(0.0));
}

// Seen to fail when the end of what a client sends is ignored.
#[test]
fn a_client_that_closes_one_half_or_vanishes_is_noticed_at_once() {
    let (_redis, node, _) = scene();
    let sessions = || node.metric("fanfare_sessions", "").or_else(|| node.metric("fanfare_connections", ""));
    let mut connections: Vec<RawConnection> = (0..10).map(|_| raw(&node, SUBSCRIBE)).collect();
    let mut vanishing: Vec<Client> = (0..10).map(|_| Client::open(node.address(), Subscribe::to("c"))).collect();
    eventually("twenty sessions", || (sessions()? >= 20.0).then_some(()));
    for connection in &mut connections {
        connection.half_close().expect("a half-close");
    }
    vanishing.iter_mut().for_each(Client::abort);
    // Long before a heartbeat could find out.
    eventually_within(SOON, "no session to be left", || (sessions()? == 0.0).then_some(()));
    drop(connections);
}

// Seen to fail when the preflight allows no headers.
#[test]
fn a_preflight_is_answered_and_only_configured_origins_may_read() {
    let redis = RedisServer::start();
    let node = Node::builder(&redis).set("server.cors_origins", "https://app.example,https://b.example").start();
    let preflight = |origin: &str| {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "last-event-id"),
        ];
        request(node.address(), "OPTIONS", "/events?channel=c", &headers, b"").expect("an answer")
    };
    let good = preflight("https://app.example");
    assert!([200, 204].contains(&good.status()), "{}", good.status());
    assert_eq!(good.head.header("access-control-allow-origin"), Some("https://app.example"));
    let allowed = good.head.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
    assert!(allowed.contains("last-event-id"), "{allowed:?}");
    assert_eq!(preflight("https://evil.example").head.header("access-control-allow-origin"), None);
    for (origin, expected) in [("https://b.example", Some("https://b.example")), ("https://evil.example", None)] {
        let mut client = Client::new(Subscribe::to("c").header("Origin", origin));
        client.connect(node.address()).expect("the node accepts");
        client.next(SOON);
        let head = client.head().expect("a head");
        assert_eq!(head.header("access-control-allow-origin"), expected);
        assert!(head.header("vary").unwrap_or_default().to_ascii_lowercase().contains("origin"));
    }
}

// Seen to fail when the refusal has a blank line; connections are not limited.
#[test]
fn a_refusal_is_polite_to_an_event_source_and_plain_to_others() {
    let redis = RedisServer::start();
    let limited =
        |refusal| Node::builder(&redis).set("admission.max_connections", "1").set("admission.refusal", refusal).start();
    let node = limited("polite");
    let _first = Client::open(node.address(), Subscribe::to("c"));
    let mut second = Client::remembering(Subscribe::to("c"), "5-5");
    let mut waits = Vec::new();
    for _ in 0..6 {
        second.connect(node.address()).expect("the node accepts");
        assert_eq!(second.read_ending(SOON), ConnectionEnd::Clean);
        assert_eq!(second.last_event_id(), "5-5", "a refusal leaves the client its place");
        waits.push(second.retry().expect("a refusal says when to come back"));
    }
    assert!(waits.iter().all(|wait| *wait >= Duration::from_secs(5)), "{waits:?}");
    waits.dedup();
    assert!(waits.len() > 1, "each wait is another: {waits:?}");
    let plain = node.get("/events?channel=c");
    assert!([429, 503].contains(&plain.status()), "{}", plain.status());
    let node = limited("status");
    let _first = Client::open(node.address(), Subscribe::to("c"));
    let accept = [("Accept", "text/event-stream")];
    let reply = request(node.address(), "GET", "/events?channel=c", &accept, b"").expect("an answer");
    assert!([429, 503].contains(&reply.status()), "{}", reply.status());
    assert!(reply.head.header("retry-after").is_some(), "{:?}", reply.head);
}
