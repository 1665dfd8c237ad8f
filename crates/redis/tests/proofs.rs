//! The raw material of every continuity proof, from a real server, and the verdicts that come of it.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_log::Archive;
use fanfare_log::proof::{Verdict, prove};
use fanfare_protocol::{GapReason, Position};
use redis::Value;
use support::streams::*;
use support::*;

// Seen to fail when such a stream is at 0-0: a subscriber who waited for its first event got a `$gap` `reset`.
#[tokio::test]
async fn an_empty_stream_that_exists_proves_as_much_as_none() {
    let (server, archive) = library().await;
    server.run::<Value>(&["XGROUP", "CREATE", "sse:a", "g", "0", "MKSTREAM"]).await;
    let waits = tip(&archive).await;
    assert!(matches!(waits, Position::Absent { .. }), "{waits:?}");
    assert_eq!(verdict(&archive, waits).await, Verdict::Continues);
    let counts = server.counts_entries().await;
    let expected = if counts { Verdict::Continues } else { Verdict::Gap(GapReason::Trimmed) };
    xadd(&server, &["sse:a", "*", "data", "plain"]).await;
    assert_eq!(verdict(&archive, waits).await, expected);
    publish(&server, &["sse:a", "DATA", "d"]).await;
    assert_eq!(verdict(&archive, waits).await, expected);
}

#[tokio::test]
async fn an_absent_stream_is_empty_at_the_time_of_redis_and_a_publish_right_after_continues_it() {
    let (server, archive) = library().await;
    let before = tip(&archive).await;
    let Position::Absent { at_ms, epoch } = before else { panic!("{before:?}") };
    let snapshot = read(&archive, before).await;
    assert_eq!(snapshot.tip.epoch, epoch, "one life, one epoch");
    assert!(snapshot.tip.now_ms >= at_ms && snapshot.entries.is_empty() && snapshot.complete);
    assert_eq!(prove(before, &snapshot), Verdict::Continues);
    let id = publish(&server, &["sse:a", "DATA", "1"]).await;
    assert_eq!(ids(&read(&archive, before).await), [id]);
    assert_eq!(verdict(&archive, before).await, Verdict::Continues);
}

#[tokio::test]
async fn a_foreign_first_entry_continues_absence_only_while_nothing_was_removed() {
    let (server, archive) = library().await;
    let before = tip(&archive).await;
    xadd(&server, &["sse:a", "*", "data", "1"]).await;
    if server.counts_entries().await {
        assert!(read(&archive, before).await.untouched);
        assert_eq!(verdict(&archive, before).await, Verdict::Continues);
    }
    xadd(&server, &["sse:a", "MAXLEN", "=", "1", "*", "data", "2"]).await;
    assert!(!read(&archive, before).await.untouched);
    assert_eq!(verdict(&archive, before).await, Verdict::Gap(GapReason::Trimmed));
}

#[tokio::test]
async fn a_position_that_was_trimmed_continues_only_if_the_next_entry_names_it() {
    let (server, archive) = library().await;
    let x = Position::At(publish(&server, &["sse:a", "DATA", "x"]).await);
    let next = publish(&server, &["sse:a", "DATA", "next"]).await;
    publish(&server, &["sse:a", "DATA", "last"]).await;
    server.run::<Value>(&["XTRIM", "sse:a", "MINID", "=", &next.to_string()]).await;
    let snapshot = read(&archive, x).await;
    assert_eq!(prove(x, &snapshot), Verdict::Continues);
    assert!(!snapshot.untouched, "something was removed");
    server.run::<Value>(&["XTRIM", "sse:a", "MAXLEN", "=", "1"]).await;
    assert_eq!(verdict(&archive, x).await, Verdict::Gap(GapReason::Trimmed));
    server.run::<Value>(&["XTRIM", "sse:a", "MAXLEN", "=", "0"]).await;
    assert_eq!(verdict(&archive, x).await, Verdict::Gap(GapReason::Trimmed), "an empty stream keeps its last id");
    assert_eq!(tip(&archive).await, snapshot.tip.position);
}

#[tokio::test]
async fn an_idle_stream_whose_only_entry_was_trimmed_by_age_gives_no_gap() {
    let (server, archive) = library().await;
    let x = Position::At(publish(&server, &["sse:a", "DATA", "x"]).await);
    server.run::<Value>(&["XTRIM", "sse:a", "MINID", "=", "99999999999999"]).await;
    assert_eq!(verdict(&archive, x).await, Verdict::Continues);
    publish(&server, &["sse:a", "DATA", "next"]).await;
    assert_eq!(verdict(&archive, x).await, Verdict::Continues);
}

#[tokio::test]
async fn a_deleted_entry_is_a_retraction_and_not_a_gap() {
    let (server, archive) = library().await;
    let x = publish(&server, &["sse:a", "DATA", "x"]).await;
    let retracted = publish(&server, &["sse:a", "DATA", "oops"]).await;
    let last = publish(&server, &["sse:a", "DATA", "last"]).await;
    server.run::<Value>(&["XDEL", "sse:a", &retracted.to_string()]).await;
    let snapshot = read(&archive, Position::At(x)).await;
    assert_eq!(ids(&snapshot), [x, last]);
    assert_eq!(prove(Position::At(x), &snapshot), Verdict::Continues);
    server.run::<Value>(&["XDEL", "sse:a", &last.to_string()]).await;
    assert_eq!(verdict(&archive, Position::At(last)).await, Verdict::Continues, "the last generated id stays");
    assert!(!read(&archive, Position::At(x)).await.untouched);
}

#[tokio::test]
async fn an_expired_and_an_expired_and_recreated_stream_are_a_reset() {
    let (server, archive) = library().await;
    let x = Position::At(publish(&server, &["sse:a", "DATA", "x"]).await);
    server.run::<Value>(&["PEXPIRE", "sse:a", "1"]).await;
    eventually("expired", async || server.run::<u64>(&["EXISTS", "sse:a"]).await == 0).await;
    assert_eq!(verdict(&archive, x).await, RESET);
    publish(&server, &["sse:a", "DATA", "new"]).await;
    assert_eq!(verdict(&archive, x).await, RESET);
}

#[tokio::test]
async fn an_absence_from_before_a_flush_proves_nothing_since_the_epoch_is_another() {
    let (server, archive) = library().await;
    let before = tip(&archive).await;
    server.run::<Value>(&["FLUSHALL"]).await;
    let after = tip(&archive).await;
    let (Position::Absent { epoch: old, .. }, Position::Absent { epoch: new, .. }) = (before, after) else { panic!() };
    assert_ne!(old, new);
    assert_eq!(verdict(&archive, before).await, RESET);
    publish(&server, &["sse:a", "DATA", "1"]).await;
    assert_eq!(verdict(&archive, before).await, RESET);
}

#[tokio::test]
async fn every_node_sees_the_same_epoch_also_when_they_meet_an_empty_server_together() {
    let server = Server::start().await;
    let archives: Vec<_> = (0..8).map(|_| archive(&server.options())).collect();
    let mut reads = tokio::task::JoinSet::new();
    for archive in archives {
        reads.spawn(async move { archive.tips(vec![name("a")]).await.unwrap()[0].clone().unwrap().epoch });
    }
    let epochs = reads.join_all().await;
    assert!(epochs.windows(2).all(|pair| pair[0] == pair[1]), "{epochs:?}");
}

#[tokio::test]
async fn a_node_that_finds_no_epoch_does_not_replace_the_one_that_another_sets_meanwhile() {
    let server = Server::start().await;
    let archive = archive(&server.options());
    // Two writes wait in Redis: the other node's first, then this one's, which has seen that there is no epoch.
    server.run::<Value>(&["CLIENT", "PAUSE", "20000", "WRITE"]).await;
    let waiting = async |number: usize| {
        eventually("a write waits", async || {
            let clients: String = server.run(&["CLIENT", "LIST"]).await;
            clients.lines().filter(|line| line.contains("flags=b")).count() == number
        })
        .await;
    };
    let other_sets = server.run::<Value>(&["SET", "sse:$epoch", "the other's"]);
    let this_reads = async {
        waiting(1).await;
        let (tip, ()) = tokio::join!(tip(&archive), async {
            waiting(2).await;
            server.run::<Value>(&["CLIENT", "UNPAUSE"]).await;
        });
        tip
    };
    let (_, tip) = tokio::join!(other_sets, this_reads);
    let Position::Absent { epoch, .. } = tip else { panic!("{tip:?}") };
    assert_eq!(epoch, fanfare_protocol::Epoch::from_key(b"the other's"));
}

#[tokio::test]
async fn a_failover_that_lost_the_tail_is_a_reset_before_and_after_the_next_publish() {
    let (server, archive) = library().await;
    publish(&server, &["sse:a", "DATA", "1"]).await;
    let mut connection = server.connection().await;
    let dump: Vec<u8> = redis::cmd("DUMP").arg("sse:a").query_async(&mut connection).await.unwrap();
    let lost = Position::At(publish(&server, &["sse:a", "DATA", "lost"]).await);
    let mut restore = redis::cmd("RESTORE");
    restore.arg("sse:a").arg(0).arg(dump).arg("REPLACE");
    restore.query_async::<Value>(&mut connection).await.unwrap();
    assert_eq!(verdict(&archive, lost).await, RESET, "the position is ahead of the stream");
    publish(&server, &["sse:a", "DATA", "new"]).await;
    assert_ne!(verdict(&archive, lost).await, Verdict::Continues, "a higher id hides nothing");
}

#[tokio::test]
async fn a_position_of_another_stream_is_no_position_here() {
    let (server, archive) = library().await;
    xadd(&server, &["sse:a", "1-1", "data", "1"]).await;
    let other = Position::At(xadd(&server, &["sse:b", "2-1", "data", "1"]).await);
    xadd(&server, &["sse:a", "3-1", "data", "2"]).await;
    assert_eq!(verdict(&archive, other).await, Verdict::Gap(GapReason::UnknownPosition));
}

#[tokio::test]
async fn a_redis_that_may_evict_is_known_as_such() {
    let server = Server::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let archive = archive(&server.options());
    let before = tip(&archive).await;
    assert!(read(&archive, before).await.tip.evicts);
    assert_eq!(verdict(&archive, before).await, RESET);
}
