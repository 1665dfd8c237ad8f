//! A first look at every part, on a real server.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_log::{Archive, FeedEvent, PublishRequest, Publisher, ReadRequest};
use fanfare_protocol::Position;
use support::*;

#[tokio::test]
async fn smoke() {
    let server = Server::start().await;
    let mut node = Node::start(&server.options());
    node.desired.insert(&name("a"));
    node.hears("subscribed", |event| matches!(event, FeedEvent::Subscribed(_))).await;
    let tips = node.backend.archive.tips(vec![name("a"), name("b")]).await.unwrap();
    println!("{tips:?}");
    let published = node
        .backend
        .publisher
        .publish(PublishRequest {
            channel: name("a"),
            event: event(Some("x"), "hello"),
            dedup: None,
            max_len: None,
            ttl: None,
        })
        .await
        .unwrap();
    println!("{published:?}");
    println!("{:?}", node.hears("push", |event| matches!(event, FeedEvent::Push { .. })).await);
    let tips = node.backend.archive.tips(vec![name("a"), name("b")]).await.unwrap();
    println!("{tips:?}");
    let request =
        ReadRequest { channel: name("a"), after: Position::At(published.id), max_entries: 10, max_bytes: 1000 };
    println!("{:?}", node.backend.archive.read(request).await.unwrap());
    println!("{:?}", node.backend.archive.newest(name("a"), 5).await.unwrap());
    println!("{:?}", node.backend.status.report());
    node.backend.stop().await;
}
