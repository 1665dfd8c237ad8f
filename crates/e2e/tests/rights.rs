//! What an ACL forbids, and who may replace the publishing library.

use std::time::Duration;

use fanfare_e2e::{
    Client, Expect, Ledger, Node, NodeBuilder, Observed, Publisher, RedisServer, Reply, Subscribe, check, eventually,
    library,
};

fn quick(redis: &RedisServer) -> NodeBuilder {
    Node::builder(redis).set("redis.probe_interval", "200ms").set("redis.probe_timeout", "500ms")
}

/// The library as another version of this product would load it.
fn library_of_version(version: u32) -> String {
    let text = library();
    let line = text.lines().find(|line| line.starts_with("local VERSION = ")).expect("a version");
    text.replace(line, &format!("local VERSION = {version}"))
}

// Seen to fail when refused subscriptions are not tried again.
#[test]
fn a_channel_that_an_acl_forbids_hurts_no_other_and_recovers_when_it_is_allowed() {
    let redis = RedisServer::start();
    let mut control = redis.connection();
    let rules = ["ACL", "SETUSER", "gateway", "on", ">pw", "~*", "+@all", "resetchannels", "&sse:open*", "&*probe*"];
    control.command(rules);
    let url = format!("redis://gateway:pw@{}", redis.address());
    let node = quick(&redis).set("redis.url", &url).start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut open = Client::open(node.address(), Subscribe::to("open"));
    let mut forbidden = Client::new(Subscribe::to("c"));
    forbidden.connect(node.address()).expect("the node accepts");
    for number in 0..20 {
        publisher.fcall("c", &format!("c {number}"));
        publisher.fcall("open", &format!("open {number}"));
    }
    open.read_data("open 19");
    assert!(node.is_ready(), "one forbidden channel does not make the node unready");
    while let Some(observed) = forbidden.next(Duration::from_millis(300)) {
        assert!(!matches!(observed, Observed::Event(_)), "an event of a channel that cannot be followed");
        if !forbidden.connected() {
            break;
        }
    }
    control.command(["ACL", "SETUSER", "gateway", "allchannels"]);
    eventually("the channel to be followed", || {
        if !forbidden.connected() {
            forbidden.connect(node.address()).expect("the node accepts");
        }
        forbidden.next(Duration::from_millis(200));
        (!forbidden.last_event_id().is_empty()).then_some(())
    });
    let seen = ledger.entries("c").len();
    publisher.fcall("c", "c end");
    forbidden.read_data("c end");
    assert!(seen >= 20 && check(&forbidden, &ledger, "c", &Expect::everything()).violations.is_empty());
    publisher.fcall("open", "open end");
    open.read_data("open end");
    check(&open, &ledger, "open", &Expect::everything()).assert_kept();
}

// Seen to fail when the function does not check its rights first.
#[test]
fn a_publisher_that_may_not_publish_stores_nothing() {
    let redis = RedisServer::start();
    // Where there are none, it cannot be asked beforehand who may announce (decision 28).
    if !redis.has_functions() {
        return;
    }
    let _node = quick(&redis).start();
    let mut control = redis.connection();
    let rules = ["ACL", "SETUSER", "app", "on", ">pw", "~sse:*", "~$dedup:{sse:*", "&sse:*"];
    let commands = ["+fcall", "+xadd", "+type", "+pttl", "+xinfo|stream", "+expire", "+persist", "+get", "+set"];
    control.command([&rules[..], &commands].concat());
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    publisher.redis.command(["AUTH", "app", "pw"]);
    for options in [&[][..], &["DEDUP", "k"], &["TTL", "100"]] {
        let reply = publisher.try_fcall("c", "data", options);
        assert!(reply.error().is_some(), "accepted: {reply:?}");
    }
    assert_eq!(control.command(["KEYS", "*{sse:c}*"]).array().len(), 0, "no DEDUP key");
    assert_eq!(control.command(["EXISTS", "sse:c"]).integer(), 0, "no entry");
    control.command(["ACL", "SETUSER", "app", "+publish"]);
    publisher.fcall_with("c", "data", &["DEDUP", "k"]);
    assert_eq!(control.command(["XLEN", "sse:c"]).integer(), 1, "the documented rights are enough");
}

// Seen to fail when any library counts as present.
#[test]
fn nodes_that_replace_an_older_library_all_at_once_leave_their_own_whole() {
    let redis = RedisServer::start();
    if !redis.has_functions() {
        return;
    }
    let mut control = redis.connection();
    control.command(["FUNCTION", "LOAD", &library_of_version(0)]);
    let nodes: Vec<Node> = (0..4).map(|_| quick(&redis).launch()).collect();
    nodes.iter().for_each(Node::wait_ready);
    eventually("the functions to be replaced", || {
        let listed = control.command(["FUNCTION", "LIST", "WITHCODE"]);
        assert_eq!(listed.array().len(), 1, "one library");
        let code = listed.array()[0].array().last().map(Reply::text)?;
        (code.trim() == library().trim()).then_some(())
    });
    let ledger = Ledger::default();
    Publisher::new(&redis, &ledger).fcall("c", "c 0");
}

// Seen to fail when a newer library is replaced.
#[test]
fn a_newer_library_is_left_alone() {
    let redis = RedisServer::start();
    if !redis.has_functions() {
        return;
    }
    let mut control = redis.connection();
    control.command(["FUNCTION", "LOAD", &library_of_version(999)]);
    let node = quick(&redis).start();
    eventually("the log to tell of the newer library", || node.log().contains("newer").then_some(()));
    assert_eq!(control.command(["FCALL_RO", "sse_version", "0"]).integer(), 999);
}
