//! Nodes that speak TLS themselves: the guarantee as in the clear, and certificates that change.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fanfare_e2e::{
    Answer, Certificate, Client, ConnectionEnd, Direction, Expect, Flow, Ledger, Node, NodeBuilder, PATIENCE, Proxy,
    Publisher, RawConnection, RedisServer, Signal, Subscribe, Transport, WebServer, check, eventually, request,
    request_over, resume_and_check,
};
use tempfile::NamedTempFile;

/// A request for a stream, as bytes.
const REQUEST: &[u8] = b"GET /events?channel=c HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";

fn node(redis: &RedisServer) -> NodeBuilder {
    Node::builder(redis).set("redis.reconcile_interval", "1s").set("delivery.heartbeat", "1s")
}

/// The certificate that a new connection is shown.
#[track_caller]
fn shown(node: &Node, believed: &[&Certificate]) -> Vec<u8> {
    // Not by a session that is resumed, in which nothing is shown.
    let mut raw = RawConnection::open_over(&Transport::tls(believed), node.address()).expect("the node accepts");
    raw.send(REQUEST).expect("a request");
    let answered = raw.read_until(PATIENCE, |bytes| bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(answered.expect("a connection over TLS"), "{:?}", String::from_utf8_lossy(&raw.received));
    raw.certificate().expect("the node has shown one").to_vec()
}

/// Waits until a new connection is shown this certificate.
#[track_caller]
fn await_shown(node: &Node, certificate: &Certificate, believed: &[&Certificate]) {
    eventually("another certificate to be shown", || (shown(node, believed) == certificate.der()).then_some(()));
}

fn reloads(node: &Node, result: &str) -> f64 {
    node.metric("fanfare_tls_reloads_total", result).unwrap_or_default()
}

// Seen to fail when bytes of a record that the socket did not take are dropped, and when bytes count as written that were not sealed.
#[test]
fn a_client_resumes_on_another_node_when_its_own_is_killed() {
    let redis = RedisServer::start();
    let (ledger, certificate) = (Ledger::default(), Certificate::new());
    for (channel, transport) in [("a", Transport::tls(&[&certificate])), ("b", Transport::tls12(&[&certificate]))] {
        let mut near = node(&redis).tls_with(&certificate).start();
        let far = node(&redis).tls_with(&certificate).start();
        let mut publisher = Publisher::new(&redis, &ledger);
        let subscribe = Subscribe::to(channel).over(&transport).receive_buffer(4096);
        let mut client = Client::open(near.address(), subscribe);
        let large = |number: usize| format!("{channel} {number} {}", "x".repeat(20_000));
        let data: Vec<String> = (0..200).map(large).collect();
        publisher.fcall_all(channel, &data, &[]);
        client.read_data(&data[20]);
        // In the middle of whatever is on its way.
        near.kill();
        let ending = client.read_ending(PATIENCE);
        assert!(matches!(ending, ConnectionEnd::Cut { .. } | ConnectionEnd::Reset(_)), "{ending:?}");
        let data: Vec<String> = (200..300).map(large).collect();
        publisher.fcall_all(channel, &data, &[]);
        resume_and_check(&mut client, far.address(), &ledger, channel, &Expect::everything());
        near.restart();
        publisher.fcall(channel, "the last");
        resume_and_check(&mut client, near.address(), &ledger, channel, &Expect::everything());
    }
}

// Seen to fail when a node closes without a `close_notify`.
#[test]
fn a_drain_ends_streams_with_the_last_chunk_and_says_so_within_tls() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let mut node = node(&redis).tls().set("drain.window", "2s").set("drain.deadline", "20s").start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let subscribe = Subscribe::to("c").over(node.transport());
    let mut clients: Vec<Client> = (0..20).map(|_| Client::open(node.address(), subscribe.clone())).collect();
    publisher.fcall_many("c", 0..50, &[]);
    clients.iter_mut().for_each(|client| client.read_data("c 49"));
    node.signal(Signal::Term);
    node.wait_unready();
    let mut late = Client::new(subscribe);
    late.connect(node.address()).expect("a draining node accepts");
    assert_eq!(late.read_ending(PATIENCE), ConnectionEnd::Clean, "a polite refusal");
    assert!(late.retry().is_some());
    for client in &mut clients {
        assert_eq!(client.read_ending(PATIENCE), ConnectionEnd::Clean);
        assert!(!client.ended_unannounced(), "a close_notify");
        check(client, &ledger, "c", &Expect::everything()).assert_kept();
    }
    assert!(node.wait_exit(PATIENCE).success());
}

// Seen to fail when the socket of who was refused on a full node is closed, and TLS says nothing.
#[test]
fn a_full_node_refuses_politely_and_says_so_within_tls() {
    let redis = RedisServer::start();
    let node = node(&redis).tls().set("admission.max_connections", "1").start();
    let subscribe = Subscribe::to("c").over(node.transport());
    let _first = Client::open(node.address(), subscribe.clone());
    let mut second = Client::new(subscribe);
    second.connect(node.address()).expect("a full node accepts, to refuse");
    assert_eq!(second.read_ending(PATIENCE), ConnectionEnd::Clean);
    assert!(second.retry().is_some() && !second.ended_unannounced());
}

// Seen to fail when files are looked at only when somebody asks, and when SIGHUP does not ask.
#[test]
fn a_certificate_that_is_replaced_is_shown_to_new_connections_and_streams_go_on() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let [first, second, third] = [(); 3].map(|()| Certificate::new());
    let all = [&first, &second, &third];
    let node = node(&redis).tls_with(&first).start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut client = Client::open(node.address(), Subscribe::to("c").over(&Transport::tls(&all)));
    assert_eq!(shown(&node, &all), first.der());
    // By SIGHUP, which does not wait for the next look.
    node.replace_certificate(&second);
    node.signal(Signal::Hup);
    await_shown(&node, &second, &all);
    assert!(reloads(&node, "replaced") >= 1.0);
    let said = || node.log().contains("read the files of certificates again: the listener shows").then_some(());
    eventually("the log to say so", said);
    // Asked for, they are read also where nothing has changed.
    let replaced = reloads(&node, "replaced");
    node.signal(Signal::Hup);
    eventually("SIGHUP to be obeyed", || (reloads(&node, "replaced") > replaced).then_some(()));
    // By a look.
    node.replace_certificate(&third);
    await_shown(&node, &third, &all);
    assert!(reloads(&node, "replaced") > replaced + 1.0);
    // A client that believes the new one alone, and one from before.
    let mut new = Client::open(node.address(), Subscribe::to("c").over(&Transport::tls(&[&third])));
    publisher.fcall_many("c", 0..100, &[]);
    for client in [&mut client, &mut new] {
        client.read_data("c 99");
        check(client, &ledger, "c", &Expect::everything()).assert_kept();
    }
}

// Seen to fail when such a look is not counted.
#[test]
fn files_that_cannot_be_used_leave_the_certificate_that_was_there_and_are_complained_of() {
    let redis = RedisServer::start();
    let [first, second] = [(); 2].map(|()| Certificate::new());
    let node = node(&redis).tls_with(&first).start();
    for (text, complaint) in [
        ("-----BEGIN CERTIFICATE-----\nnonsense\n", "certificate.pem: "),
        ("", "certificate.pem: it has no certificate"),
        ("# a chain of nobody\n", "certificate.pem: it has no certificate"),
    ] {
        let (failed, logged) = (reloads(&node, "failed"), node.log().len());
        fs::write(node.certificate_file(), text).expect("a file");
        node.signal(Signal::Hup);
        eventually("a failed reload to be counted", || (reloads(&node, "failed") > failed).then_some(()));
        assert_eq!(shown(&node, &[&first]), first.der());
        let said = |log: &str| log.contains("the listener goes on showing what it showed") && log.contains(complaint);
        eventually("the log to say so and to name the file", || said(&node.log()[logged..]).then_some(()));
        let status = || node.admin("/status").expect("an answer").text();
        eventually("the status to say so", || status().contains(complaint).then_some(()));
    }
    // A certificate whose key is another one is no better.
    node.replace_certificate(&second);
    let with_its_key = fs::read_to_string(node.certificate_file()).expect("a file");
    node.replace_certificate(&first);
    fs::write(node.certificate_file(), with_its_key).expect("a file");
    let failed = reloads(&node, "failed");
    node.signal(Signal::Hup);
    eventually("another failed reload", || (reloads(&node, "failed") > failed).then_some(()));
    assert_eq!(shown(&node, &[&first, &second]), first.der());
    node.replace_certificate(&second);
    await_shown(&node, &second, &[&first, &second]);
}

// Seen to fail when nothing is said of it.
#[test]
fn an_expired_certificate_is_shown_and_warned_of() {
    let redis = RedisServer::start();
    let certificate = Certificate::expired();
    let node = node(&redis).tls_with(&certificate).start();
    assert!(node.log().contains("the certificate has expired on"), "{}", node.log());
    let mut client = Client::new(Subscribe::to("c").over(&Transport::tls(&[&certificate])));
    client.connect(node.address()).expect("the node accepts");
    let ConnectionEnd::Violation(what) = client.read_ending(PATIENCE) else { panic!("{}", client.recent()) };
    assert!(what.to_lowercase().contains("expired"), "{what}");
    // A client whose clock is wrong, or who does not mind.
    Client::open(node.address(), Subscribe::to("c").over(&Transport::tls_in_2020(&[&certificate])));
}

// Seen to fail when a look at the files does not mind the time.
#[test]
fn a_certificate_that_expires_while_it_is_shown_is_warned_of_and_streams_go_on() {
    let (redis, ledger) = (RedisServer::start(), Ledger::default());
    let certificate = Certificate::expiring_in(Duration::from_secs(4));
    let node = node(&redis).tls_with(&certificate).start();
    let mut publisher = Publisher::new(&redis, &ledger);
    // To these clients it is good, however long this machine takes.
    let subscribe = Subscribe::to("c").over(&Transport::tls_in_2020(&[&certificate]));
    let mut open = Client::open(node.address(), subscribe.clone());
    eventually("a warning", || node.log().contains("the certificate has expired on").then_some(()));
    let mut refuses = Client::new(Subscribe::to("c").over(&Transport::tls(&[&certificate])));
    refuses.connect(node.address()).expect("the node accepts");
    let ending = refuses.read_ending(PATIENCE);
    assert!(matches!(&ending, ConnectionEnd::Violation(what) if what.to_lowercase().contains("expired")), "{ending:?}");
    node.await_metric("fanfare_tls_handshakes_total", "result=\"failed\"", 1.0);
    // Who does not mind is served.
    let mut new = Client::open(node.address(), subscribe);
    publisher.fcall("c", "after");
    for client in [&mut open, &mut new] {
        client.read_data("after");
        check(client, &ledger, "c", &Expect::everything()).assert_kept();
    }
}

// Seen to fail when such a client is closed without a word.
#[test]
fn who_speaks_http_where_tls_is_spoken_is_told_and_the_reverse_ends_clearly() {
    let redis = RedisServer::start();
    let (certificate, plain) = (Certificate::new(), node(&redis).start());
    let node = node(&redis).tls_with(&certificate).start();
    let reply = request(node.address(), "GET", "/events?channel=c", &[], b"").expect("an answer in the clear");
    assert_eq!(reply.status(), 400);
    assert!(reply.text().contains("https"), "{}", reply.text());
    let mut client = Client::new(Subscribe::to("c").over(&Transport::tls(&[&certificate])));
    client.connect(plain.address()).expect("the node accepts");
    let ending = client.read_ending(PATIENCE);
    assert!(matches!(ending, ConnectionEnd::Violation(_)), "{ending:?}");
    Client::open(plain.address(), Subscribe::to("c"));
    Client::open(node.address(), Subscribe::to("c").over(node.transport()));
}

#[test]
fn a_header_of_the_proxy_protocol_stands_before_tls() {
    let redis = RedisServer::start();
    let settings = [("server.proxy_protocol", "on"), ("server.trusted_proxies", "127.0.0.0/8")];
    let builder = settings.iter().fold(node(&redis), |builder, (key, value)| builder.set(key, value));
    let node = builder.tls().start();
    let header = b"PROXY TCP4 203.0.113.9 127.0.0.1 40000 443\r\n";
    let is_primed = |bytes: &[u8]| bytes.windows(5).any(|window| window == b"\nid: ");
    let mut raw = RawConnection::open(node.address()).expect("the node accepts");
    raw.send(header).expect("a header");
    let mut raw = raw.begin_tls(node.transport()).expect("a handshake begins");
    raw.send(REQUEST).expect("a request");
    assert!(raw.read_until(PATIENCE, is_primed).expect("a stream"), "{:?}", String::from_utf8_lossy(&raw.received));
    let mut raw = RawConnection::open_over(node.transport(), node.address()).expect("the node accepts");
    raw.send(&[header, REQUEST].concat()).expect("a request");
    // Closed unread, with a reset or without.
    assert!(raw.discard(PATIENCE) && raw.received.is_empty());
}

/// What the harness reads by TLS is what was sent, however its reads are cut.
// Seen to fail when a node drops what its socket did not take of a record.
#[test]
fn a_read_that_ends_in_the_middle_of_a_record_loses_nothing() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let node = node(&redis).tls().start();
    let line = Proxy::to(node.address());
    let mut client = Client::open(line.address(), Subscribe::to("c").over(node.transport()));
    line.set(Direction::ToClient, Flow::Slow(200_000));
    let data = format!("large {}", "x".repeat(300_000));
    Publisher::new(&redis, &ledger).fcall("c", &data);
    let mut waits = 0;
    eventually("the whole event", || {
        let seen = client.next(Duration::from_millis(2));
        waits += u32::from(seen.is_none());
        client.data().contains(&data.as_str()).then_some(())
    });
    assert!(waits > 10, "{waits} reads ended at their deadlines");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}

#[test]
fn a_whole_stream_whose_connection_ends_without_a_word_of_tls_is_told_apart() {
    let body = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    // It closes its sockets, and does not speak of it.
    let server = WebServer::https(move |_| Answer::Send(body.into()));
    let transport = Transport::tls_of(&server.authority_file());
    let mut client = Client::new(Subscribe::to("c").over(&transport));
    client.connect(server.address()).expect("the server accepts");
    assert_eq!(client.read_ending(PATIENCE), ConnectionEnd::Clean);
    assert!(client.ended_unannounced());
}

// Seen to fail when what all answers have has such a header.
#[test]
fn no_answer_names_another_protocol_for_the_same_node() {
    let (redis, certificate) = (RedisServer::start(), Certificate::new());
    let build = |places: &str| node(&redis).set("history.enabled", "true").set("admission.max_connections", places);
    let (plain, secured) = (build("100").start(), build("100").tls_with(&certificate).start());
    let full = build("1").tls_with(&certificate).start();
    let (tls, h2) = (Transport::tls(&[&certificate]), Transport::http2_over_tls(&[&certificate]));
    let _first = Client::open(full.address(), Subscribe::to("c").over(&h2));
    for (node, transport) in
        [(&plain, &Transport::Plain), (&plain, &Transport::http2()), (&secured, &tls), (&secured, &h2)]
    {
        let client = Client::open(node.address(), Subscribe::to("c").over(transport));
        assert_eq!(client.head().expect("a head").header("alt-svc"), None, "{transport:?}");
        for (method, path, status) in [
            ("GET", "/", 200),
            ("HEAD", "/events?channel=c", 200),
            ("OPTIONS", "/events", 204),
            ("GET", "/events?channel=", 400),
            ("POST", "/channels/c/events", 403),
            ("GET", "/channels/c/history", 200),
            ("GET", "/nowhere", 404),
        ] {
            assert_no_other(node, transport, (method, path, status));
        }
    }
    for transport in [&tls, &h2] {
        assert_no_other(&full, transport, ("GET", "/events?channel=c", 503));
    }
    // In the clear where TLS is spoken.
    assert_no_other(&secured, &Transport::Plain, ("GET", "/", 400));
}

#[track_caller]
fn assert_no_other(node: &Node, transport: &Transport, (method, path, status): (&str, &str, u16)) {
    let answer = request_over(transport, PATIENCE, node.address(), method, path, &[], b"").expect("an answer");
    assert_eq!(answer.status(), status, "{method} {path}: {}", answer.text());
    assert_eq!(answer.head.header("alt-svc"), None, "{method} {path} {transport:?}");
}

/// A client of TLS 1.2 that does what no library of the harness does: `openssl s_client`, told line by line. Killed on drop.
struct OpenSsl {
    child: Child,
    /// What it prints.
    output: NamedTempFile,
}

impl OpenSsl {
    fn connect(address: SocketAddr) -> Self {
        let output = NamedTempFile::new().expect("a file");
        let end = || output.reopen().expect("a second handle");
        let mut command = Command::new("openssl");
        command.args(["s_client", "-tls1_2", "-connect", &address.to_string()]);
        command.stdin(Stdio::piped()).stdout(end()).stderr(end());
        let child = command.spawn().expect("openssl is installed, as by scripts/setup.sh");
        Self { child, output }
    }

    fn tell(&mut self, bytes: &[u8]) {
        self.child.stdin.as_mut().expect("a pipe").write_all(bytes).expect("s_client runs");
    }

    #[track_caller]
    fn await_printed(&self, text: &str) {
        let printed = || String::from_utf8_lossy(&fs::read(self.output.path()).expect("a file")).into_owned();
        eventually(&format!("s_client to print {text:?}"), || printed().contains(text).then_some(()));
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        // It may have ended by itself; both calls are then harmless.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// Seen to fail when it is not answered, and when the answer is that to any message that must not come.
#[test]
fn who_asks_for_another_handshake_is_told_that_there_is_none_and_others_notice_nothing() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let node = node(&redis).tls().start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut witness = Client::open(node.address(), Subscribe::to("c").over(node.transport()));
    let mut stranger = OpenSsl::connect(node.address());
    stranger.await_printed("Secure Renegotiation IS supported");
    stranger.tell(REQUEST);
    publisher.fcall("c", "before");
    stranger.await_printed("data: before");
    // A line that begins with this letter asks for it.
    stranger.tell(b"R\n");
    stranger.await_printed("RENEGOTIATING");
    stranger.await_printed("no renegotiation");
    // To OpenSSL that is the end of the connection.
    node.await_metric("fanfare_sessions_ended_total", "cause=\"client\"", 1.0);
    publisher.fcall("c", "after");
    witness.read_data("after");
    check(&witness, &ledger, "c", &Expect::everything()).assert_kept();
    let handshakes = |result: &str| node.metric("fanfare_tls_handshakes_total", result);
    assert_eq!((handshakes("established"), handshakes("failed")), (Some(2.0), Some(0.0)));
}

// Seen to fail when it may do so for ever, and when the node does not take the next key.
#[test]
fn who_changes_keys_without_end_is_sent_away_and_others_notice_nothing() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let node = node(&redis).tls().start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let subscribe = Subscribe::to("c").over(node.transport());
    let mut witness = Client::open(node.address(), subscribe);
    let mut stranger = RawConnection::open_over(node.transport(), node.address()).expect("the node accepts");
    stranger.send(REQUEST).expect("a request");
    let has = |bytes: &[u8], text: &str| String::from_utf8_lossy(bytes).contains(text);
    assert!(stranger.read_until(PATIENCE, |bytes| has(bytes, "event: $ready")).expect("a stream"));
    // So many do no harm, and what comes then has a new key.
    for _ in 0..200 {
        stranger.update_keys().expect("the node reads");
    }
    publisher.fcall("c", "between");
    assert!(stranger.read_until(PATIENCE, |bytes| has(bytes, "data: between")).expect("a stream"));
    assert_eq!(node.metric("fanfare_sessions", ""), Some(2.0));
    // Until the node has closed the connection, or reset it.
    eventually("the node to have enough", || stranger.update_keys().is_err().then_some(()));
    node.await_metric("fanfare_sessions_ended_total", "cause=\"client\"", 1.0);
    publisher.fcall("c", "after");
    witness.read_data("after");
    check(&witness, &ledger, "c", &Expect::everything()).assert_kept();
}
