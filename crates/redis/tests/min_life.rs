//! What the operator promises about the life of streams, on a real server: how it is seen that it is not kept, and what it is worth where
//! Redis evicts.
//!
//! Seen to fail without each of: `PTTL` in pages and in tips, reads without it for a user who may not, and the renaming.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use fanfare_log::proof::{Verdict, prove};
use fanfare_log::{Archive, BrokenBy, MinLives};
use fanfare_protocol::{GapReason, Pattern, Position};
use fanfare_redis::{Options, RedisArchive};
use redis::Value;
use support::streams::*;
use support::*;

const WEEK: Duration = Duration::from_secs(7 * 86_400);
const DAY_MS: u64 = 86_400_000;

fn promised(options: Options) -> (RedisArchive, MinLives) {
    let min_lives = MinLives::new([(Pattern::parse("a*").unwrap(), WEEK)]);
    (archive(&Options { min_lives: min_lives.clone(), ..options }), min_lives)
}

async fn server() -> Server {
    let server = Server::start().await;
    server.load_library().await;
    server
}

/// What a client holds that was told a day ago that there was no stream.
async fn a_day_ago(archive: &RedisArchive) -> Position {
    let Position::Absent { at_ms, epoch } = tip(archive).await else { panic!("there is a stream") };
    Position::Absent { at_ms: at_ms - DAY_MS, epoch }
}

#[tokio::test]
async fn an_absence_of_a_day_ago_continues_where_a_week_is_promised() {
    let server = server().await;
    let (archive, lives) = promised(server.options());
    let unpromised = support::streams::archive(&server.options());
    let waits = a_day_ago(&archive).await;
    assert_eq!(verdict(&archive, waits).await, Verdict::Continues);
    assert_eq!(verdict(&unpromised, waits).await, RESET);
    publish(&server, &["sse:a", "DATA", "1", "TTL", "604800"]).await;
    assert_eq!(verdict(&archive, waits).await, Verdict::Continues);
    assert_eq!(verdict(&unpromised, waits).await, RESET);
    assert_eq!(lives.broken(BrokenBy::Expiry), 0, "exactly a week");
}

#[tokio::test]
async fn a_plain_producers_stream_continues_it_while_nothing_was_removed() {
    let server = server().await;
    let (archive, _) = promised(server.options());
    let waits = a_day_ago(&archive).await;
    xadd(&server, &["sse:a", "*", "data", "1"]).await;
    xadd(&server, &["sse:a", "*", "data", "2"]).await;
    if !server.counts_entries().await {
        assert_eq!(verdict(&archive, waits).await, Verdict::Gap(GapReason::Trimmed), "nobody knows");
        return;
    }
    assert_eq!(verdict(&archive, waits).await, Verdict::Continues);
    server.run::<Value>(&["XTRIM", "sse:a", "MAXLEN", "=", "1"]).await;
    assert_eq!(verdict(&archive, waits).await, Verdict::Gap(GapReason::Trimmed));
}

#[tokio::test]
async fn a_stream_that_will_expire_too_early_is_seen_in_a_page_and_in_a_tip() {
    for in_a_page in [false, true] {
        let server = server().await;
        let (archive, lives) = promised(server.options());
        let waits = a_day_ago(&archive).await;
        publish(&server, &["sse:a", "DATA", "1", "TTL", "3600"]).await;
        if in_a_page {
            assert_eq!(prove(waits, &read(&archive, waits).await), RESET);
        } else {
            archive.tips(vec![name("a"), name("b"), name("ab")]).await.unwrap();
        }
        assert_eq!(lives.broken(BrokenBy::Expiry), 1);
        server.run::<Value>(&["DEL", "sse:a"]).await;
        assert_eq!(verdict(&archive, waits).await, RESET, "for the time before it was seen");
        let Position::Absent { at_ms, epoch } = tip(&archive).await else { panic!() };
        eventually("time has passed", async || {
            verdict(&archive, Position::Absent { at_ms: at_ms + 1, epoch }).await == Verdict::Continues
        })
        .await;
    }
}

#[tokio::test]
async fn nobody_is_asked_how_long_a_stream_has_to_live_of_which_nothing_is_promised() {
    let server = server().await;
    let (archive, _) = promised(server.options());
    archive.tips(vec![name("b"), name("c")]).await.unwrap();
    archive.read(request("b", Position::At("1-1".parse().unwrap()))).await.unwrap();
    assert_eq!(calls(&server, "pttl").await, 0);
    archive.tips(vec![name("b"), name("a"), name("c"), name("a1")]).await.unwrap();
    assert_eq!(calls(&server, "pttl").await, 2);
}

#[tokio::test]
async fn a_user_who_may_not_ask_reads_without() {
    let server = server().await;
    let (archive, lives) = promised(user_without(&server, &["-pttl"]).await);
    let waits = a_day_ago(&archive).await;
    publish(&server, &["sse:a", "DATA", "1", "TTL", "3600"]).await;
    assert_eq!(verdict(&archive, waits).await, Verdict::Continues);
    assert_eq!(lives.broken(BrokenBy::Expiry), 0);
    let (archive, _) = promised(user_without(&server, &["-pttl"]).await);
    assert_eq!(verdict(&archive, waits).await, Verdict::Continues, "and a page that comes first");
}

#[tokio::test]
async fn what_was_absent_before_redis_could_evict_proves_nothing_when_it_cannot_any_more() {
    let server = server().await;
    set_policy(&server, "noeviction").await;
    let waits = a_day_ago(&promised(server.options()).0).await;
    // Each time a node that has just connected, or has asked again.
    set_policy(&server, "allkeys-lru").await;
    let evicting = a_day_ago(&promised(server.options()).0).await;
    assert_eq!(verdict(&promised(server.options()).0, evicting).await, RESET);
    set_policy(&server, "noeviction").await;
    let (node, another) = (promised(server.options()).0, promised(server.options()).0);
    for position in [waits, evicting] {
        assert_eq!(verdict(&node, position).await, RESET);
    }
    let waits = a_day_ago(&node).await;
    assert_eq!(verdict(&node, waits).await, Verdict::Continues);
    assert_eq!(verdict(&another, waits).await, Verdict::Continues, "all nodes agree on the name");
}

#[tokio::test]
async fn where_nothing_is_promised_the_name_of_the_data_stays_as_it_is() {
    let server = server().await;
    set_policy(&server, "noeviction").await;
    let before = epoch(&archive(&server.options())).await;
    set_policy(&server, "allkeys-lru").await;
    assert_eq!(epoch(&archive(&server.options())).await, before);
}
