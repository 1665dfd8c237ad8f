//! Revocations that Redis may have lost, on the real binary: what becomes of streams that need a grant, and of a node on a Redis that may lose
//! them at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fanfare_e2e::{
    Answer, Client, Connection, ConnectionEnd, Expect, Issuer, Ledger, Node, NodeBuilder, Observed, Publisher,
    RedisServer, Subscribe, WebServer, check, eventually, request,
};

const LOG: &str = "$fanfare:{sse:}:revoked";
const REVOCATION: &str = r#"{"v":1,"kind":"subject","issuer":"id","subject":"eve"}"#;
/// Each of so many streams comes back at a moment of chance within a minute: the first within seconds.
const STREAMS: usize = 40;
const EVICTING: [&str; 4] = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];

/// A node that asks for tokens of an issuer.
fn asking(redis: &RedisServer, issuer: &Issuer) -> NodeBuilder {
    std::fs::write(issuer.path("fanfare.toml"), issuer.table(&issuer.secret_file())).expect("a file");
    let node = Node::builder(redis).argument("--config").argument(&issuer.path("fanfare.toml"));
    node.set("auth.enabled", "true").set("delivery.heartbeat", "1s").set("history.enabled", "true")
}

/// Adds to the log of revocations, so that it can be lost, and waits until the node knows.
fn revoke_somebody(node: &Node, redis: &mut Connection) {
    append(redis, REVOCATION);
    node.await_metric("fanfare_revocations", "", 1.0);
}

/// Adds an entry to the log, and has nodes look.
fn append(redis: &mut Connection, entry: &str) {
    redis.command(["XADD", LOG, "*", "data", entry]);
    redis.command(["PUBLISH", LOG, ""]);
}

/// The log is another one: a failover to a replica that had not heard of it, or an operator who has deleted it.
fn set_back(node: &Node, redis: &mut Connection) {
    redis.command(["DEL", LOG]);
    append(redis, &REVOCATION.replace("eve", "bob"));
    node.await_metric("fanfare_revocation_gaps_total", "reason=\"reset\"", 1.0);
}

/// Takes out the first of these streams that ends.
fn first_to_end(streams: &mut Vec<Client>) -> Client {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        for index in 0..streams.len() {
            while let Some(seen) = streams[index].next(Duration::from_millis(1)) {
                if matches!(seen, Observed::Ended(_)) {
                    return streams.swap_remove(index);
                }
            }
        }
        assert!(Instant::now() < deadline, "none has ended");
    }
}

/// All are in the midst of their stream when the log is another one, and something is published while the first to be sent away is gone.
fn sent_away(node: &Node, redis: &RedisServer, publisher: &mut Publisher, streams: &mut Vec<Client>) -> Client {
    publisher.fcall("c", "before");
    streams.iter_mut().for_each(|client| client.read_data("before"));
    let mut connection = redis.connection();
    revoke_somebody(node, &mut connection);
    set_back(node, &mut connection);
    let first = first_to_end(streams);
    assert!(was_told_expired(&first), "{}", first.recent());
    publisher.fcall("c", "while it was away");
    first
}

fn was_told_expired(client: &Client) -> bool {
    client.seen().iter().any(|seen| matches!(seen, Observed::Control(event) if event.event == "$expired"))
}

// Fails when nobody comes back, when who needs no grant does, and when a place is lost by it.
#[test]
fn streams_by_token_come_back_when_the_log_is_not_what_it_was_and_lose_nothing() {
    let (redis, issuer) = (RedisServer::start(), Issuer::new());
    let node = asking(&redis, &issuer).set("auth.public", "news").start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let bearer = issuer.bearer(&["--subject", "carol", "--subscribe", "c"]);
    let follow = || Client::open(node.address(), Subscribe::to("c").header("Authorization", &bearer));
    let mut streams: Vec<_> = (0..STREAMS).map(|_| follow()).collect();
    let mut public = Client::open(node.address(), Subscribe::to("news"));
    let mut first = sent_away(&node, &redis, &mut publisher, &mut streams);
    first.connect(node.address()).expect("the node accepts");
    publisher.fcall("c", "after");
    first.read_data("after");
    check(&first, &ledger, "c", &Expect::everything()).assert_kept();
    publisher.fcall("news", "to everybody");
    public.read_data("to everybody");
}

// Fails when the life of the log has the name that publishers may give to the life of channels.
#[test]
fn a_publisher_who_names_the_data_anew_sends_nobody_away_even_if_the_feed_is_cut_then() {
    let (redis, issuer) = (RedisServer::start(), Issuer::new());
    let node = asking(&redis, &issuer).start();
    let mut publisher = Publisher::new(&redis, &Ledger::default());
    let bearer = issuer.bearer(&["--subject", "carol", "--subscribe", "c"]);
    let mut client = Client::open(node.address(), Subscribe::to("c").header("Authorization", &bearer));
    publisher.fcall("c", "before");
    client.read_data("before");
    let mut connection = redis.connection();
    for name in ["one", "two", "three"] {
        connection.command(["SET", "sse:$epoch", name]);
        let connects = node.metric("fanfare_feed_connects_total", "").expect("a counter");
        connection.command(["CLIENT", "KILL", "TYPE", "pubsub"]);
        node.await_metric("fanfare_feed_connects_total", "", connects + 1.0);
        // It comes when the log has been compared on the new link.
        publisher.fcall("c", name);
        client.read_data(name);
    }
    assert_eq!(node.metric("fanfare_revocation_gaps_total", "reason=\"reset\""), Some(0.0));
    assert!(!was_told_expired(&client), "{}", client.recent());
}

// Fails when streams that the application allowed go on, and when what it allowed a moment ago still counts.
#[test]
fn the_application_is_asked_again_when_the_log_is_not_what_it_was() {
    let redis = RedisServer::start();
    let allows = Arc::new(AtomicBool::new(true));
    let says = Arc::clone(&allows);
    let application = WebServer::http(move |_| {
        let is_allowed = says.load(Ordering::Relaxed);
        if is_allowed { Answer::json("200 OK", r#"{"sub":"7"}"#) } else { Answer::json("401 Unauthorized", "{}") }
    });
    let node = Node::builder(&redis)
        .set("auth.enabled", "true")
        .set("forward_auth.url", &application.url("/"))
        .set("forward_auth.keep", "1m")
        .set("forward_auth.denied_grace", "0s")
        .set("delivery.heartbeat", "1s")
        .start();
    let follow = || Client::open(node.address(), Subscribe::to("c").header("Cookie", "sid=seven"));
    let mut streams: Vec<_> = (0..STREAMS).map(|_| follow()).collect();
    let asked = application.asked().len();
    let mut connection = redis.connection();
    revoke_somebody(&node, &mut connection);
    set_back(&node, &mut connection);
    allows.store(false, Ordering::Relaxed);
    let mut first = first_to_end(&mut streams);
    assert!(was_told_expired(&first), "{}", first.recent());
    first.connect(node.address()).expect("the node accepts");
    assert_eq!(first.read_ending(Duration::from_secs(10)), ConnectionEnd::Status(401));
    assert!(application.asked().len() > asked);
}

// Fails when streams by ticket go on, when a good ticket is taken for one that is over, and when one that Redis has lost still counts.
#[test]
fn tickets_are_looked_up_again_when_the_log_is_not_what_it_was() {
    let redis = RedisServer::start();
    let key = "a-publish-key-of-some-length";
    let node = Node::builder(&redis)
        .set("auth.enabled", "true")
        .set("auth.tickets", "true")
        .set("publish.key", key)
        .set("delivery.heartbeat", "1s")
        .start();
    let bearer = format!("Bearer {key}");
    let made = request(node.address(), "POST", "/tickets", &[("Authorization", &bearer)], br#"{"channels":["c"]}"#);
    let made = made.expect("an answer").json();
    let ticket = made["ticket"].as_str().expect("a ticket");
    let follow = || Client::open(node.address(), Subscribe::to("c").unnamed().query("ticket", ticket));
    let mut streams: Vec<_> = (0..STREAMS).map(|_| follow()).collect();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut first = sent_away(&node, &redis, &mut publisher, &mut streams);
    first.connect(node.address()).expect("the node accepts");
    first.read_data("while it was away");
    check(&first, &ledger, "c", &Expect::everything()).assert_kept();
    let mut connection = redis.connection();
    // As a flush would have it.
    for name in connection.command(["KEYS", "*:ticket:*"]).array() {
        connection.command(["DEL", &name.text()]);
    }
    let mut next = first_to_end(&mut streams);
    next.connect(node.address()).expect("the node accepts");
    assert_eq!(next.read_ending(Duration::from_secs(10)), ConnectionEnd::Status(401));
}

// Fails when such a node goes on, and when its operator is not told why it does not.
#[test]
fn a_node_that_asks_for_tokens_does_not_start_on_a_redis_that_may_evict_anything() {
    let (redis, issuer) = (RedisServer::start_with(&EVICTING), Issuer::new());
    let mut node = asking(&redis, &issuer).launch();
    let status = node.wait_exit(Duration::from_secs(30));
    assert_eq!(status.code(), Some(1));
    assert!(node.log().contains("maxmemory-policy allkeys-*"), "{}", node.log());
    // One that asks for none may: what is evicted there is told as a gap.
    Node::start(&redis);
}

// Fails when a running node trusts a Redis that may forget, and when it ends for it: what is public goes on.
#[test]
fn on_a_redis_that_may_evict_anything_from_now_on_no_token_is_believed_and_readiness_says_why() {
    let (redis, issuer) = (RedisServer::start(), Issuer::new());
    let mut node = asking(&redis, &issuer).set("auth.public", "news").start();
    let bearer = issuer.bearer(&["--subject", "bob", "--subscribe", "c", "--history", "c"]);
    let mut connection = redis.connection();
    let mut set_policy = |policy: &str| {
        connection.command(["CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", policy]);
        // The policy is asked for once a minute, and when a connection is made.
        connection.command(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    };
    let history = || {
        let headers = [("Authorization", bearer.as_str())];
        request(node.address(), "GET", "/channels/c/history", &headers, b"").expect("an answer").status()
    };
    assert_eq!(history(), 200);
    set_policy("allkeys-lru");
    let reason = eventually("the reason", || {
        Some(node.admin("/readyz")?.text()).filter(|text| text.contains("maxmemory-policy allkeys-*"))
    });
    assert!(reason.contains("\"accepts\":true"), "{reason}");
    assert_eq!(history(), 503);
    Client::open(node.address(), Subscribe::to("news"));
    set_policy("volatile-lru");
    node.wait_ready();
    assert_eq!(history(), 200);
    Client::open(node.address(), Subscribe::to("c").header("Authorization", &bearer));
    assert!(node.runs());
}
