//! The promise that streams do not expire, on a real server: what it restores where Redis evicts keys that expire, and how it is seen that
//! it is not kept.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use fanfare_log::proof::Verdict;
use fanfare_log::{Archive, MinLives, PublishError, PublishRequest, Publisher};
use fanfare_protocol::{LogName, Position};
use fanfare_redis::{Grade, Options, RedisArchive, RedisStore, Status, check};
use redis::Value;
use support::streams::*;
use support::*;

/// A server whose memory is limited, and that evicts keys that expire.
async fn evicts_what_expires() -> Server {
    let server = Server::with(&["--maxmemory", "30mb", "--maxmemory-policy", "volatile-lru"]).await;
    server.load_library().await;
    server
}

fn node(options: &Options) -> (RedisArchive, Status) {
    let store = RedisStore::new(options).unwrap();
    (store.archive(), store.status())
}

/// The options of a node to which it is promised that no stream expires.
fn promise(server: &Server) -> Options {
    Options { min_lives: MinLives::default().permanent(), ..server.options() }
}

fn promising(server: &Server) -> (RedisArchive, Status) {
    node(&promise(server))
}

async fn evicts(archive: &RedisArchive, channel: &str) -> bool {
    archive.tips(vec![name(channel)]).await.unwrap()[0].clone().unwrap().evicts
}

/// Whether an absence of "a" proves something by the promise alone.
async fn rests_on_it(archive: &RedisArchive) -> bool {
    archive.tips(vec![name("a")]).await.unwrap()[0].clone().unwrap().min_life.rests_on_permanence()
}

/// Fills the memory until Redis has evicted something, or refuses to be filled.
async fn fill(server: &Server) {
    let mut connection = server.connection().await;
    for number in 0..100 {
        let mut set = redis::cmd("SET");
        set.arg(format!("other:{number}")).arg("x".repeat(1 << 20));
        if set.query_async::<()>(&mut connection).await.is_err() {
            return;
        }
    }
    panic!("the memory of Redis has no end");
}

// Seen to fail when the gateway's own logs count as streams that may expire: the first entry of one, and each reconnect before that, was told as
// a log that had been lost.
#[tokio::test]
async fn the_absence_of_a_log_of_the_gateway_s_own_proves_something_for_as_long_as_redis_stands() {
    let server = evicts_what_expires().await;
    let (archive, _) = node(&server.options());
    let tip_of = async |log: LogName| archive.tips(vec![log]).await.unwrap()[0].clone().unwrap();
    let (own, channel) = (tip_of(LogName::revoked()).await, tip_of(name("a")).await);
    assert_eq!((own.evicts, channel.evicts, own.min_life.rests_on_permanence()), (false, true, false));
    assert_eq!((own.min_life.ms_since(1), channel.min_life.ms_since(1)), (u64::MAX, 60_000));
    server.run::<Value>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let (archive, _) = node(&server.options());
    assert!(archive.tips(vec![LogName::revoked()]).await.unwrap()[0].clone().unwrap().evicts, "any key");
}

#[tokio::test]
async fn an_absence_proves_what_it_does_where_nothing_is_evicted() {
    let server = evicts_what_expires().await;
    let (promised, _) = promising(&server);
    let (unpromised, _) = node(&server.options());
    let waits = tip(&promised).await;
    assert_eq!(verdict(&promised, waits).await, Verdict::Continues);
    assert_eq!(verdict(&unpromised, waits).await, RESET);
    assert!(rests_on_it(&promised).await && !rests_on_it(&unpromised).await);
    publish(&server, &["sse:a", "DATA", "1"]).await;
    fill(&server).await;
    assert_eq!(verdict(&promised, waits).await, Verdict::Continues, "a stream without a life is not evicted");
    server.run::<Value>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    assert!(evicts(&promising(&server).0, "b").await, "other policies take any key");
}

#[tokio::test]
async fn a_stream_that_is_seen_to_expire_withdraws_the_proof_of_its_channel_and_is_counted() {
    for in_a_page in [false, true] {
        let server = evicts_what_expires().await;
        let (archive, status) = promising(&server);
        let waits = tip(&archive).await;
        publish(&server, &["sse:a", "DATA", "lost", "TTL", "3600"]).await;
        if in_a_page {
            assert_eq!(verdict(&archive, waits).await, RESET);
        } else {
            archive.tips(vec![name("b"), name("a")]).await.unwrap();
        }
        assert_eq!(status.report().expiring_channels, 1);
        // Redis throws it away, and the reader who waited is told.
        fill(&server).await;
        assert_eq!(server.run::<u64>(&["EXISTS", "sse:a"]).await, 0);
        assert_eq!(verdict(&archive, waits).await, RESET);
        let later = tip(&archive).await;
        assert_eq!(verdict(&archive, later).await, RESET, "who has done it once does it again");
        assert!(!rests_on_it(&archive).await);
        assert!(!evicts(&archive, "b").await, "other channels are as they were");
        assert_eq!(status.report().expiring_channels, 1);
    }
}

#[tokio::test]
async fn a_broken_promise_costs_nothing_where_nothing_is_evicted() {
    let server = Server::start().await;
    server.load_library().await;
    let (archive, status) = promising(&server);
    assert!(!rests_on_it(&archive).await);
    let waits = tip(&archive).await;
    publish(&server, &["sse:a", "DATA", "1", "TTL", "3600"]).await;
    assert_eq!(verdict(&archive, waits).await, Verdict::Continues);
    assert_eq!(status.report().expiring_channels, 1, "it is told all the same");
    assert!(!rests_on_it(&archive).await, "a message is evidence of nothing here");
}

#[tokio::test]
async fn what_was_absent_before_the_promise_proves_nothing() {
    let server = evicts_what_expires().await;
    let waits = tip(&node(&server.options()).0).await;
    let (promised, _) = promising(&server);
    assert_eq!(verdict(&promised, waits).await, RESET);
    let waits = tip(&promised).await;
    assert_eq!(verdict(&promising(&server).0, waits).await, Verdict::Continues, "all nodes agree on the name");
}

#[tokio::test]
async fn nobody_asks_how_long_a_stream_has_to_live_where_nothing_is_promised() {
    let server = evicts_what_expires().await;
    tip(&node(&server.options()).0).await;
    assert_eq!(calls(&server, "pttl").await, 0);
    tip(&promising(&server).0).await;
    assert!(calls(&server, "pttl").await > 0);
}

#[tokio::test]
async fn a_node_that_promises_it_publishes_nothing_that_expires() {
    let server = evicts_what_expires().await;
    let node = Node::start(&promise(&server));
    let request = |ttl: Option<Duration>| PublishRequest { ttl: ttl.map(Into::into), ..publish_request("a", "d") };
    eventually("the node publishes", async || node.store.publisher.publish(request(None)).await.is_ok()).await;
    let refused = node.store.publisher.publish(request(Some(Duration::from_secs(100)))).await;
    let Err(PublishError::Rejected(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("redis.streams_expire is false"), "{reason}");
    assert_eq!(server.run::<u64>(&["XLEN", "sse:a"]).await, 1);
}

#[tokio::test]
async fn a_check_is_content_with_the_policy_where_it_is_promised() {
    let server = evicts_what_expires().await;
    let graded = async |options: Options| {
        let report = check(&options).await;
        report.lines.into_iter().find(|line| line.what == "eviction").unwrap()
    };
    let warned = graded(server.options()).await;
    assert!(warned.grade == Grade::Warn && warned.finding.contains("redis.streams_expire = false"), "{warned:?}");
    assert_eq!(graded(promise(&server)).await.grade, Grade::Ok);
    let absent = Position::Absent { at_ms: 0, epoch: epoch(&promising(&server).0).await };
    assert_eq!(
        verdict(&promising(&server).0, absent).await,
        RESET,
        "an absence of long ago proves nothing here either"
    );
}
