//! Clients that share connections of HTTP/2, in the clear and over TLS: what ends one stream, and what ends all of them.

use fanfare_e2e::{
    Certificate, Client, ConnectionEnd, Expect, Ledger, Node, NodeBuilder, PATIENCE, Publisher, RedisServer, Subscribe,
    Transport, check,
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
