//! The operator promises that no stream expires (`redis.streams_expire = false`) to a Redis that evicts what expires, and a publisher gives
//! one a life: it is evicted before the node has read it.

use fanfare_e2e::{Client, Node, RedisServer, Subscribe, eventually, key};

/// The publish, and the eviction right behind it, with nothing in between: the node hears the message, and finds no stream.
const PUBLISHED_AND_EVICTED: &str = "
    local id = redis.call('XADD', KEYS[1], '*', 'data', 'lost', 'prev', '0-0')
    redis.call('EXPIRE', KEYS[1], 60)
    redis.call('PUBLISH', KEYS[1], '\\30ff1 ' .. id .. ' 0-0 0\\nlost')
    redis.call('DEL', KEYS[1])";

// Fails, without a gap, if an absence is proven whatever a message has told.
#[test]
fn who_waits_is_told_of_a_stream_that_the_node_has_heard_of_and_never_read() {
    let redis = RedisServer::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"]);
    let node = Node::builder(&redis).set("redis.streams_expire", "false").start();
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    client.read_until("a place", |client| !client.last_event_id().is_empty());
    let place = client.last_event_id().to_owned();
    redis.connection().command(["EVAL", PUBLISHED_AND_EVICTED, "1", &key("c")]);
    client.read_until("a gap", |client| !client.gaps().is_empty());
    assert_eq!(client.gaps()[0].reason, "reset");
    eventually("it to be counted", || {
        node.metric("fanfare_streams_expire_broken_total", "").filter(|count| *count == 1.0)
    });
    assert_eq!(node.log().matches("told of a stream that is gone").count(), 1, "{}", node.log());

    // So is who was there before, and comes back.
    let mut late = Client::remembering(Subscribe::to("c"), &place);
    late.connect(node.address()).expect("connected");
    late.read_until("a gap", |client| !client.gaps().is_empty());
}
