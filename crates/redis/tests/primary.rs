//! One server for everything: what the feed brings and what the archive says must not come from two.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use fanfare_log::{Archive, FeedEvent, Publisher};
use fanfare_redis::Options;
use redis::Value;
use support::*;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An address that leads to one server and later to another, as a name does.
struct Address {
    port: u16,
    leads_to: Arc<AtomicU16>,
    _tasks: JoinSet<()>,
}

impl Address {
    async fn of(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let leads_to = Arc::new(AtomicU16::new(server.port));
        let (mut tasks, target) = (JoinSet::new(), Arc::clone(&leads_to));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let mut server = TcpStream::connect(("127.0.0.1", target.load(Ordering::Acquire))).await.unwrap();
                connections.spawn(async move { drop(copy_bidirectional(&mut client, &mut server).await) });
            }
        });
        Self { port, leads_to, _tasks: tasks }
    }

    fn turn_to(&self, server: &Server) {
        self.leads_to.store(server.port, Ordering::Release);
    }
}

// Seen to fail without the comparison of run ids: the second server answers for the first.
#[tokio::test]
async fn another_server_than_the_feeds_is_not_read_and_not_published_to() {
    let (first, second) = (Server::start().await, Server::start().await);
    let address = Address::of(&first).await;
    let options = Options { url: format!("redis://127.0.0.1:{}", address.port), ..first.options() };
    let mut node = Node::start(&options);
    node.desired.insert(&name("a"));
    node.hears("subscribed", |event| matches!(event, FeedEvent::Subscribed(_))).await;
    let archive = node.store.archive.clone();
    let reads = async || archive.tips(vec![name("a")]).await;
    reads().await.unwrap();

    address.turn_to(&second);
    first.run::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    eventually("what the second server says is dropped", async || {
        reads().await.is_err_and(|error| error.to_string().contains("another server"))
    })
    .await;
    let request = publish_request("a", "x");
    assert!(node.store.publisher.publish(request).await.is_err());
    assert_eq!(second.run::<u64>(&["EXISTS", "sse:a"]).await, 0);

    assert!(first.run::<u64>(&["CLIENT", "KILL", "TYPE", "pubsub"]).await > 0);
    node.hears("the feed goes over", |event| matches!(event, FeedEvent::Connected)).await;
    node.hears("subscribed", |event| matches!(event, FeedEvent::Subscribed(_))).await;
    assert!(reads().await.is_ok());
}

// Seen to fail when nobody asks for the role: the node follows the replica.
#[tokio::test]
async fn a_replica_is_refused_with_its_reason_and_taken_when_it_is_promoted() {
    let primary = Server::start().await;
    let replica = Server::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]).await;
    let mut node = Node::start(&replica.options());
    let status = node.store.status.clone();
    let reason = format!("a replica of 127.0.0.1:{}", primary.port);
    eventually("the reason", async || status.error().is_some_and(|error| error.contains(&reason))).await;
    let read = node.store.archive.tips(vec![name("a")]).await;
    assert!(read.is_err_and(|error| error.to_string().contains(&reason)));
    replica.run::<Value>(&["REPLICAOF", "NO", "ONE"]).await;
    node.hears("connected", |event| matches!(event, FeedEvent::Connected)).await;
}
