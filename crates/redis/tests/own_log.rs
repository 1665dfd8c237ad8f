//! Logs of the gateway's own on a real server: written in one step with the message that tells of it, or not at all.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use fanfare_log::{AppendRequest, FeedEvent, PublishError, Publisher};
use fanfare_protocol::{LogName, Push};
use fanfare_redis::{Options, append};
use redis::Value;
use support::*;

const LOG: &str = "$fanfare:{sse:}:revoked";

fn request(max_entries: usize) -> AppendRequest {
    let log = LogName::revoked().name().clone();
    AppendRequest { log, data: "{}".into(), keep: Duration::from_secs(60), max_entries }
}

// Fails when nobody rings, and when the gateway's own logs are asked for by keyspace notifications, which no ACL has to allow.
#[tokio::test]
async fn an_entry_is_announced_by_a_doorbell_to_a_node_that_may_not_hear_of_its_key() {
    let server = Server::with(&["--notify-keyspace-events", "Kt"]).await;
    let rules = ["ACL", "SETUSER", "node", "on", ">secret", "+@all", "~*", "resetchannels", "&sse:*", "&$fanfare:*"];
    server.run::<Value>(&[&rules[..], &["&__keyspace@*__:sse:*"]].concat()).await;
    let options = Options { url: server.url_of("node"), keyspace_notifications: true, ..server.options() };
    let mut node = Node::start(&options);
    for log in [LogName::revoked(), name("a")] {
        node.desired.insert(&log);
    }
    node.hears("the log", |event| matches!(event, FeedEvent::Subscribed(names) if names.contains(&LogName::revoked())))
        .await;
    node.hears("the channel", |event| matches!(event, FeedEvent::Probe { .. })).await;
    let first = append(&options, request(9)).await.unwrap();
    let is_bell = |event: &FeedEvent| matches!(event, FeedEvent::Push { channel, push: Push::Doorbell } if *channel == LogName::revoked());
    node.hears("the bell", is_bell).await;
    let publisher = node.store.publisher.clone();
    eventually("the node appends", async || publisher.append(request(9)).await.is_ok_and(|id| id > first)).await;
    server.run::<Value>(&["XADD", "sse:a", "*", "data", "d"]).await;
    node.hears("a notification", |event| matches!(event, FeedEvent::KeyspaceAdd { .. })).await;
}

// Fails when the entry and its message are two commands.
#[tokio::test]
async fn what_cannot_be_announced_is_not_written_and_what_has_no_place_is_told_so() {
    let server = Server::start().await;
    let rules = ["ACL", "SETUSER", "node", "on", ">secret", "+@all", "~*", "resetchannels", "&sse:*"];
    server.run::<Value>(&rules).await;
    let options = Options { url: server.url_of("node"), ..server.options() };
    let error = append(&options, request(9)).await.unwrap_err();
    assert!(matches!(&error, PublishError::Denied(reason) if reason.contains("NOPERM")), "{error:?}");
    assert_eq!(server.run::<u64>(&["EXISTS", LOG]).await, 0);
    server.run::<Value>(&["ACL", "SETUSER", "node", "&$fanfare:*"]).await;
    append(&options, request(1)).await.unwrap();
    assert!(matches!(append(&options, request(1)).await, Err(PublishError::Rejected(_))));
    server.run::<Value>(&["DEL", LOG]).await;
    server.run::<Value>(&["SET", LOG, "x"]).await;
    assert!(matches!(append(&options, request(1)).await, Err(PublishError::Denied(_))));
    let nowhere = Options { url: "redis://127.0.0.1:9".into(), ..server.options() };
    assert!(matches!(append(&nowhere, request(1)).await, Err(PublishError::Unreachable(_))));
}

// Fails when a full log is refused before anybody looks at how old its entries are.
#[tokio::test]
async fn a_full_log_makes_room_of_what_is_out_of_force_and_of_nothing_else() {
    let server = Server::start().await;
    let options = server.options();
    for number in 1..=3 {
        server.run::<Value>(&["XADD", LOG, &format!("{number}-1"), "data", "{}"]).await;
    }
    // What is old shares one piece of the stream with what is not, and stays while there is room.
    append(&options, request(9)).await.unwrap();
    assert_eq!(server.run::<u64>(&["XLEN", LOG]).await, 4);
    for left in 2..=4 {
        append(&options, request(4)).await.unwrap();
        assert_eq!(server.run::<u64>(&["XLEN", LOG]).await, left);
    }
    assert!(matches!(append(&options, request(4)).await, Err(PublishError::Rejected(_))));
    assert_eq!(server.run::<u64>(&["XLEN", LOG]).await, 4);
}
