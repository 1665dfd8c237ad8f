//! Messages that somebody forges: `PUBLISH` of an entry that is in no stream, with the predecessor that it would have.

use fanfare_e2e::{
    Client, Expect, Ledger, Node, NodeBuilder, Publisher, RedisServer, Subscribe, check, eventually, key,
};

const UNFOUNDED: &str = "fanfare_feed_unfounded_pushes_total";

/// A channel with a stream, a client of it, and a message forged to follow its only entry.
struct Scene {
    ledger: Ledger,
    publisher: Publisher,
    node: Node,
    client: Client,
}

impl Scene {
    fn of(redis: &RedisServer, node: NodeBuilder) -> Self {
        let (node, ledger) = (node.start(), Ledger::default());
        let mut publisher = Publisher::new(redis, &ledger);
        publisher.fcall("c", "c 0");
        let client = Client::open(node.address(), Subscribe::to("c"));
        Self { ledger, publisher, node, client }
    }

    /// Publishes what would follow the last event, if it were stored.
    fn forge(&mut self) {
        let last = self.ledger.entries("c").last().expect("an entry").id;
        let forged = format!("\u{1e}ff1 {}-0 {last} 0\nFORGED", last.ms + 1);
        self.publisher.redis.command(["PUBLISH", &key("c"), &forged]);
    }
}

// What `trusted` means: documented (docs/operations.md, "Who may forge what"), and pinned here.
#[test]
fn are_delivered_where_messages_are_trusted() {
    let redis = RedisServer::start();
    let mut scene = Scene::of(&redis, Node::builder(&redis));
    scene.forge();
    scene.client.read_data("FORGED");
}

// Seen to fail, with FORGED delivered, when the feed believes every message.
#[test]
fn are_not_delivered_but_counted_and_told_where_messages_are_verified() {
    let redis = RedisServer::start();
    let mut scene = Scene::of(&redis, Node::builder(&redis).set("redis.pushes", "verified"));
    for number in 1..=20 {
        scene.forge();
        let data = format!("c {number}");
        scene.publisher.fcall("c", &data);
        scene.client.read_data(&data);
    }
    scene.forge();
    let unfounded = || scene.node.metric(UNFOUNDED, "").filter(|count| *count >= 1.0);
    eventually("forged messages to be counted", unfounded);
    scene.publisher.fcall("c", "c end");
    scene.client.read_data("c end");
    check(&scene.client, &scene.ledger, "c", &Expect::everything()).assert_kept();
    assert!(!scene.client.data().contains(&"FORGED"));
    let metric = |name: &str| scene.node.metric(name, "").expect("a metric");
    assert!(metric("fanfare_verified_entries_total") >= 10.0, "entries that messages have named");
    let told = scene.node.log().matches("names an entry that its stream does not have").count();
    assert_eq!(told, 1, "{}", scene.node.log());
}

// Fails if nobody asks for the policy.
#[test]
fn verifying_them_on_a_redis_that_evicts_is_a_warning() {
    let redis = RedisServer::start();
    redis.connection().command(["CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"]);
    let said = |node: &Node| node.log().matches("Redis may evict streams").count();
    let node = Node::builder(&redis).set("redis.pushes", "verified").start();
    eventually("the warning", || (said(&node) == 1).then_some(()));
    let trusting = Node::start(&redis);
    assert_eq!(said(&trusting), 0);
}
