//! The archive on a real server: the raw material of every continuity proof, and the verdicts that come of it.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_log::proof::{Verdict, prove};
use fanfare_log::{Archive, ArchiveError, Newest, ReadRequest, Snapshot};
use fanfare_protocol::{Decoded, EntryId, GapReason, Position};
use fanfare_redis::{LIBRARY, Options, RedisArchive, RedisBackend};
use redis::Value;
use support::*;

async fn library() -> (Server, RedisArchive) {
    let server = Server::start().await;
    server.run::<Value>(&["FUNCTION", "LOAD", LIBRARY]).await;
    let archive = archive(&server.options());
    (server, archive)
}

fn archive(options: &Options) -> RedisArchive {
    RedisBackend::new(options).unwrap().archive()
}

async fn publish(server: &Server, words: &[&str]) -> EntryId {
    let mut call = vec!["FCALL", "sse_publish", "1"];
    call.extend(words);
    server.run::<String>(&call).await.parse().unwrap()
}

async fn xadd(server: &Server, words: &[&str]) -> EntryId {
    let mut call = vec!["XADD"];
    call.extend(words);
    server.run::<String>(&call).await.parse().unwrap()
}

fn request(channel: &str, after: Position) -> ReadRequest {
    ReadRequest { channel: name(channel), after, max_entries: 1000, max_bytes: 256 * 1024 }
}

async fn read(archive: &RedisArchive, after: Position) -> Snapshot {
    archive.read(request("a", after)).await.unwrap()
}

async fn tip(archive: &RedisArchive) -> Position {
    archive.tips(vec![name("a")]).await.unwrap()[0].clone().unwrap().position
}

async fn verdict(archive: &RedisArchive, after: Position) -> Verdict {
    prove(after, &read(archive, after).await)
}

fn ids(snapshot: &Snapshot) -> Vec<EntryId> {
    snapshot.entries.iter().map(Decoded::id).collect()
}

const RESET: Verdict = Verdict::Gap(GapReason::Reset);

#[tokio::test]
async fn a_read_tells_the_range_from_the_position_on_the_first_entry_and_the_tip() {
    let (server, archive) = library().await;
    let mut published = Vec::new();
    for data in ["1", "2", "3"] {
        published.push(publish(&server, &["sse:a", "DATA", data]).await);
    }
    let snapshot = read(&archive, Position::At(published[1])).await;
    assert_eq!(ids(&snapshot), published[1..]);
    assert_eq!(snapshot.tip.position, Position::At(published[2]));
    let first = snapshot.first.unwrap();
    assert_eq!((first.id, first.prev), (published[0], Some(EntryId::ZERO)));
    assert!(snapshot.complete && snapshot.untouched && !snapshot.tip.evicts);
    assert!(snapshot.tip.now_ms >= published[2].ms && snapshot.tip.now_ms < published[2].ms + 10_000);
}

#[tokio::test]
async fn an_absent_stream_is_empty_at_the_time_of_redis_and_a_publish_right_after_continues_it() {
    let (server, archive) = library().await;
    let before = tip(&archive).await;
    let Position::Empty { at_ms, epoch } = before else { panic!("{before:?}") };
    let snapshot = read(&archive, before).await;
    assert_eq!(snapshot.tip.epoch, epoch, "one life, one epoch");
    assert!(snapshot.tip.now_ms >= at_ms && snapshot.entries.is_empty() && snapshot.complete);
    assert_eq!(prove(before, &snapshot), Verdict::Continues);
    let id = publish(&server, &["sse:a", "DATA", "1"]).await;
    assert_eq!(ids(&read(&archive, before).await), [id]);
    assert_eq!(verdict(&archive, before).await, Verdict::Continues);
}

#[tokio::test]
async fn a_foreign_first_entry_proves_nothing_about_absence() {
    let (server, archive) = library().await;
    let before = tip(&archive).await;
    xadd(&server, &["sse:a", "*", "data", "1"]).await;
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
    let (Position::Empty { epoch: old, .. }, Position::Empty { epoch: new, .. }) = (before, after) else { panic!() };
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

#[tokio::test]
async fn pages_of_large_entries_are_short_from_the_first_one_on() {
    let (server, archive) = library().await;
    let large = "x".repeat(1 << 20);
    for _ in 0..40 {
        publish(&server, &["sse:a", "DATA", &large]).await;
    }
    let mut after = Position::At(EntryId::ZERO);
    let mut pages = Vec::new();
    loop {
        let snapshot = read(&archive, after).await;
        let new = ids(&snapshot).into_iter().filter(|id| Position::At(*id) != after).collect::<Vec<_>>();
        pages.push(new.len());
        if snapshot.complete {
            break;
        }
        after = Position::At(*new.last().unwrap());
    }
    assert!(pages[0] <= 9, "nothing was known of the first page, yet it holds {} MiB", pages[0]);
    assert!(pages[1..].iter().all(|entries| *entries <= 1), "{pages:?}");
    assert_eq!(pages.iter().sum::<usize>(), 40);
}

#[tokio::test]
async fn pages_of_small_entries_grow_to_what_was_asked_for_and_lose_nothing_on_the_way() {
    let (server, archive) = library().await;
    let mut connection = server.connection().await;
    let mut calls = redis::pipe();
    for number in 0..3000 {
        calls.cmd("FCALL").arg("sse_publish").arg(1).arg("sse:a").arg("DATA").arg(number).ignore();
    }
    calls.query_async::<()>(&mut connection).await.unwrap();
    let (mut after, mut seen, mut reads) = (Position::Empty { at_ms: 0, epoch: epoch(&archive).await }, Vec::new(), 0);
    loop {
        let snapshot = read(&archive, after).await;
        reads += 1;
        seen.extend(ids(&snapshot).into_iter().filter(|id| Position::At(*id) != after));
        assert!(snapshot.entries.len() <= 1001);
        if snapshot.complete {
            break;
        }
        after = Position::At(*seen.last().unwrap());
    }
    assert_eq!(seen.len(), 3000);
    assert!(seen.is_sorted() && reads <= 8, "{reads} reads");
}

async fn epoch(archive: &RedisArchive) -> fanfare_protocol::Epoch {
    archive.tips(vec![name("a")]).await.unwrap()[0].clone().unwrap().epoch
}

#[tokio::test]
async fn a_small_request_is_answered_with_at_most_what_it_asked_for() {
    let (server, archive) = library().await;
    for _ in 0..20 {
        publish(&server, &["sse:a", "DATA", "d"]).await;
    }
    for (after, entries) in
        [(Position::At(EntryId::ZERO), 4), (Position::Empty { at_ms: 0, epoch: epoch(&archive).await }, 3)]
    {
        let request = ReadRequest { max_entries: 3, ..request("a", after) };
        let snapshot = archive.read(request).await.unwrap();
        assert_eq!(snapshot.entries.len(), entries, "the entry at the position itself comes on top");
        assert!(!snapshot.complete);
    }
}

#[tokio::test]
async fn tips_of_many_channels_come_in_order_with_each_channels_own_trouble() {
    let (server, archive) = library().await;
    let mut connection = server.connection().await;
    let mut calls = redis::pipe();
    for number in (0..700).step_by(2) {
        calls.cmd("XADD").arg(format!("sse:{number}")).arg(format!("7-{}", number + 1)).arg("data").arg("d").ignore();
    }
    calls.query_async::<()>(&mut connection).await.unwrap();
    server.run::<Value>(&["SET", "sse:3", "text"]).await;
    let names = (0..700u64).map(|number| name(&number.to_string())).collect();
    let tips = archive.tips(names).await.unwrap();
    assert_eq!(tips.len(), 700);
    for (number, tip) in (0u64..).zip(tips) {
        match (number, tip) {
            (3, tip) => assert_eq!(tip, Err(ArchiveError::WrongType)),
            (_, Ok(tip)) if number % 2 == 0 => {
                assert_eq!(tip.position, Position::At(EntryId { ms: 7, seq: number + 1 }));
            }
            (_, Ok(tip)) => assert!(matches!(tip.position, Position::Empty { .. }), "{tip:?}"),
            (_, Err(error)) => panic!("{number}: {error}"),
        }
    }
}

#[tokio::test]
async fn one_forbidden_channel_does_not_hide_the_tips_of_the_others() {
    let (server, _) = library().await;
    let id = publish(&server, &["sse:open", "DATA", "d"]).await;
    let rules = ["ACL", "SETUSER", "node", "reset", "on", ">secret", "+@all", "~sse:open", "~sse:$epoch"];
    server.run::<Value>(&rules).await;
    let archive = archive(&Options { url: server.url_of("node"), ..server.options() });
    let tips = archive.tips(vec![name("secret"), name("open")]).await.unwrap();
    assert!(matches!(&tips[0], Err(ArchiveError::Denied(reason)) if reason.contains("NOPERM")), "{tips:?}");
    assert_eq!(tips[1].as_ref().unwrap().position, Position::At(id));
    let denied = archive.read(request("secret", Position::At(id))).await;
    assert!(matches!(denied, Err(ArchiveError::Denied(_))), "{denied:?}");
}

#[tokio::test]
async fn the_newest_entries_begin_after_the_entry_before_them_or_after_what_the_oldest_names() {
    let (server, archive) = library().await;
    let newest = async |count| archive.newest(name("a"), count).await.unwrap();
    let Newest::Nothing(Position::Empty { .. }) = newest(5).await else { panic!() };
    let mut published = Vec::new();
    for _ in 0..30 {
        published.push(publish(&server, &["sse:a", "DATA", "d"]).await);
    }
    assert_eq!(newest(0).await, Newest::Nothing(Position::At(published[29])));
    assert_eq!(newest(5).await, Newest::After(Position::At(published[24])));
    assert_eq!(newest(25).await, Newest::After(Position::At(published[4])), "more than one page");
    let Newest::After(Position::Empty { at_ms, .. }) = newest(100).await else { panic!() };
    assert_eq!(at_ms, published[0].ms);
    server.run::<Value>(&["XTRIM", "sse:a", "MAXLEN", "=", "10"]).await;
    assert_eq!(newest(100).await, Newest::After(Position::At(published[19])));
    let foreign = xadd(&server, &["sse:b", "*", "data", "d"]).await;
    assert_eq!(archive.newest(name("b"), 3).await.unwrap(), Newest::From(foreign));
}

#[tokio::test]
async fn foreign_entries_are_decoded_and_counted() {
    let server = Server::start().await;
    let backend = RedisBackend::new(&Options { event_bytes: 1000, ..server.options() }).unwrap();
    xadd(&server, &["sse:a", "*", "data", "d", "event", "$gap"]).await;
    xadd(&server, &["sse:a", "*", "table", "orders"]).await;
    xadd(&server, &["sse:a", "*", "data", &"x".repeat(1001)]).await;
    let snapshot = read(&backend.archive(), Position::At(EntryId::ZERO)).await;
    let [Decoded::Entry(renamed), Decoded::Entry(object), Decoded::TooLarge { bytes: 1001, .. }] =
        &snapshot.entries[..]
    else {
        panic!("{snapshot:?}")
    };
    assert_eq!((&renamed.event, &object.event), (&event(None, "d"), &event(None, r#"{"table":"orders"}"#)));
    let report = backend.status().report();
    assert_eq!((report.foreign_event_names, report.foreign_without_data), (1, 1));
}

#[tokio::test]
async fn without_a_server_or_with_a_frozen_one_a_read_fails_in_time_and_recovers_by_itself() {
    let mut server = Server::absent(&[]);
    let options = Options { command_timeout: std::time::Duration::from_millis(300), ..server.options() };
    let archive = archive(&options);
    let failed = archive.tips(vec![name("a")]).await;
    assert!(matches!(failed, Err(ArchiveError::Unavailable(_))), "{failed:?}");
    server.up().await;
    archive.tips(vec![name("a")]).await.unwrap();
    server.freeze();
    let failed = archive.tips(vec![name("a")]).await;
    assert_eq!(failed, Err(ArchiveError::Timeout));
    server.thaw();
    eventually("the pool recovers", async || archive.tips(vec![name("a")]).await.is_ok()).await;
}
