//! Every way to publish, alone and all at once, and what the publishing function refuses.

use fanfare_e2e::{Client, Expect, Ledger, Node, Publisher, RedisServer, Subscribe, check};

struct Scene {
    redis: RedisServer,
    node: Node,
    ledger: Ledger,
    publisher: Publisher,
    // Reconciling must not be what delivers anything here.
    _filler: Client,
}

fn scene() -> Scene {
    scene_on(RedisServer::start(), "false")
}

fn scene_on(redis: RedisServer, keyspace_notifications: &str) -> Scene {
    let node = Node::builder(&redis)
        .set("redis.reconcile_interval", "50s")
        .set("redis.keyspace_notifications", keyspace_notifications)
        .start();
    let filler = Client::occupying_sweeps(node.address());
    let ledger = Ledger::default();
    let publisher = Publisher::new(&redis, &ledger);
    Scene { redis, node, ledger, publisher, _filler: filler }
}

// Seen to fail when any push with a new id is appended; pushes of known entries are appended; a plain first entry proves nothing.
#[test]
fn five_plain_producers_and_five_function_producers_at_once_lose_and_double_nothing() {
    let Scene { redis, node, ledger, .. } = scene();
    if !redis.counts_entries() {
        // A plain producer's first entry would be a gap there.
        Publisher::new(&redis, &ledger).fcall("c", "c first");
    }
    let mut clients: Vec<Client> = (0..3).map(|_| Client::open(node.address(), Subscribe::to("c"))).collect();
    let producers: Vec<_> = (0..10)
        .map(|producer| {
            let mut publisher = Publisher::new(&redis, &ledger);
            std::thread::spawn(move || {
                for number in 0..200 {
                    let data = format!("c {producer} {number}");
                    if producer % 2 == 0 {
                        publisher.multi("c", &data)
                    } else {
                        publisher.fcall("c", &data)
                    };
                }
            })
        })
        .collect();
    producers.into_iter().for_each(|producer| producer.join().expect("a producer finishes"));
    for client in &mut clients {
        client.read_until("all events", |client| client.events().count() >= 2000);
        check(client, &ledger, "c", &Expect::everything()).assert_kept();
    }
}

// Seen to fail when doorbells are ignored.
#[test]
fn every_way_to_publish_reaches_a_connected_client() {
    let Scene { redis: _redis, node, ledger, mut publisher, .. } = scene();
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    publisher.fcall("c", "by function");
    client.read_data("by function");
    publisher.eval("c", "by script");
    client.read_data("by script");
    publisher.multi("c", "by plain commands");
    client.read_data("by plain commands");
    publisher.ephemeral("c", "by PUBLISH alone");
    client.read_data("by PUBLISH alone");
    publisher.fcall("c", "by function again");
    client.read_data("by function again");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}

// Seen to fail when keyspace notifications are ignored.
#[test]
fn a_plain_xadd_is_noticed_through_keyspace_notifications() {
    let redis = RedisServer::start_with(&["--notify-keyspace-events", "Kt"]);
    let Scene { redis: _redis, node, ledger, mut publisher, _filler } = scene_on(redis, "true");
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    for number in 0..50 {
        // Mixed with the function, whose entries announce themselves twice. Each is awaited, or a push after a plain entry
        // would reveal that one too.
        let data = format!("c {number}");
        if number % 3 == 0 {
            publisher.fcall("c", &data)
        } else {
            publisher.xadd("c", &data)
        };
        client.read_data(&data);
    }
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}

// Seen to fail when any push with a new id is appended.
#[test]
fn lost_doubled_swapped_and_forged_pushes_neither_lose_nor_double_nor_invent() {
    let Scene { redis, node, ledger, mut publisher, .. } = scene();
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    // Copies of real pushes, taken from a channel that nobody follows.
    let mut tap = redis.connection();
    tap.command(["SUBSCRIBE", "sse:copy"]);
    let mut copies = Vec::new();
    for number in 0..3 {
        publisher.fcall("copy", &format!("copy {number}"));
        let message = tap.receive().expect("a push");
        copies.push(message.array()[2].clone());
    }
    // Or an id of the one channel would be an id of the other as well.
    publisher.next_millisecond();
    publisher.fcall("c", "c 0");
    client.read_data("c 0");
    for (number, copy) in [(1, 2), (2, 0), (3, 1), (4, 0), (5, 2)] {
        // A push that names predecessors this stream has never had is a doorbell, and nothing more.
        let fanfare_e2e::Reply::Text(payload) = &copies[copy] else { panic!("a push is a text") };
        publisher.redis.command([b"PUBLISH".as_slice(), b"sse:c", payload]);
        publisher.xadd("c", &format!("c {number}"));
        publisher.redis.command([b"PUBLISH".as_slice(), b"sse:c", payload]);
    }
    client.read_data("c 5");
    publisher.redis.command(["PUBLISH", "sse:c", "\u{1e}ff1 not a push at all"]);
    publisher.fcall("c", "c 6");
    client.read_data("c 6");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}

// Seen to fail when pushes of known entries are appended.
#[test]
fn the_same_push_twice_is_one_event() {
    let Scene { redis, node, ledger, mut publisher, .. } = scene();
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    let mut tap = redis.connection();
    tap.command(["SUBSCRIBE", "sse:c"]);
    for number in 0..20 {
        publisher.fcall("c", &format!("c {number}"));
        let push = tap.receive().expect("a push");
        let fanfare_e2e::Reply::Text(payload) = &push.array()[2] else { panic!("a push is a text") };
        publisher.redis.command([b"PUBLISH".as_slice(), b"sse:c", payload]);
        // The tap hears the copy as well.
        tap.receive().expect("the copy");
    }
    client.read_data("c 19");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}

// Seen to fail when DEDUP is not looked up; TTL may shorten.
#[test]
fn options_of_the_function_do_what_they_say() {
    let Scene { redis: _redis, node, ledger, mut publisher, .. } = scene();
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    publisher.fcall_with("c", "named", &["EVENT", "tick"]);
    client.read_data("named");
    assert_eq!(client.events().last().map(|event| event.event.as_str()), Some("tick"));
    let first = publisher.fcall_with("c", "once", &["DEDUP", "order-7"]);
    let again = publisher.try_fcall("c", "twice", &["DEDUP", "order-7"]);
    assert_eq!(again.text(), first, "a repeated key replies with the first id");
    publisher.fcall_with("c", "for good, so far", &["TTL", "100"]);
    assert_eq!(publisher.on_key("TTL", "c", &[]).integer(), -1, "a permanent stream stays so");
    publisher.fcall_with("c", "for a while", &["TTL", "100", "EXPIRES", "1"]);
    let ttl = publisher.on_key("TTL", "c", &[]).integer();
    assert!((90..=100).contains(&ttl), "{ttl}");
    publisher.fcall_with("c", "not shorter", &["TTL", "70"]);
    assert!(publisher.on_key("TTL", "c", &[]).integer() > 90, "a TTL only ever extends");
    publisher.fcall("c", "for good");
    assert_eq!(publisher.on_key("TTL", "c", &[]).integer(), -1, "a publish without TTL makes the key persistent");
    publisher.fcall_with("short", "short", &["TTL", "1"]);
    assert!(publisher.on_key("TTL", "short", &[]).integer() >= 59, "never below the floor of 60 s");
    publisher.fcall_many("long", 0..1000, &["MAXLEN", "100"]);
    assert!(publisher.on_key("XLEN", "long", &[]).integer() < 400, "trimmed to about MAXLEN");
    client.read_data("for good");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}

// Seen to fail when names are not checked.
#[test]
fn bad_calls_of_the_function_are_refused_and_write_nothing() {
    let Scene { redis: _redis, node: _node, mut publisher, .. } = scene();
    let bad: [&[&str]; 11] = [
        &["NONSENSE", "1"],
        &["MAXLEN"],
        &["MAXLEN", "-1"],
        &["MAXLEN", "many"],
        &["TTL", "0"],
        &["TTL", "soon"],
        &["EVENT", ""],
        &["EVENT", "$gap"],
        &["EVENT", "a\nb"],
        &["EVENT", "a", "EVENT"],
        &["DEDUP", ""],
    ];
    for options in bad {
        let reply = publisher.try_fcall("c", "data", options);
        assert!(reply.error().is_some(), "{options:?} was accepted: {reply:?}");
    }
    for name in ["", "$x", "a\nb"] {
        let reply = publisher.try_fcall(name, "data", &[]);
        assert!(reply.error().is_some(), "the channel {name:?} was accepted: {reply:?}");
    }
    let keys = publisher.redis.command(["KEYS", "*c*"]);
    let ours: Vec<String> = keys.array().iter().map(|key| key.text()).filter(|key| key.starts_with("sse:c")).collect();
    assert_eq!(ours, Vec::<String>::new());
    publisher.redis.command(["SET", "sse:text", "x"]);
    assert!(publisher.try_fcall("text", "data", &[]).error().is_some(), "the key holds another type");
    publisher.redis.command(["DEL", "sse:text"]);
}
