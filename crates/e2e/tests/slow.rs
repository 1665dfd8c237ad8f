//! A slow client is neither dropped nor paid for: it falls behind and reads the archive at its own pace.

use fanfare_e2e::{Client, Expect, Ledger, Node, PATIENCE, Proxy, Publisher, RedisServer, Subscribe, check};

/// A node that keeps hardly anything in memory.
fn forgetful(redis: &RedisServer) -> Node {
    Node::builder(redis)
        .set("tail.channel_entries", "16")
        .set("tail.channel_bytes", "64KiB")
        .set("limits.event_bytes", "64KiB")
        .set("tail.budget", "2MiB")
        .start()
}

/// `count` events of 10 KB: more than all the buffers of a socket after a few hundred.
fn heavy(count: usize) -> Vec<String> {
    let filler = "x".repeat(10_000);
    (0..count).map(|number| format!("c {number} {filler}")).collect()
}

fn rss_mib(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says VmRSS");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number of KiB") / 1024
}

// Seen to fail when a frame written in part begins again; a full socket ends the session.
#[test]
fn a_client_that_stopped_reading_falls_far_behind_and_catches_up_with_everything() {
    let redis = RedisServer::start();
    let (node, ledger) = (forgetful(&redis), Ledger::default());
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut slow = Client::open(node.address(), Subscribe::to("c").receive_buffer(4096));
    let mut fast = Client::open(node.address(), Subscribe::to("c"));
    let data = heavy(2000);
    for batch in data.chunks(100) {
        publisher.fcall_all("c", batch, &["MAXLEN", "5000"]);
        // Whoever reads is served while somebody else does not.
        fast.read_data(&batch[99]);
    }
    assert!(slow.connected(), "nobody is dropped for being slow");
    slow.read_until("everything", |client| client.data().last() == Some(&data[1999].as_str()));
    for client in [&slow, &fast] {
        let verdict = check(client, &ledger, "c", &Expect::everything());
        verdict.assert_kept();
        assert_eq!(verdict.events, 2000);
    }
}

// Seen to fail when only the `prev` of the next entry counts as a proof.
#[test]
fn a_client_that_reads_in_small_sips_sees_everything_that_is_published_meanwhile() {
    let redis = RedisServer::start();
    let (node, ledger) = (forgetful(&redis), Ledger::default());
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut client = Client::open(node.address(), Subscribe::to("c").receive_buffer(2048));
    client.limit_reads(100);
    let publishing = std::thread::spawn(move || publisher.fcall_all("c", &heavy(200), &[]));
    client.read_until("everything", |client| client.events().count() == 200);
    publishing.join().expect("the publisher finishes");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}

// Seen to fail when a session keeps a megabyte when its socket is full.
#[test]
fn clients_that_never_read_cost_no_memory_beyond_their_sockets() {
    let redis = RedisServer::start();
    let (node, ledger) = (forgetful(&redis), Ledger::default());
    let mut publisher = Publisher::new(&redis, &ledger);
    let open = |_| Client::open(node.address(), Subscribe::to("c").receive_buffer(4096));
    let stalled: Vec<Client> = (0..50).map(open).collect();
    let mut reader = Client::open(node.address(), Subscribe::to("c"));
    let data = heavy(1000);
    let mut measured = None;
    for (index, batch) in data.chunks(100).enumerate() {
        publisher.fcall_all("c", batch, &["MAXLEN", "5000"]);
        reader.read_data(&batch[99]);
        if index == 1 {
            // What the process needs for the work itself is there; the sockets are just becoming full.
            measured = Some(rss_mib(&node));
        }
    }
    let (before, after) = (measured.expect("a first measurement"), rss_mib(&node));
    // A queue per client would hold 50 x 8 MB more.
    assert!(after < before + 16, "{before} MiB grew to {after} MiB");
    assert!(stalled.iter().all(Client::connected));
}

// Seen to fail when `max_behind` is ignored.
#[test]
fn a_client_further_behind_than_allowed_is_told_and_goes_on_with_what_is_new() {
    let redis = RedisServer::start();
    let node = Node::builder(&redis).set("delivery.max_behind", "1h").start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    // Entries of 1970: further behind than any hour.
    for number in 1..=5 {
        let id = format!("{number}000-0");
        publisher.on_key("XADD", "c", &[&id, "data", &format!("c {number}")]);
        ledger.record("c", &id, &format!("c {number}"));
    }
    let mut client = Client::remembering(Subscribe::to("c"), "1000-0");
    client.connect(node.address()).expect("the node accepts");
    client.read_until("the gap", |client| client.gaps().len() == 1);
    assert_eq!(client.gaps()[0].reason, "lagging");
    publisher.fcall("c", "c 6");
    client.read_data("c 6");
    check(&client, &ledger, "c", &Expect::everything().with_gaps(&["lagging"])).assert_kept();
}

// Seen to fail when a client is skipped to the head of its node wherever that is: the gap leads back to 3000-0.
#[test]
fn a_client_ahead_of_a_node_that_hears_nothing_is_not_skipped_back() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(redis.address());
    let node = Node::builder_at(&format!("redis://{}", proxy.address()))
        .set("delivery.max_behind", "1h")
        .set("redis.probe_interval", "30s")
        .set("redis.probe_timeout", "30s")
        .set("admin.ready_probe_age", "2m")
        .set("redis.reconcile_interval", "50s")
        .set("redis.command_timeout", "300ms")
        .start();
    let _filler = Client::occupying_sweeps(node.address());
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    // Entries of 1970: further behind than any hour.
    let mut publish = |numbers: std::ops::RangeInclusive<u32>| {
        for number in numbers {
            let id = format!("{number}000-0");
            publisher.on_key("XADD", "c", &[&id, "data", &format!("c {number}")]);
            ledger.record("c", &id, &format!("c {number}"));
        }
    };
    publish(1..=3);
    let _keeps_it_open = Client::open(node.address(), Subscribe::to("c"));
    // Its connections hear nothing more; new ones, for the archive, do.
    proxy.silence();
    publish(4..=6);
    let mut client = Client::remembering(Subscribe::to("c"), "4000-0");
    client.connect(node.address()).expect("the node accepts");
    // The archive's own old connections are found dead one after the other.
    client.read_until_within(PATIENCE * 3, "the last entry", |client| client.data().contains(&"c 6"));
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}
