//! Redis dies, freezes, forgets, refuses, and is not there at all. Afterwards nothing is lost and nothing came twice;
//! meanwhile `/readyz` tells the truth.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fanfare_e2e::{
    Client, Expect, Ledger, Node, NodeBuilder, Proxy, Publisher, RedisServer, Signal, Subscribe, check, eventually,
    pace,
};

/// A node that notices trouble quickly.
fn quick(redis: &RedisServer) -> NodeBuilder {
    Node::builder(redis)
        .set("redis.probe_interval", "200ms")
        .set("redis.probe_timeout", "500ms")
        .set("admin.ready_probe_age", "1s")
        .set("redis.reconcile_interval", "50s")
        .set("delivery.heartbeat", "1s")
}

/// Publishes `c 0`, `c 1` and so on, each until it is acknowledged, until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Load {
    fn start(redis: &RedisServer, ledger: &Ledger) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut publisher = Publisher::new(redis, ledger);
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                publisher.fcall_surely("c", &format!("c {count}"));
                count += 1;
                pace(Duration::from_millis(1));
            }
            count
        });
        Self { stop, thread }
    }

    /// Stops and returns the data of the last event.
    fn finish(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        format!("c {}", self.thread.join().expect("the publisher finishes") - 1)
    }
}

fn assert_all_arrive(client: &mut Client, ledger: &Ledger, last: &str) {
    client.read_until("the newest event", |client| client.data().contains(&last));
    check(client, ledger, "c", &Expect::everything()).assert_kept();
}

// Seen to fail when nothing is subscribed again after a reconnect; readiness ignores the age of the probe.
#[test]
fn redis_restarts_with_its_data_under_load() {
    let mut redis = RedisServer::start_persistent();
    let ledger = Ledger::default();
    let node = quick(&redis).start();
    let _filler = Client::occupying_sweeps(node.address());
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    let load = Load::start(&redis, &ledger);
    for _ in 0..2 {
        let seen = client.events().count();
        client.read_until("some events", |client| client.events().count() > seen + 50);
        redis.kill();
        node.wait_unready();
        assert_eq!(node.admin("/livez").map(|reply| reply.status()), Some(200), "the node itself is well");
        redis.launch();
        node.wait_ready();
    }
    let last = load.finish();
    assert_all_arrive(&mut client, &ledger, &last);
}

// Seen to fail when the functions are loaded only once; readiness ignores the age of the probe.
#[test]
fn redis_restarts_without_its_data_and_every_reader_is_told() {
    let mut redis = RedisServer::start();
    let ledger = Ledger::default();
    let node = quick(&redis).start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut live = Client::open(node.address(), Subscribe::to("c"));
    let mut away = Client::open(node.address(), Subscribe::to("c"));
    publisher.fcall_many("c", 0..3, &[]);
    live.read_data("c 2");
    away.read_data("c 2");
    away.disconnect();
    redis.kill();
    node.wait_unready();
    redis.wipe();
    redis.launch();
    node.wait_ready();
    ledger.replace("c", 0);
    publisher.reconnect();
    publisher.next_millisecond();
    // A plain producer's first entry is one more gap where a stream does not count its entries.
    if redis.counts_entries() {
        publisher.multi("c", "c 3");
    } else {
        publisher.eval("c", "c 3");
    }
    away.connect(node.address()).expect("the node accepts");
    for client in [&mut live, &mut away] {
        client.read_data("c 3");
        check(client, &ledger, "c", &Expect::everything().with_gaps(&["reset"])).assert_kept();
    }
    // The functions were lost as well; the node brings them back by itself.
    publisher.fcall_surely("c", "c 4");
    live.read_data("c 4");
}

// Seen to fail when nothing is compared after a reconnect; nothing is subscribed again.
#[test]
fn pubsub_connections_are_killed_again_and_again_under_load() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let node = quick(&redis).start();
    let _filler = Client::occupying_sweeps(node.address());
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    let load = Load::start(&redis, &ledger);
    let mut control = redis.connection();
    for _ in 0..5 {
        let seen = client.events().count();
        client.read_until("some events", |client| client.events().count() > seen + 30);
        let killed = eventually("a Pub/Sub connection to kill", || {
            let killed = control.command(["CLIENT", "KILL", "TYPE", "pubsub"]).integer();
            (killed > 0).then_some(killed)
        });
        assert!(killed <= 2, "a node holds few Pub/Sub connections, not {killed}");
    }
    let last = load.finish();
    assert_all_arrive(&mut client, &ledger, &last);
    node.wait_ready();
}

// Seen to fail when readiness ignores the age of the probe; heartbeats are off.
#[test]
fn redis_freezes_for_longer_than_the_probe_deadline() {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let node = quick(&redis).start();
    let _filler = Client::occupying_sweeps(node.address());
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    let load = Load::start(&redis, &ledger);
    client.read_until("some events", |client| client.events().count() > 50);
    redis.freeze();
    // No connection breaks: only the probe can know.
    node.wait_unready();
    let comments = client.comments();
    client.read_until("heartbeats meanwhile", |client| client.comments() > comments + 1);
    redis.thaw();
    node.wait_ready();
    let last = load.finish();
    assert_all_arrive(&mut client, &ledger, &last);
}

// Seen to fail when probes never fail; nothing is compared after a reconnect.
#[test]
fn connections_that_go_silent_without_closing_are_replaced() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(redis.address());
    let ledger = Ledger::default();
    let url = format!("redis://{}", proxy.address());
    let node = quick(&redis).set("redis.url", &url).set("redis.command_timeout", "500ms").start();
    let _filler = Client::occupying_sweeps(node.address());
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    let mut publisher = Publisher::new(&redis, &ledger);
    for number in 0..3 {
        publisher.fcall("c", &format!("c {number} heard"));
        client.read_data(&format!("c {number} heard"));
        proxy.silence();
        // Nothing tells of this event but the probe that does not come back.
        publisher.fcall("c", &format!("c {number} unheard"));
        client.read_until_within(Duration::from_secs(10), "the event that no message announced", |client| {
            client.data().last().is_some_and(|data| data.ends_with("unheard"))
        });
    }
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
    node.wait_ready();
}

// Seen to fail when nothing is subscribed again after a reconnect.
#[test]
fn redis_drops_a_node_that_reads_too_slowly() {
    let redis = RedisServer::start_with(&["--client-output-buffer-limit", "pubsub", "256kb", "0", "0"]);
    let ledger = Ledger::default();
    let node = quick(&redis).start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let _filler = Client::occupying_sweeps(node.address());
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    let mut control = redis.connection();
    let pubsub = |control: &mut fanfare_e2e::Connection| {
        control.command(["CLIENT", "LIST", "TYPE", "pubsub"]).text().lines().count()
    };
    assert!(pubsub(&mut control) > 0);
    assert_eq!(node.metric("fanfare_feed_connects_total", ""), Some(1.0));
    node.signal(Signal::Stop);
    let filler = "x".repeat(20_000);
    let mut number = 0;
    eventually("Redis to drop the node", || {
        let data: Vec<String> = (number..number + 100).map(|number| format!("c {number} {filler}")).collect();
        publisher.fcall_all("c", &data, &[]);
        number += 100;
        (pubsub(&mut control) == 0).then_some(())
    });
    node.signal(Signal::Cont);
    let newest = format!("c {} {filler}", number - 1);
    client.read_until("what was published meanwhile", |client| client.data().last() == Some(&newest.as_str()));
    publisher.fcall("c", "c last");
    assert_all_arrive(&mut client, &ledger, "c last");
    node.wait_ready();
    let connects = node.metric("fanfare_feed_connects_total", "").expect("a metric");
    assert!(connects >= 2.0, "the node has to connect again, not {connects} times in all");
    assert_eq!(node.metric("fanfare_feed_connected", ""), Some(1.0));
}

// Seen to fail when the first failure to connect is final.
#[test]
fn a_node_that_starts_without_redis_says_so_and_recovers_by_itself() {
    let mut redis = RedisServer::absent(&[]);
    let node = quick(&redis).start_unready();
    node.wait_unready();
    assert_eq!(node.admin("/livez").map(|reply| reply.status()), Some(200));
    eventually("the log to name Redis", || node.log().to_lowercase().contains("redis").then_some(()));
    let lines = node.log().lines().count();
    assert!(lines < 50, "{lines} lines of log before Redis was ever there");
    redis.launch();
    node.wait_ready();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    publisher.fcall_surely("c", "c 0");
    assert_all_arrive(&mut client, &ledger, "c 0");
}

// Seen to fail when every failed attempt to connect is logged.
#[test]
fn a_long_outage_fills_no_log() {
    let mut redis = RedisServer::start();
    let node = quick(&redis).start();
    let _client = Client::open(node.address(), Subscribe::to("c"));
    redis.kill();
    node.wait_unready();
    let before = node.log().lines().count();
    // An observation over time, not a wait: about ten probe intervals and several attempts to connect.
    pace(Duration::from_secs(2));
    let lines = node.log().lines().count() - before;
    assert!(lines <= 1, "{lines} lines of log in two seconds of outage:\n{}", node.log());
}
