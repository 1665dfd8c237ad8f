//! What strangers send, on the real binary: each has a clear answer and a metric, and a stream that is open beside it notices nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, UNIX_EPOCH};

use fanfare_e2e::{
    Client, Expect, Ledger, Node, NodeBuilder, Observed, Publisher, RawConnection, RedisServer, Subscribe, Transport,
    check, eventually_within, mint, raise_descriptors, request,
};

const SOON: Duration = Duration::from_secs(5);
/// For what takes a busy machine a while.
const LONG: Duration = Duration::from_secs(60);
const STREAM: (&str, &str) = ("Accept", "text/event-stream");

/// A stream that is open while strangers send what they like.
struct Witness {
    client: Client,
    publisher: Publisher,
    ledger: Ledger,
    seen: usize,
}

impl Witness {
    fn of(redis: &RedisServer, node: &Node) -> Self {
        let ledger = Ledger::default();
        let mut publisher = Publisher::new(redis, &ledger);
        let mut client = Client::open(node.address(), Subscribe::to("witness").over(node.transport()));
        publisher.fcall("witness", "0");
        client.read_data("0");
        Self { client, publisher, ledger, seen: 0 }
    }

    /// Hears of what is published next, over the same connection, and has heard of everything before.
    #[track_caller]
    fn goes_on(&mut self) {
        self.seen += 1;
        let number = self.seen.to_string();
        self.publisher.fcall("witness", &number);
        self.client.read_data(&number);
        let has_ended = |observed: &Observed| matches!(observed, Observed::Ended(_));
        assert!(!self.client.seen().iter().any(has_ended), "{}", self.client.recent());
        check(&self.client, &self.ledger, "witness", &Expect::everything()).assert_kept();
    }
}

fn start(change: impl FnOnce(NodeBuilder) -> NodeBuilder) -> (RedisServer, Node, Witness) {
    let redis = RedisServer::start();
    let node = change(Node::builder(&redis)).start();
    let witness = Witness::of(&redis, &node);
    (redis, node, witness)
}

/// What a node answers to these bytes before it closes the connection.
fn answer(node: &Node, bytes: &[u8]) -> String {
    let mut raw = RawConnection::open(node.address()).expect("the node accepts");
    raw.send(bytes).expect("it is sent");
    String::from_utf8_lossy(&raw.read_to_end(SOON).expect("an answer")).into_owned()
}

// Fails when channels are opened before they are counted.
#[test]
fn a_thousand_channels_in_one_query_are_refused_and_open_none() {
    let (_redis, node, mut witness) =
        start(|node| node.set("limits.url_bytes", "32KiB").set("limits.header_bytes", "64KiB"));
    let thousand: Vec<_> = (0..1_000).map(|number| format!("channel=c{number}")).collect();
    let reply = request(node.address(), "GET", &format!("/events?{}", thousand.join("&")), &[STREAM], b"");
    let reply = reply.expect("an answer");
    assert!(reply.status() == 400 && reply.text().contains("too-many-channels"), "{}", reply.text());
    let long = format!("/events?{}&x={}", thousand.join("&"), "y".repeat(32 << 10));
    let reply = request(node.address(), "GET", &long, &[STREAM], b"").expect("an answer");
    assert!(reply.status() == 414 && reply.text().contains("url-too-long"), "{}", reply.text());
    witness.goes_on();
    node.await_metric("fanfare_channels", "", 1.0);
    assert_eq!(node.metric("fanfare_request_errors_total", "kind=\"client\""), Some(2.0));
}

#[test]
fn a_token_that_is_too_long_is_refused_unread_wherever_it_stands() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (secret, file) = (directory.path().join("secret"), directory.path().join("fanfare.toml"));
    std::fs::write(&secret, "a secret of at least thirty-two bytes").expect("a file");
    let issuer = format!("[[auth.issuers]]\nissuer = \"a\"\naudience = [\"live\"]\nsecret_file = {secret:?}\n");
    std::fs::write(&file, issuer).expect("a file");
    let (_redis, node, mut witness) = start(|node| {
        let node = node.argument("--config").argument(file.to_str().expect("a path")).set("auth.enabled", "true");
        node.set("auth.public", "witness").set("auth.cookie", "token").set("auth.query_parameter", "token")
    });
    let long = "x".repeat(8_193);
    let (bearer, cookie) = (format!("Bearer {long}"), format!("token={long}"));
    for headers in [[STREAM, ("Authorization", &bearer)], [STREAM, ("Cookie", &cookie)]] {
        let reply = request(node.address(), "GET", "/events?channel=c", &headers, b"").expect("an answer");
        assert!(reply.status() == 401 && reply.text().contains("it is too long"), "{}", reply.text());
    }
    assert_eq!(node.metric("fanfare_denied_total", "reason=\"invalid\""), Some(2.0));
    // What is longer than a head may be is no request.
    let huge =
        format!("GET /events?channel=c HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", "x".repeat(100_000));
    assert!(answer(&node, huge.as_bytes()).starts_with("HTTP/1.1 431 "));
    let in_query = format!("/events?channel=c&token={}", "x".repeat(9_000));
    assert_eq!(request(node.address(), "GET", &in_query, &[STREAM], b"").expect("an answer").status(), 414);
    witness.goes_on();
}

// Each is refused by a rule of its own: what it is signed with, by whom, for whom, and from when on it is good.
#[test]
fn a_token_of_somebody_else_or_without_a_signature_opens_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
    let (secret, other, file) = (path("secret"), path("other"), path("fanfare.toml"));
    std::fs::write(&secret, "a secret of at least thirty-two bytes").expect("a file");
    std::fs::write(&other, "another one, of thirty-two and more").expect("a file");
    let issuer = format!("[[auth.issuers]]\nissuer = \"a\"\naudience = [\"live\"]\nsecret_file = {secret:?}\n");
    std::fs::write(&file, format!("{issuer}subscribe = [\"c\"]\n")).expect("a file");
    let (_redis, node, mut witness) = start(|node| {
        let node = node.argument("--config").argument(&file).set("auth.enabled", "true").set("auth.public", "witness");
        node.set("auth.leeway", "0s").set("auth.expired_grace", "2s")
    });
    let token = |secret: &str, issuer: &str, audience: &str, more: &[&str]| {
        mint(&[&["--secret-file", secret, "--issuer", issuer, "--audience", audience], more].concat())
    };
    let status = |token: &str| {
        let headers = [STREAM, ("Authorization", &format!("Bearer {token}"))];
        request(node.address(), "HEAD", "/events?channel=c", &headers, b"").expect("an answer").status()
    };
    let good = token(&secret, "a", "live", &[]);
    assert_eq!(status(&good), 200);
    let claims = good.split('.').nth(1).expect("three parts");
    let tomorrow = format!("nbf={}", UNIX_EPOCH.elapsed().expect("a clock").as_secs() + 86_400);
    let bad = [
        token(&other, "a", "live", &[]),
        token(&secret, "somebody", "live", &[]),
        token(&secret, "a", "others", &[]),
        token(&secret, "a", "live", &["--with", &tomorrow]),
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{claims}."),
        // {"alg":"HS256","crit":["exp"]}
        format!("eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiZXhwIl19.{claims}.{}", good.rsplit('.').next().expect("three parts")),
        format!("{}.{claims}.", good.split('.').next().expect("three parts")),
        "a.b.c".to_owned(),
    ];
    for token in &bad {
        assert_eq!(status(token), 401, "{token}");
    }
    let denied = |reason: &str| node.metric("fanfare_denied_total", &format!("reason=\"{reason}\""));
    let refused = f64::from(u32::try_from(bad.len()).expect("a few"));
    assert_eq!((denied("invalid"), denied("expired")), (Some(refused), Some(0.0)));
    // A token that is over is told apart for as long as `auth.expired_grace`, and is worth no more than the others then. Seen to fail when
    // that has no end.
    let over = token(&secret, "a", "live", &["--lifetime", "1s"]);
    for (reason, answer) in [("expired", 200), ("invalid", 401)] {
        let before = denied(reason);
        let last = eventually_within(LONG, reason, || {
            let status = status(&over);
            (denied(reason) > before).then_some(status)
        });
        assert_eq!(last, answer, "{reason}");
    }
    assert_eq!(status(&over), 401);
    witness.goes_on();
}

#[test]
fn a_head_that_a_proxy_may_read_in_another_way_ends_its_connection() {
    let (_redis, node, mut witness) = start(|node| node);
    // A line feed alone ends a line (RFC 9112, section 2.2, allows it): nothing hides behind it as part of a value.
    let bad = [
        "Content-Length: 4\r\nContent-Length: 5",
        "A: b\rTransfer-Encoding: chunked",
        "A: b\nTransfer-Encoding: gzip",
        "Transfer-Encoding: gzip",
    ];
    for head in bad {
        let post = format!("POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\nabcdGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
        let answers = answer(&node, post.as_bytes());
        assert!(answers.starts_with("HTTP/1.1 400 ") && answers.matches("HTTP/1.1 ").count() == 1, "{head}: {answers}");
    }
    assert_eq!(node.metric("fanfare_request_errors_total", "kind=\"malformed\""), Some(4.0));
    let both = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
                GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let answers = answer(&node, both.as_bytes());
    assert!(answers.starts_with("HTTP/1.1 405 ") && answers.matches("HTTP/1.1 ").count() == 1, "{answers}");
    assert_eq!(node.metric("fanfare_request_errors_total", "kind=\"client\""), Some(1.0));
    witness.goes_on();
}

// Fails when a stranger's header is believed: it would be somebody else for each of its streams.
#[test]
fn a_stranger_is_nobody_else_whatever_it_says_in_a_header() {
    let (_redis, node, mut witness) =
        start(|node| node.set("server.trusted_proxies", "127.0.0.9").set("admission.per_address", "2"));
    let claims = |number: usize| format!("X-Forwarded-For: 192.0.2.{number}\r\nForwarded: for=192.0.2.{number}\r\n");
    let get = |number: usize| format!("GET /events?channel=c HTTP/1.1\r\nHost: x\r\n{}\r\n", claims(number));
    let stranger = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let mut open = Vec::new();
    for (number, status) in ["200", "200", "429"].into_iter().enumerate() {
        let mut raw =
            RawConnection::open_from(&Transport::Plain, stranger, node.address(), SOON).expect("the node accepts");
        raw.send(get(number).as_bytes()).expect("it is sent");
        assert!(raw.read_until(SOON, |read| read.windows(4).any(|four| four == b"\r\n\r\n")).expect("an answer"));
        assert_eq!(String::from_utf8_lossy(&raw.received).split(' ').nth(1), Some(status), "{number}");
        open.push(raw);
    }
    assert_eq!(node.metric("fanfare_refusals_total", "reason=\"address\""), Some(1.0));
    witness.goes_on();
}

#[test]
fn a_proxy_header_of_a_stranger_closes_its_connection_unread() {
    // The clients here are no trusted proxy: none of them is served where there is to be one.
    let behind_a_proxy = "[[server.listen]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = \"on\"\n";
    let (_redis, node, mut witness) =
        start(|node| node.listener("", behind_a_proxy).set("server.trusted_proxies", "192.0.2.1"));
    let mut raw = RawConnection::open(node.listeners()[1]).expect("the node accepts");
    // It may be closed before it is sent.
    drop(raw.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /events?channel=c HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(raw.read_to_end(SOON).unwrap_or_default().is_empty(), "somebody who is no proxy was answered");
    node.await_metric("fanfare_refusals_total", "reason=\"untrusted\"", 1.0);
    assert!(node.is_ready() && node.metric("fanfare_channels", "") == Some(1.0));
    witness.goes_on();
}

// Seen to fail when its end is not counted.
#[test]
fn a_handshake_that_stops_half_way_is_over_at_its_deadline() {
    let (_redis, node, mut witness) = start(|node| node.tls().set("limits.head_timeout", "2s"));
    let hello = node.transport().client_hello();
    let mut half_open: Vec<RawConnection> = [&hello[..1], &hello[..hello.len() / 2], &hello]
        .into_iter()
        .map(|part| {
            let mut raw = RawConnection::open(node.address()).expect("the node accepts");
            raw.send(part).expect("it is sent");
            raw
        })
        .collect();
    assert_eq!(node.metric("fanfare_tls_handshakes_total", "result=\"late\""), Some(0.0));
    assert!(half_open.iter_mut().all(|raw| raw.discard(LONG)), "one of them goes on");
    node.await_metric("fanfare_tls_handshakes_total", "result=\"late\"", 3.0);
    assert_eq!(node.metric("fanfare_tls_handshakes_total", "result=\"established\""), Some(1.0));
    witness.goes_on();
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short one").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a request for a stream: `GET`, `http` and two names by their numbers, the rest in letters (RFC 7541).
const HEAD: &[u8] = b"\x82\x86\x04\x11/events?channel=c\x01\x01x";
/// SETTINGS_MAX_CONCURRENT_STREAMS: 100.
const SETTINGS: &[u8] = &[0, 3, 0, 0, 0, 100];

/// The frame that it is counted by, if there is one, and the bytes of each turn.
type Flood = (&'static str, fn(u32) -> Vec<u8>);

/// Fifty streams that are opened and reset (CVE-2023-44487).
fn resets(turn: u32) -> Vec<u8> {
    let pair = |stream| [frame(1, 5, stream, HEAD), frame(3, 0, stream, &8_u32.to_be_bytes())].concat();
    (0..50).flat_map(|number| pair(100 * turn + 2 * number + 1)).collect()
}

/// A head that has no end: its first part, and then fields of 16,000 bytes, or none (CVE-2024-27316).
fn endless_head(turn: u32, part: &[u8]) -> Vec<u8> {
    if turn == 0 { frame(1, 1, 1, HEAD) } else { frame(9, 0, 1, part) }
}

// Seen to fail when frames without a request have no bound.
#[test]
fn floods_of_http2_end_their_connections_and_nothing_else() {
    let (_redis, node, mut witness) = start(|node| node);
    let total = |name: &str, labels: &str| node.metric(name, labels).unwrap_or_default();
    let floods: [Flood; 6] = [
        ("", resets),
        ("ping", |_| frame(6, 0, 0, &[7; 8]).repeat(100)),
        ("settings", |_| frame(4, 0, 0, SETTINGS).repeat(100)),
        ("other", |_| frame(8, 0, 0, &[0, 0, 0, 1]).repeat(100)),
        ("", |turn| endless_head(turn, &[])),
        ("", |turn| endless_head(turn, &[b"\0\x07x-large\x7f\x81\x7c", &[b'x'; 16_000][..]].concat())),
    ];
    for (number, (kind, bytes)) in floods.into_iter().enumerate() {
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut raw =
            RawConnection::open_from(&Transport::Plain, from, node.address(), LONG).expect("the node accepts");
        raw.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(4, 0, 0, &[])[..]].concat()).expect("it is sent");
        let counted = total("fanfare_http2_floods_total", kind);
        // As much as the node takes, and no more than a megabyte of a head.
        let _ = (0..if number == 5 { 66 } else { 2_000 }).try_for_each(|turn| raw.send(&bytes(turn)));
        assert!(raw.discard(LONG), "flood {number} goes on");
        node.await_metric("fanfare_http2_goaways_total", "code=\"enhance_your_calm\"", (number + 1) as f64);
        if !kind.is_empty() {
            assert_eq!(total("fanfare_http2_floods_total", kind), counted + 1.0, "{kind}");
        }
        witness.goes_on();
    }
    node.await_metric("fanfare_sessions", "", 1.0);
}

// Seen to fail where a handshake keeps 32 KiB of what it was read into.
#[test]
fn ten_thousand_handshakes_that_stop_half_way_cost_little_and_hold_up_nobody() {
    const HANDSHAKES: usize = 10_000;
    // Each address may have 4,096 sockets that are silent.
    const ADDRESSES: usize = 4;
    let descriptors = raise_descriptors();
    assert!(descriptors >= 11_000, "this process may open {descriptors} files (ulimit -Hn), and 11,000 are needed");
    let (_redis, node, mut witness) = start(|node| node.tls().set("limits.head_timeout", "5m"));
    let hello = node.transport().client_hello();
    let before = node.resident_bytes();
    let mut half_open = Vec::with_capacity(HANDSHAKES);
    for number in 0..HANDSHAKES {
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 8, 1 + (number % ADDRESSES) as u8));
        let mut raw =
            RawConnection::open_from(&Transport::Plain, from, node.address(), LONG).expect("the node accepts");
        // Each second one within its first message, the others when the node has answered it; in turns for each address.
        let is_whole = (number / ADDRESSES).is_multiple_of(2);
        raw.send(if is_whole { &hello } else { &hello[..hello.len() / 2] }).expect("it is sent");
        half_open.push((raw, is_whole));
        if number % 1_000 == 0 {
            witness.goes_on();
        }
    }
    // Where a node may open few files, silent sockets have half of its places: the oldest of them make room.
    let silent = || node.metric("fanfare_silent_connections", "");
    let closed = || node.metric("fanfare_refusals_total", "reason=\"silent\"");
    let share = node.metric("fanfare_connections_limit", "").expect("a gauge") / 2.0;
    let most = HANDSHAKES as f64;
    eventually_within(LONG, "all of them to be looked at", || (silent()? + closed()? == most).then_some(()));
    assert!(silent() >= Some(0.9 * most.min(share)), "{:?} held, with room for {share}", silent());
    let deadline = Instant::now() + LONG;
    let is_answered = |(raw, is_whole): &mut (RawConnection, bool)| {
        let left = deadline.saturating_duration_since(Instant::now());
        *is_whole && raw.read_until(left, |answer| !answer.is_empty()).unwrap_or_default()
    };
    let answered = half_open.iter_mut().filter_map(|one| is_answered(one).then_some(())).count();
    assert!(answered as f64 + closed().unwrap_or_default() >= most / 2.0, "{answered} were answered");
    witness.goes_on();
    Client::open(node.address(), Subscribe::to("newcomer").over(node.transport()));
    let each = node.resident_bytes().saturating_sub(before) as f64 / silent().expect("a gauge");
    println!("{each:.0} bytes of the node for each");
    assert!(each <= 16_384.0, "{each:.0} bytes of the node for each");
    drop(half_open);
    eventually_within(LONG, "their places to be free", || (silent()? == 0.0).then_some(()));
    let failed = node.metric("fanfare_tls_handshakes_total", "result=\"failed\"");
    assert_eq!(failed.zip(closed()).map(|(failed, closed)| failed + closed), Some(most), "each is counted");
    witness.goes_on();
}
