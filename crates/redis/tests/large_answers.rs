//! Large answers: how few of them Redis makes at a time, and what is asked for so that they cost it little.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_log::{Archive, Newest};
use fanfare_protocol::{EntryId, Position};
use fanfare_redis::{RedisArchive, RedisStore};
use redis::Value;
use support::streams::*;
use support::*;

/// Events of a stream in most of these tests.
const EVENTS: usize = 1_000;

/// Streams of so many events of so many bytes, `c0`, `c1` and so on; returns the ids of the first one.
async fn fill(server: &Server, channels: usize, (events, bytes): (usize, usize)) -> Vec<EntryId> {
    let (call, mut calls) = (server.publishing().await, redis::pipe());
    for _ in 0..events {
        calls.add_command(call.clone()).arg("sse:c0").arg("DATA").arg("x".repeat(bytes));
    }
    let ids = calls.query_async::<Vec<String>>(&mut server.connection().await).await.unwrap();
    for channel in 1..channels {
        server.run::<Value>(&["COPY", "sse:c0", &format!("sse:c{channel}")]).await;
    }
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

/// The first page of a channel, by which its sizes are known.
async fn first_page(archive: &RedisArchive, channel: &str) -> Position {
    let page = archive.read(request(channel, Position::At(EntryId::ZERO))).await.unwrap();
    assert!(!page.complete && page.entries.len() < 70, "{} entries at first", page.entries.len());
    Position::At(page.entries.last().unwrap().id())
}

// Seen to fail when large answers do not wait for their turn: eight connections then, each with an answer that Redis has to make.
#[tokio::test]
async fn redis_is_asked_for_few_large_answers_at_a_time() {
    let (server, _) = library().await;
    // Of few entries, which even a busy machine takes in before those who wait for their turn lose patience.
    let (channels, events) = (8, 200);
    fill(&server, channels, (events, 1_000)).await;
    let store = RedisStore::new(&server.options()).unwrap();
    let archive = store.archive();
    let mut afters = Vec::new();
    for channel in 0..channels {
        afters.push(first_page(&archive, &format!("c{channel}")).await);
    }
    let connections = async || {
        let clients: String = server.run(&["CLIENT", "LIST", "TYPE", "normal"]).await;
        clients.lines().count() - 1
    };
    eventually("one connection is left, of reads one after the other", async || connections().await == 1).await;
    let mut reads = tokio::task::JoinSet::new();
    for (channel, after) in afters.into_iter().enumerate() {
        let archive = archive.clone();
        reads.spawn(async move { archive.read(request(&format!("c{channel}"), after)).await.unwrap() });
    }
    for page in reads.join_all().await {
        assert!(page.complete && page.entries.len() > events / 2, "{} entries", page.entries.len());
    }
    eventually("there are as many connections as turns", async || connections().await <= 2).await;
}

// Seen to fail when the newest entries are looked at one by one, and when the page after them is read by a function.
#[tokio::test]
async fn the_newest_of_a_stream_that_holds_no_more_are_found_without_a_look_at_them() {
    let (server, archive) = library().await;
    let ids = fill(&server, 1, (EVENTS, 150)).await;
    let newest = archive.newest(name("c0"), EVENTS).await.unwrap();
    let Newest::After(beginning @ Position::Absent { at_ms, .. }) = newest.newest else { panic!("{newest:?}") };
    assert_eq!(at_ms, ids[0].ms);
    assert!(newest.bytes < 100, "{} bytes: the data of an entry", newest.bytes);
    assert_eq!(calls(&server, "xrevrange").await, 0);
    let (functions, transactions) = (calls(&server, "fcall_ro").await, calls(&server, "exec").await);
    let page = archive.read(request("c0", beginning)).await.unwrap();
    assert_eq!(page.entries.len(), EVENTS, "in one page");
    assert_eq!(calls(&server, "fcall_ro").await, functions, "a small stream is read by a transaction");
    assert_eq!(calls(&server, "exec").await, transactions + 1);
}

// Seen to fail when the look at the oldest entry teaches how large the others are, and when a page of one small entry does, which ended
// before a large one: 12 MB came in one answer.
#[tokio::test]
async fn a_small_oldest_entry_does_not_make_the_page_after_it_large() {
    let (server, archive) = library().await;
    let large = "x".repeat(1 << 20);
    publish(&server, &["sse:a", "DATA", "a small first one"]).await;
    for _ in 0..12 {
        publish(&server, &["sse:a", "DATA", &large]).await;
    }
    publish(&server, &["sse:a", "DATA", "a small last one"]).await;
    let before = bytes_sent(&server).await;
    RedisStore::new(&server.options()).unwrap().archive().newest(name("a"), 10).await.unwrap();
    let Newest::After(mut position) = archive.newest(name("a"), 100).await.unwrap().newest else { panic!() };
    let bytes = bytes_sent(&server).await - before;
    assert!(bytes < 100_000, "{bytes} bytes came to find the newest");
    let mut seen = 0;
    loop {
        let before = bytes_sent(&server).await;
        let page = read(&archive, position).await;
        let bytes = bytes_sent(&server).await - before;
        assert!(bytes < 2 << 20, "{bytes} bytes came at {position}");
        seen += page.entries.iter().filter(|entry| Position::At(entry.id()) != position).count();
        if page.complete {
            break;
        }
        position = Position::At(page.entries.last().unwrap().id());
    }
    assert_eq!(seen, 14);
}

// Seen to fail when the length is not compared with what was asked for, and when the first entry's id is taken for its predecessor.
#[tokio::test]
async fn one_entry_more_or_less_makes_no_difference_to_where_the_newest_begin() {
    let (server, _) = library().await;
    let ids = fill(&server, 1, (EVENTS, 150)).await;
    let newest = async |count| archive(&server.options()).newest(name("c0"), count).await.unwrap().newest;
    assert_eq!(newest(EVENTS - 1).await, Newest::After(Position::At(ids[0])));
    assert!(matches!(newest(EVENTS).await, Newest::After(Position::Absent { .. })));
    server.run::<Value>(&["XTRIM", "sse:c0", "MAXLEN", "=", "500"]).await;
    for count in [500, 501, 1_000] {
        assert_eq!(newest(count).await, Newest::After(Position::At(ids[499])), "{count}");
    }
    assert_eq!(newest(499).await, Newest::After(Position::At(ids[500])));
    server.run::<Value>(&["XDEL", "sse:c0", &ids[700].to_string()]).await;
    assert_eq!(newest(499).await, Newest::After(Position::At(ids[499])));
    assert_eq!(newest(498).await, Newest::After(Position::At(ids[500])));
}
