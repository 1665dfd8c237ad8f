//! Certificates of clients on the real binary: who comes in by one, what it gives, and how that ends.

use std::time::Duration;

use fanfare_e2e::{
    Authority, Client, ConnectionEnd, Expect, Head, Issued, Issuer, Ledger, Node, NodeBuilder, Observed, PATIENCE,
    Publisher, RawConnection, RedisServer, Response, Subscribe, Transport, check, eventually, request_over,
    run_fanfare,
};

const STREAM: (&str, &str) = ("Accept", "text/event-stream");
const BILLING: &str = "spiffe://example/billing";
/// From an hour ago until tomorrow.
const USUAL: (i64, i64) = (-3_600, 86_400);
/// What a subject may do, by its certificate.
const GRANTS: &str = "[auth]\nenabled = true\nleeway = \"0s\"\n[auth.client_certificates]\nsubject = \"san_uri\"\n\
    subscribe = [\"inbox|{sub}\", \"orders:*\"]\npublish = [\"orders:*\"]\nhistory = [\"orders:*\"]\n";

struct Scene {
    redis: RedisServer,
    authority: Authority,
    issuer: Issuer,
}

fn scene() -> Scene {
    let (authority, issuer) = (Authority::new("clients"), Issuer::new());
    authority.write(issuer.path("clients.pem").as_ref());
    Scene { redis: RedisServer::start(), authority, issuer }
}

impl Scene {
    /// A node whose clients `require` or `request` a certificate.
    fn builder(&self, need: &str, rest: &str) -> NodeBuilder {
        let keys = format!("client_ca = {:?}\nclient_certificates = {need:?}", self.issuer.path("clients.pem"));
        let node = Node::builder(&self.redis).listener(&keys, &format!("{GRANTS}{rest}"));
        let node = node.set("history.enabled", "true").set("publish.tokens", "true").set("log.level", "debug");
        node.set("delivery.heartbeat", "1s").set("delivery.retry_ms", "100")
    }

    /// The same behind a proxy that introduces its clients by PROXY headers, and a second listener whose certificates count in any case:
    /// without one the node would not start.
    fn proxied(&self, keys: &str) -> NodeBuilder {
        let authorities = format!("client_ca = {:?}", self.issuer.path("clients.pem"));
        let socket = format!("unix:{}", self.issuer.path("socket"));
        let other = format!(
            "[[server.listen]]\naddress = {socket:?}\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n{authorities}\n"
        );
        let node = Node::builder(&self.redis)
            .listener(&format!("{authorities}\nproxy_protocol = \"on\"\n{keys}"), &format!("{GRANTS}{other}"));
        node.set("server.trusted_proxies", "127.0.0.1")
            .set("log.level", "debug")
            .set("history.enabled", "true")
            .set("publish.tokens", "true")
    }

    /// The same, and tokens are believed.
    fn with_tokens(&self) -> NodeBuilder {
        self.builder("request", &self.issuer.table(&self.issuer.secret_file()))
    }

    /// Waits until a certificate that is issued now began later than what was revoked before.
    fn next_second(&self) {
        let time = || self.redis.connection().command(["TIME"]).array()[0].text();
        let now = time();
        eventually("the next second", || (time() != now).then_some(()));
    }
}

fn shown(node: &Node, client: &Issued) -> Transport {
    Transport::tls_as(client, &[node.certificate()])
}

fn ask(node: &Node, transport: &Transport, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let body: &[u8] = if method == "POST" { b"hello" } else { b"" };
    request_over(transport, PATIENCE, node.address(), method, path, headers, body).expect("an answer")
}

fn status(node: &Node, transport: &Transport, path: &str, headers: &[(&str, &str)]) -> u16 {
    ask(node, transport, "HEAD", path, &[&[STREAM], headers].concat()).status()
}

fn is_told(what: &'static str) -> impl Fn(&Observed) -> bool {
    move |observed| matches!(observed, Observed::Control(event) if event.event == what)
}

/// How the handshake of such a client ends.
fn refusal(node: &Node, transport: &Transport) -> String {
    let mut client = Client::new(Subscribe::to("orders:7").over(transport));
    client.connect(node.address()).expect("the node accepts");
    match client.read_ending(PATIENCE) {
        ConnectionEnd::Violation(what) => what,
        other => panic!("{other:?}"),
    }
}

// Seen to fail when certificates give nothing, and when patterns are not looked at.
#[test]
fn a_certificate_gives_its_subject_what_the_patterns_say_and_none_gives_nothing() {
    let scene = scene();
    let node = scene.builder("request", "").start();
    let billing = shown(&node, &scene.authority.issue_to(BILLING, USUAL));
    let mut client = Client::open(node.address(), Subscribe::to("orders:7").over(&billing));
    let published = ask(&node, &billing, "POST", "/channels/orders:7/events", &[]);
    assert_eq!(published.status(), 201, "{}", published.text());
    client.read_data("hello");
    let history = ask(&node, &billing, "GET", "/channels/orders:7/history", &[]);
    assert!(history.status() == 200 && history.text().contains("hello"), "{}", history.text());
    let inbox = "inbox%7Cspiffe:%2F%2Fexample%2Fbilling";
    assert_eq!(status(&node, &billing, &format!("/events?channel={inbox}"), &[]), 200);
    for (method, path) in [
        ("GET", "/events?channel=inbox%7Cspiffe:%2F%2Fexample%2Fother"),
        ("GET", "/events?channel=orders:7&channel=other"),
        ("POST", &format!("/channels/{inbox}/events")),
        ("GET", &format!("/channels/{inbox}/history")),
    ] {
        let answer = ask(&node, &billing, method, path, &[]);
        assert_eq!(
            (answer.status(), answer.json()["type"].as_str()),
            (403, Some("urn:fanfare:problem:not-allowed")),
            "{path}"
        );
    }
    assert_eq!(ask(&node, node.transport(), "GET", "/events?channel=orders:7", &[]).status(), 401);
    assert_eq!(ask(&node, node.transport(), "POST", "/channels/orders:7/events", &[]).status(), 401);
    // Nothing of the certificate but its subject.
    let log = node.log();
    assert!(log.contains("a client has shown a certificate") && log.contains(BILLING), "{log}");
    // A page of another site, in a browser that has the certificate.
    let foreign = ("Origin", "https://evil.example");
    assert_eq!(ask(&node, &billing, "POST", "/channels/orders:7/events", &[foreign]).status(), 403);
    assert_eq!(status(&node, &billing, "/events?channel=orders:7", &[("Sec-Fetch-Site", "cross-site")]), 403);
}

// Seen to fail when a count is told to whoever asks.
#[test]
fn a_certificate_tells_how_many_read_the_channels_that_it_lets_follow() {
    let scene = scene();
    let counted = ["orders:*", "other:*"].map(|names| format!("[[channels]]\nmatch = {names:?}\noccupancy = true\n"));
    let node = scene.builder("request", &counted.concat()).start();
    let billing = shown(&node, &scene.authority.issue_to(BILLING, USUAL));
    let _reader = Client::open(node.address(), Subscribe::to("orders:7").over(&billing));
    let count =
        |transport: &Transport, channel: &str| ask(&node, transport, "GET", &format!("/channels/{channel}"), &[]);
    eventually("the reader to be counted", || {
        let answer = count(&billing, "orders:7");
        assert_eq!(answer.status(), 200, "{}", answer.text());
        (answer.json()["readers"] == 1).then_some(())
    });
    let others = count(&billing, "other:7");
    assert_eq!((others.status(), others.json()["type"].as_str()), (403, Some("urn:fanfare:problem:not-allowed")));
    assert_eq!(count(node.transport(), "orders:7").status(), 401);
    // A page of another site, in a browser that has the certificate.
    let foreign = [("Origin", "https://evil.example")];
    assert_eq!(ask(&node, &billing, "GET", "/channels/orders:7", &foreign).status(), 403);
}

// Seen to fail when the length of its life is not looked at.
#[test]
fn a_certificate_that_outlives_revocations_or_names_nobody_gives_nothing_and_is_told_why() {
    let scene = scene();
    let node = scene.builder("request", "max_lifetime = \"1d\"\n").start();
    let long = shown(&node, &scene.authority.issue_to(BILLING, (-3_600, 86_400)));
    let nameless = shown(&node, &scene.authority.issue_to_host("billing.example"));
    for (transport, word) in [(&long, "max_lifetime"), (&nameless, "auth.client_certificates.subject")] {
        let answer = ask(&node, transport, "GET", "/events?channel=orders:7", &[STREAM]);
        assert_eq!(answer.json()["type"], "urn:fanfare:problem:certificate-invalid");
        assert!(answer.status() == 401 && answer.text().contains(word), "{}", answer.text());
    }
    let good = shown(&node, &scene.authority.issue_to(BILLING, (-60, 80_000)));
    assert_eq!(status(&node, &good, "/events?channel=orders:7", &[]), 200);
}

// Fails when whoever is not asked for a certificate, or shows a wrong one, gets in.
#[test]
fn a_handshake_without_a_good_certificate_ends() {
    let scene = scene();
    let node = scene.builder("require", "").start();
    let good = shown(&node, &scene.authority.issue_to(BILLING, USUAL));
    Client::open(node.address(), Subscribe::to("orders:7").over(&good));
    let none = refusal(&node, node.transport());
    assert!(none.to_lowercase().contains("certificaterequired"), "{none}");
    let foreign = refusal(&node, &shown(&node, &Authority::new("others").issue_to(BILLING, USUAL)));
    assert!(foreign.contains("UnknownCA"), "{foreign}");
    let expired = refusal(&node, &shown(&node, &scene.authority.issue_to(BILLING, (-7_200, -3_600))));
    assert!(expired.to_lowercase().contains("certificateexpired"), "{expired}");
    assert!(node.metric("fanfare_tls_handshakes_total", "failed").is_some_and(|failed| failed >= 3.0));
}

// Seen to fail when a grant by a certificate has no end.
#[test]
fn a_stream_ends_before_its_certificate_does_and_a_renewed_one_goes_on_without_loss() {
    let scene = scene();
    let node = scene.builder("require", "").start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&scene.redis, &ledger);
    let short = shown(&node, &scene.authority.issue_to(BILLING, (-60, 15)));
    let mut client = Client::open(node.address(), Subscribe::to("orders:7").over(&short));
    publisher.fcall("orders:7", "before");
    client.read_data("before");
    assert_eq!(client.read_ending(Duration::from_secs(20)), ConnectionEnd::Clean);
    assert!(client.seen().iter().any(is_told("$expired")), "{}", client.recent());
    publisher.fcall("orders:7", "meanwhile");
    let renewed = shown(&node, &scene.authority.issue_to(BILLING, (-1, 86_400)));
    client.ask(Subscribe::to("orders:7").over(&renewed));
    client.connect(node.address()).expect("the node accepts");
    client.read_data("meanwhile");
    check(&client, &ledger, "orders:7", &Expect::everything()).assert_kept();
}

// Seen to fail when a grant is given when its client connects: then a revoked certificate was good again at once.
#[test]
fn a_revoked_subject_is_ended_and_stays_out_until_its_certificate_is_a_later_one() {
    let scene = scene();
    let node = scene.with_tokens().start();
    let certificate = scene.authority.issue_to(BILLING, USUAL);
    let (billing, other) =
        (shown(&node, &certificate), shown(&node, &scene.authority.issue_to("spiffe://example/other", USUAL)));
    let token = scene.issuer.bearer(&["--subject", BILLING, "--subscribe", "orders:*"]);
    let mut client = Client::open(node.address(), Subscribe::to("orders:7").over(&billing));
    let mut neighbour = Client::open(node.address(), Subscribe::to("orders:7").over(&other));
    let with_token = Subscribe::to("orders:7").over(node.transport()).header("Authorization", &token);
    let mut by_token = Client::open(node.address(), with_token);

    let config = node.config_file();
    let url = scene.redis.url();
    let revoke =
        ["revoke", "--config", config.to_str().expect("a path"), "--issuer", "client_certificates", "--sub", BILLING];
    let output = run_fanfare(&revoke, &[("FANFARE__REDIS__URL", &url)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(client.read_ending(PATIENCE), ConnectionEnd::Clean);
    assert!(client.seen().iter().any(is_told("$revoked")), "{}", client.recent());
    // Whoever has it may shake hands as often as he likes, also later.
    scene.next_second();
    for _ in 0..3 {
        let answer = ask(&node, &shown(&node, &certificate), "GET", "/events?channel=orders:7", &[STREAM]);
        assert_eq!((answer.status(), answer.json()["type"].as_str()), (401, Some("urn:fanfare:problem:token-revoked")));
        assert_eq!(ask(&node, &billing, "POST", "/channels/orders:7/events", &[]).status(), 401);
    }
    let mut publisher = Publisher::new(&scene.redis, &Ledger::default());
    publisher.fcall("orders:7", "afterwards");
    // A subject of this name whose token another issuer has signed is somebody else.
    for client in [&mut neighbour, &mut by_token] {
        client.read_data("afterwards");
    }
    scene.next_second();
    let renewed = shown(&node, &scene.authority.issue_to(BILLING, (0, 86_400)));
    let mut client = Client::open(node.address(), Subscribe::to("orders:7").over(&renewed));
    publisher.fcall("orders:7", "to the renewed one");
    client.read_data("to the renewed one");
}

// Seen to fail when the certificate is asked first, or as well.
#[test]
fn a_token_counts_before_the_certificate_of_its_connection() {
    let scene = scene();
    let node = scene.with_tokens().set("auth.cookie", "token").start();
    let billing = shown(&node, &scene.authority.issue_to(BILLING, USUAL));
    let token = scene.issuer.bearer(&["--subject", "7", "--subscribe", "user:7"]);
    let status = |headers: &[(&str, &str)], channel: &str| {
        status(&node, &billing, &format!("/events?channel={channel}"), headers)
    };
    assert_eq!((status(&[], "orders:7"), status(&[], "user:7")), (200, 403));
    let cookie = format!("token={}", token.trim_start_matches("Bearer "));
    for header in [("Authorization", &*token), ("Cookie", &*cookie)] {
        assert_eq!((status(&[header], "orders:7"), status(&[header], "user:7")), (403, 200), "{header:?}");
    }
    assert_eq!(status(&[("Authorization", "Bearer nonsense")], "orders:7"), 401);
}

// Seen to fail when a proxy's own certificate counts for whoever is behind it.
#[test]
fn the_certificate_of_a_trusted_proxy_says_nothing_of_its_clients() {
    let scene = scene();
    let node = scene.builder("require", "").set("server.trusted_proxies", "127.0.0.1").start();
    let proxy = shown(&node, &scene.authority.issue_to(BILLING, USUAL));
    assert_eq!(status(&node, &proxy, "/events?channel=orders:7", &[("X-Forwarded-For", "203.0.113.9")]), 401);
    assert_eq!(status(&node, &proxy, "/events?channel=orders:7", &[]), 401);
}

// Fails when the client that a PROXY header names gets what the certificate behind it gives.
#[test]
fn a_certificate_behind_a_proxy_header_counts_only_where_tls_passes_through() {
    let scene = scene();
    let header = |client: &str| format!("PROXY {client}\r\n");
    let [named, unnamed] = ["TCP4 203.0.113.9 127.0.0.1 40000 443", "UNKNOWN"].map(header);
    let status = |node: &Node, header: &str| {
        let transport = shown(node, &scene.authority.issue_to(BILLING, USUAL));
        let mut raw = RawConnection::open(node.address()).expect("the node accepts");
        raw.send(header.as_bytes()).expect("a header");
        let mut raw = raw.begin_tls(&transport).expect("a handshake begins");
        let request = "HEAD /events?channel=orders:7 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n";
        raw.send(request.as_bytes()).expect("a request");
        let answer = raw.read_to_end(PATIENCE).expect("an answer");
        Head::parse(&answer).expect("a head").0.status
    };
    // Another listener has certificates that count, or the node would not start.
    let safe = scene.proxied("").start();
    assert_eq!((status(&safe, &named), status(&safe, &unnamed)), (401, 401));
    assert!(!safe.log().contains("a client has shown a certificate"), "{}", safe.log());
    // Its place is the next one's.
    drop(safe);
    let passing = scene.proxied("tls_passthrough = true").start();
    assert_eq!((status(&passing, &named), status(&passing, &unnamed)), (200, 200));
}

// Fails when a subject of a certificate is nobody to admission.
#[test]
fn a_subject_has_so_many_streams_by_its_certificate() {
    let scene = scene();
    let node = scene.builder("require", "").set("admission.per_subject", "1").start();
    let [billing, other] =
        [BILLING, "spiffe://example/other"].map(|uri| shown(&node, &scene.authority.issue_to(uri, USUAL)));
    let _first = Client::open(node.address(), Subscribe::to("orders:7").over(&billing));
    let mut second = Client::new(Subscribe::to("orders:7").over(&billing));
    second.connect(node.address()).expect("the node accepts");
    assert_eq!(second.read_ending(PATIENCE), ConnectionEnd::Clean, "a polite refusal");
    assert!(second.retry().is_some() && second.last_event_id().is_empty(), "{}", second.recent());
    Client::open(node.address(), Subscribe::to("orders:7").over(&other));
}
