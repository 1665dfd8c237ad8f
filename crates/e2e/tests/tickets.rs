//! Tickets on the real binary: made on one node, used on another, and good for the reconnects of one stream.

use std::time::Duration;

use fanfare_e2e::{
    Client, ConnectionEnd, Expect, Issuer, Ledger, Node, NodeBuilder, Observed, Publisher, RedisServer, Reply,
    Response, Subscribe, check, pace, request, run_fanfare,
};

const KEY: &str = "a-publish-key-of-some-length";
const STREAM: (&str, &str) = ("Accept", "text/event-stream");

/// A node that makes and takes tickets.
fn builder(redis: &RedisServer) -> NodeBuilder {
    let node = Node::builder(redis).set("auth.enabled", "true").set("auth.tickets", "true").set("publish.key", KEY);
    node.set("delivery.heartbeat", "1s").set("delivery.retry_ms", "100")
}

fn post(node: &Node, bearer: &str, order: &str) -> Response {
    let bearer = format!("Bearer {bearer}");
    request(node.address(), "POST", "/tickets", &[("Authorization", &bearer)], order.as_bytes()).expect("an answer")
}

/// Makes a ticket with the publish key.
fn ticket(node: &Node, order: &str) -> String {
    let made = post(node, KEY, order);
    assert_eq!(made.status(), 201, "{}", made.text());
    made.json()["ticket"].as_str().expect("a ticket").to_owned()
}

fn by_ticket(channel: &str, ticket: &str) -> Subscribe {
    Subscribe::to(channel).unnamed().query("ticket", ticket)
}

fn events(node: &Node, ticket: &str, more: &str) -> Response {
    request(node.address(), "GET", &format!("/events?ticket={ticket}{more}"), &[STREAM], b"").expect("an answer")
}

fn is_expired(observed: &Observed) -> bool {
    matches!(observed, Observed::Control(event) if event.event == "$expired")
}

// Fails when a ticket is known to the node alone that made it, and when a reconnect loses its place.
#[test]
fn a_ticket_that_one_node_made_opens_a_stream_on_another_and_serves_its_reconnects() {
    let redis = RedisServer::start();
    let (here, there) = (builder(&redis).start(), builder(&redis).start());
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let ticket = ticket(&here, r#"{"channels":["c"],"sub":"7"}"#);
    let mut client = Client::open(there.address(), by_ticket("c", &ticket));
    publisher.fcall_many("c", 0..20, &[]);
    client.read_data("c 19");
    assert!(client.last_event_id().starts_with('v'), "the place names its channel: {}", client.last_event_id());
    client.disconnect();
    publisher.fcall_many("c", 20..40, &[]);
    client.connect(here.address()).expect("the node accepts");
    client.read_data("c 39");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
    // Another client with the same ticket is another stream of the same holder.
    let mut other = Client::open(there.address(), by_ticket("c", &ticket));
    publisher.fcall_many("c", 40..41, &[]);
    other.read_data("c 40");
    client.read_data("c 40");
    let uses = |node: &Node, result: &str| node.metric("fanfare_ticket_uses_total", &format!("result=\"{result}\""));
    assert_eq!((uses(&there, "first"), uses(&there, "again"), uses(&here, "again")), (Some(1.0), Some(1.0), Some(1.0)));
    assert_eq!(here.metric("fanfare_tickets_made_total", ""), Some(1.0));
}

// Fails when a stream outlives its ticket, and when a ticket that is over is refused so that a browser comes back for ever.
#[test]
fn a_stream_ends_before_its_ticket_does_and_then_the_ticket_is_answered_204() {
    let redis = RedisServer::start();
    let node = builder(&redis).start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let first = ticket(&node, r#"{"channels":["c"],"lifetime":10}"#);
    let mut client = Client::open(node.address(), by_ticket("c", &first));
    let publishing = std::thread::spawn(move || {
        for number in 0..1_400 {
            publisher.fcall("c", &format!("c {number}"));
            // A pace, so that the ticket ends in the midst of them.
            pace(Duration::from_millis(10));
        }
    });
    assert_eq!(client.read_ending(Duration::from_secs(12)), ConnectionEnd::Clean);
    assert!(client.seen().iter().any(is_expired), "{}", client.recent());
    assert!(!client.data().is_empty() && !client.data().contains(&"c 1399"), "it ended too early or too late");
    pace(Duration::from_secs(2));
    assert_eq!(events(&node, &first, "").status(), 204);
    publishing.join().expect("the publisher finishes");
    node.await_metric("fanfare_sessions_ended_total", "cause=\"expired\"", 1.0);

    // With a fresh ticket nothing is missed.
    let fresh = ticket(&node, r#"{"channels":["c"]}"#);
    client.ask(by_ticket("c", &fresh));
    client.connect(node.address()).expect("the node accepts");
    client.read_data("c 1399");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}

#[test]
fn a_ticket_that_is_wrong_or_comes_too_late_opens_nothing() {
    let redis = RedisServer::start();
    let node = builder(&redis).start();
    for wrong in ["__________________________8", "x"] {
        let reply = events(&node, wrong, "");
        assert!(reply.status() == 401 && reply.text().contains("ticket-unknown"), "{}", reply.text());
    }
    assert_eq!(events(&node, &"A".repeat(27), "").status(), 204, "it says itself that it has been over for long");
    let brief = ticket(&node, r#"{"channels":["c"],"ttl":1}"#);
    pace(Duration::from_millis(1_200));
    assert_eq!(events(&node, &brief, "").status(), 401, "nobody used it in time");
    let good = ticket(&node, r#"{"channels":["c","d"]}"#);
    let reply = events(&node, &good, "&channel=e");
    assert!(reply.status() == 403 && reply.text().contains("`e`"), "{}", reply.text());
    let mut client = Client::open(node.address(), Subscribe::to("d").query("ticket", &good));
    Publisher::new(&redis, &Ledger::default()).fcall("d", "hello");
    client.read_data("hello");
    assert_eq!(post(&node, "not-the-key-but-as-long-as-it", r#"{"channels":["c"]}"#).status(), 401);
    // Without a ticket nobody gets anything here.
    let bare = request(node.address(), "GET", "/events?channel=c", &[STREAM], b"").expect("an answer");
    assert_eq!(bare.status(), 401);
}

// Fails when a ticket's own beginning is not heeded.
#[test]
fn a_stream_begins_where_its_ticket_says() {
    let redis = RedisServer::start();
    let node = builder(&redis).start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let ids = publisher.fcall_many("c", 0..10, &[]);
    let from = format!(r#"{{"channels":["c"],"from":"{}"}}"#, ids[4]);
    let mut client = Client::open(node.address(), by_ticket("c", &ticket(&node, &from)));
    client.read_data("c 9");
    assert_eq!(client.data(), ["c 5", "c 6", "c 7", "c 8", "c 9"]);
}

// Fails when a token may make tickets for whatever it follows itself.
#[test]
fn a_token_with_the_right_makes_tickets_and_another_one_does_not() {
    let redis = RedisServer::start();
    let issuer = Issuer::new();
    let file = issuer.path("fanfare.toml");
    std::fs::write(&file, issuer.table(&issuer.secret_file())).expect("a file");
    let node = Node::builder(&redis).argument("--config").argument(&file);
    let node = node.set("auth.enabled", "true").set("auth.tickets", "true").start();
    let (maker, reader) = (issuer.token(&["--tickets", "room:*"]), issuer.token(&["--subscribe", "room:*"]));
    assert_eq!(post(&node, &maker, r#"{"channels":["room:1"]}"#).status(), 201);
    let refused = post(&node, &maker, r#"{"channels":["user:1"]}"#);
    assert!(refused.status() == 403 && refused.text().contains("`tickets`"), "{}", refused.text());
    assert_eq!(post(&node, &reader, r#"{"channels":["room:1"]}"#).status(), 403);
}

// Fails when the node logs the targets of requests, or what it writes into its store.
#[test]
fn a_ticket_is_in_no_log_and_not_in_redis() {
    let redis = RedisServer::start();
    let node = builder(&redis).set("log.level", "trace").start();
    let ticket = ticket(&node, r#"{"channels":["c"],"lifetime":60}"#);
    Client::open(node.address(), by_ticket("c", &ticket));
    for more in ["", "&channel=d", "&last=x", "&ticket=x", &format!("&x={}", "y".repeat(9_000))] {
        let reply = request(node.address(), "HEAD", &format!("/events?ticket={ticket}{more}"), &[STREAM], b"");
        assert!(!reply.expect("an answer").text().contains(&ticket));
    }
    let nowhere = request(node.address(), "GET", &format!("/nowhere?ticket={ticket}"), &[], b"").expect("an answer");
    assert!(nowhere.status() == 404 && !nowhere.text().contains(&ticket), "{}", nowhere.text());
    let log = node.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the test proves nothing: {log}");
    assert!(!log.contains(&ticket) && !log.contains(KEY), "{log}");
    let mut connection = redis.connection();
    let keys: Vec<String> = connection.command(["KEYS", "*ticket*"]).array().iter().map(Reply::text).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let value = connection.command(["GET", &key]).text();
        assert!(!key.contains(&ticket) && !value.contains(&ticket), "{key} {value}");
    }
}

// Fails when a ticket cannot be taken back by what stands in its URL, on another node than the one that made it.
#[test]
fn a_ticket_is_revoked_by_its_text_on_all_nodes() {
    let redis = RedisServer::start();
    let (here, there) = (builder(&redis).start(), builder(&redis).start());
    let ticket = ticket(&here, r#"{"channels":["c"],"sub":"7"}"#);
    let mut client = Client::open(there.address(), by_ticket("c", &ticket));
    Publisher::new(&redis, &Ledger::default()).fcall("c", "before");
    client.read_data("before");
    let url = redis.url();
    let environment = [
        ("FANFARE__REDIS__URL", url.as_str()),
        ("FANFARE__AUTH__ENABLED", "true"),
        ("FANFARE__AUTH__TICKETS", "true"),
        ("FANFARE__PUBLISH__KEY", KEY),
    ];
    let output = run_fanfare(&["revoke", "--ticket", &ticket], &environment);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(client.read_ending(Duration::from_secs(1)), ConnectionEnd::Clean);
    let is_told = |observed: &Observed| matches!(observed, Observed::Control(event) if event.event == "$revoked");
    assert!(client.seen().iter().any(is_told), "{}", client.recent());
    for node in [&here, &there] {
        let reply = events(node, &ticket, "");
        assert!(reply.status() == 401 && reply.text().contains("token-revoked"), "{}", reply.text());
    }
    let newest = redis.connection().command(["XREVRANGE", "$fanfare:{sse:}:revoked", "+", "-", "COUNT", "1"]);
    let data = newest.array()[0].array()[1].array()[1].text();
    assert!(data.contains("tickets") && !data.contains(&ticket), "{data}");
}
