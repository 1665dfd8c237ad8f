//! Clients that share connections of HTTP/2, in the clear and over TLS: what ends one stream, and what ends all of them.

use std::collections::HashSet;
use std::time::Duration;

use fanfare_e2e::{
    Certificate, Client, ConnectionEnd, Direction, Expect, Flow, Ledger, Node, NodeBuilder, Observed, PATIENCE, Proxy,
    Publisher, RedisServer, Signal, Subscribe, Transport, check, eventually,
};

fn node(redis: &RedisServer) -> NodeBuilder {
    Node::builder(redis).set("redis.reconcile_interval", "1s").set("delivery.heartbeat", "1s")
}

/// Both ways in which HTTP/2 is spoken, and a node for each.
fn nodes(redis: &RedisServer) -> [(Node, Transport); 2] {
    let certificate = Certificate::new();
    let secured = node(redis).tls_with(&certificate).start();
    [(node(redis).start(), Transport::http2()), (secured, Transport::http2_over_tls(&[&certificate]))]
}

// Fails when each stream has a connection of its own, and when the end of a stream ends its connection.
#[test]
fn streams_share_a_connection_and_end_alone_or_together() {
    let (redis, ledger) = (RedisServer::start(), Ledger::default());
    let mut publisher = Publisher::new(&redis, &ledger);
    for (number, (node, transport)) in nodes(&redis).into_iter().enumerate() {
        let channel = format!("c{number}");
        let open = || Client::open(node.address(), Subscribe::to(&channel).over(&transport));
        let mut clients: Vec<Client> = (0..9).map(|_| open()).collect();
        // Eight on the first connection, one on the second.
        node.await_metric("fanfare_http2_connections_total", "", 2.0);
        clients[0].disconnect();
        node.await_metric("fanfare_sessions", "", 8.0);
        publisher.fcall(&channel, "after one stream was reset");
        clients[1..].iter_mut().for_each(|client| client.read_data("after one stream was reset"));
        clients[1].abort();
        for client in &mut clients[2..8] {
            let ending = client.read_ending(PATIENCE);
            assert!(matches!(ending, ConnectionEnd::Reset(_)), "{ending:?}");
        }
        node.await_metric("fanfare_sessions", "", 1.0);
        publisher.fcall(&channel, "after a connection was reset");
        clients[8].read_data("after a connection was reset");
        for client in &mut clients[..8] {
            client.connect(node.address()).expect("the node accepts");
            client.read_data("after a connection was reset");
        }
        let verdict = |client| check(client, &ledger, &channel, &Expect::everything());
        clients.iter().for_each(|client| verdict(client).assert_kept());
    }
}

// Fails when a frame that was not read gives window, and when the window of the connection is that of one stream.
#[test]
fn a_client_that_does_not_read_holds_up_its_own_stream_only() {
    let (redis, ledger) = (RedisServer::start(), Ledger::default());
    let mut publisher = Publisher::new(&redis, &ledger);
    for (number, (node, transport)) in nodes(&redis).into_iter().enumerate() {
        let channel = format!("c{number}");
        let open = || Client::open(node.address(), Subscribe::to(&channel).over(&transport));
        let (mut stalled, mut read) = (open(), open());
        let data: Vec<String> = (0..40).map(|number| format!("{number} {}", "x".repeat(5_000))).collect();
        for event in &data {
            publisher.fcall(&channel, event);
        }
        read.read_data(&data[39]);
        // A slice that found no window waits with the node, for as long as nothing is read.
        let unsent = node.metric("fanfare_http2_unsent_bytes", "").expect("a gauge");
        assert!((1.0..=16.0 * 1024.0).contains(&unsent), "{unsent}");
        stalled.read_data(&data[39]);
        node.await_metric("fanfare_http2_connections_total", "", 1.0);
        for client in [&stalled, &read] {
            check(client, &ledger, &channel, &Expect::everything()).assert_kept();
        }
    }
}

/// Comes back until it has a stream, as a client does that was refused politely.
#[track_caller]
fn await_served(client: &mut Client, balancer: &Proxy) {
    eventually("a stream behind the balancer", || {
        client.connect(balancer.address()).expect("the balancer accepts");
        loop {
            match client.next(PATIENCE).expect("a stream, or the end of a refusal") {
                Observed::Ended(_) => return None,
                Observed::Place(_) => return Some(()),
                _ => {}
            }
        }
    });
}

// Seen to fail when a refusal leaves the connection as it is: the client asks the full node again for ever.
#[test]
fn who_is_refused_by_a_full_node_comes_to_another_by_a_new_connection_and_its_other_streams_go_on() {
    let (redis, ledger, certificate) = (RedisServer::start(), Ledger::default(), Certificate::new());
    let mut publisher = Publisher::new(&redis, &ledger);
    let plain = |places: &str| node(&redis).set("admission.max_connections", places);
    let secured = |places: &str| plain(places).tls_with(&certificate);
    for (channel, full, other, transport) in [
        ("plain", plain("3").start(), plain("100").start(), Transport::http2()),
        ("tls", secured("3").start(), secured("100").start(), Transport::http2_over_tls(&[&certificate])),
    ] {
        // It passes bytes on, and knows nothing of what they are.
        let balancer = Proxy::to(full.address());
        let subscribe = Subscribe::to(channel).over(&transport);
        let mut clients: Vec<Client> = (0..3).map(|_| Client::open(balancer.address(), subscribe.clone())).collect();
        balancer.retarget(other.address());
        let mut refused = Client::new(subscribe.clone());
        refused.connect(balancer.address()).expect("the connection is there");
        assert_eq!(refused.read_ending(PATIENCE), ConnectionEnd::Clean);
        assert!(refused.retry().is_some());
        assert_eq!(full.metric("fanfare_refusals_total", "reason=\"connections\""), Some(1.0));
        await_served(&mut refused, &balancer);
        other.await_metric("fanfare_http2_connections_total", "", 1.0);
        assert_eq!(full.metric("fanfare_http2_connections_total", ""), Some(1.0));
        assert_eq!(full.metric("fanfare_http2_goaways_total", "code=\"no_error\""), Some(1.0));
        clients.push(refused);
        publisher.fcall_many(channel, 0..50, &[]);
        for client in &mut clients {
            client.read_data(&format!("{channel} 49"));
            check(client, &ledger, channel, &Expect::everything()).assert_kept();
        }
        // Not one of the streams that were open has ended.
        let ended = |client: &&Client| client.seen().iter().any(|seen| matches!(seen, Observed::Ended(_)));
        assert_eq!(clients[..3].iter().filter(ended).count(), 0);
    }
}

// Seen to fail when only a full node sends its clients elsewhere.
#[test]
fn who_is_refused_by_a_node_that_has_lost_its_store_comes_to_another() {
    let (redis, ledger) = (RedisServer::start(), Ledger::default());
    let (way, transport) = (Proxy::to(redis.address()), Transport::http2());
    let lost = Node::builder_at(&format!("redis://{}", way.address())).set("delivery.subscribe_timeout", "1s").start();
    let other = node(&redis).start();
    let balancer = Proxy::to(lost.address());
    let mut open = Client::open(balancer.address(), Subscribe::to("a").over(&transport));
    way.set(Direction::ToTarget, Flow::Hold);
    balancer.retarget(other.address());
    let mut refused = Client::new(Subscribe::to("b").over(&transport));
    refused.connect(balancer.address()).expect("the connection is there");
    assert_eq!(refused.read_ending(PATIENCE), ConnectionEnd::Clean);
    assert_eq!(lost.metric("fanfare_refusals_total", "reason=\"unavailable\""), Some(1.0));
    await_served(&mut refused, &balancer);
    other.await_metric("fanfare_http2_connections_total", "", 1.0);
    way.set(Direction::ToTarget, Flow::Pass);
    let mut publisher = Publisher::new(&redis, &ledger);
    for (channel, client) in [("a", &mut open), ("b", &mut refused)] {
        publisher.fcall(channel, "the end");
        client.read_data("the end");
        check(client, &ledger, channel, &Expect::everything()).assert_kept();
    }
    assert_eq!(lost.metric("fanfare_http2_connections_total", ""), Some(1.0));
}

// Seen to fail when all streams end at once, and when connections are told nothing before their streams have ended.
#[test]
fn a_drain_says_so_to_each_connection_and_its_streams_end_one_by_one_and_go_on_elsewhere() {
    let (redis, ledger, certificate) = (RedisServer::start(), Ledger::default(), Certificate::new());
    let transport = Transport::http2_over_tls(&[&certificate]);
    let mut near = node(&redis).tls_with(&certificate).set("drain.window", "2s").start();
    let far = node(&redis).tls_with(&certificate).start();
    let mut publisher = Publisher::new(&redis, &ledger);
    let open = || Client::open(near.address(), Subscribe::to("c").over(&transport));
    let mut clients: Vec<Client> = (0..12).map(|_| open()).collect();
    near.await_metric("fanfare_http2_connections_total", "", 2.0);
    near.signal(Signal::Term);
    let told = || near.metric("fanfare_http2_goaways_total", "code=\"no_error\"");
    eventually("both connections to be told", || told().filter(|told| *told >= 2.0));
    let mut places = Vec::new();
    for number in 0.. {
        publisher.fcall("c", &format!("c {number}"));
        for client in &mut clients {
            while let Some(seen) = client.next(Duration::from_millis(2)) {
                if let Observed::Ended(ending) = seen {
                    assert_eq!(ending, ConnectionEnd::Clean);
                    places.push(client.last_event_id().to_owned());
                    client.connect(far.address()).expect("the other node accepts");
                }
            }
        }
        if places.len() == clients.len() {
            break;
        }
    }
    assert!(HashSet::<&String>::from_iter(&places).len() >= 3, "they ended at these places: {places:?}");
    assert!(near.wait_exit(PATIENCE).success());
    publisher.fcall("c", "the end");
    for client in &mut clients {
        client.read_data("the end");
        check(client, &ledger, "c", &Expect::everything()).assert_kept();
    }
    far.await_metric("fanfare_sessions", "", 12.0);
}
