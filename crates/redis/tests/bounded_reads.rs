//! Reads with a bound on bytes: what a function of the library tells is what a transaction tells, cut at any byte.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_log::proof::{Verdict, prove};
use fanfare_log::{Archive, Newest, ReadRequest, Snapshot};
use fanfare_protocol::{Decoded, EntryId, Position};
use fanfare_redis::{LIBRARY, Options, RedisArchive, RedisStore};
use redis::Value;
use support::streams::*;
use support::*;

const EVENT_BYTES: usize = 300;

/// A stream in which every kind of entry stands beside every other.
async fn mixed_stream(server: &Server) -> Vec<EntryId> {
    let large = "x".repeat(EVENT_BYTES + 1);
    let name = "n".repeat(256);
    let fits = "y".repeat(EVENT_BYTES);
    let mut ids = Vec::new();
    for round in 0..3 {
        ids.push(publish(server, &["sse:a", "DATA", "d", "EVENT", "e"]).await);
        ids.push(publish(server, &["sse:a", "DATA", &large, "EVENT", "e"]).await);
        ids.push(publish(server, &["sse:a", "DATA", &fits]).await);
        for fields in [
            &["data", "first", "data", "second", "event", &name][..],
            &["data", &large, "event", &name],
            &["data", &large, "prev", "none"],
            &["data", "d", "unknown", &large, "prev", "1-1"],
            &["prev", "1-1", "data", "d"],
            &["table", "orders", "row", "7"],
            &["table", &large, "prev", "1-1"],
            &["table", &"\u{1}".repeat(EVENT_BYTES / 2)],
            &["unknown", &large, "data", ""],
        ] {
            ids.push(xadd(server, &[&["sse:a", "*"], fields].concat()).await);
        }
        if round == 1 {
            server.run::<Value>(&["XDEL", "sse:a", &ids.pop().unwrap().to_string()]).await;
        }
    }
    ids
}

fn archive_of(options: &Options) -> (RedisArchive, RedisStore) {
    let store = RedisStore::new(&Options { event_bytes: EVENT_BYTES, ..options.clone() }).unwrap();
    (store.archive(), store)
}

async fn page(archive: &RedisArchive, after: Position, max_entries: usize, max_bytes: usize) -> Snapshot {
    archive.read(ReadRequest { log: name("a"), after, max_entries, max_bytes }).await.unwrap()
}

fn after(position: Position, snapshot: &Snapshot) -> Vec<Decoded> {
    let is_new = |entry: &&Decoded| Position::At(entry.id()) != position;
    snapshot.entries.iter().filter(is_new).cloned().collect()
}

// Seen to fail when the entry at the position counts, when a step that overshoots is told, and when `prev` is looked for anywhere.
#[tokio::test]
async fn a_function_tells_what_a_transaction_tells_cut_at_any_byte() {
    let (server, _) = library().await;
    let ids = mixed_stream(&server).await;
    let (by_transaction, transactions) = archive_of(&user_without(&server, &["-@scripting"]).await);
    let (by_function, functions) = archive_of(&server.options());
    let starts = ids.iter().map(|id| Position::At(*id)).chain([
        Position::At(EntryId::ZERO),
        Position::At(EntryId { seq: ids[3].seq + 7, ..ids[3] }),
        Position::Absent { at_ms: 0, epoch: epoch(&by_function).await },
    ]);
    for start in starts {
        let whole = page(&by_transaction, start, 1000, usize::MAX >> 20).await;
        let mut wanted = after(start, &whole);
        let mut complete = whole.complete;
        while !complete {
            let last = Position::At(wanted.last().unwrap().id());
            let next = page(&by_transaction, last, 1000, usize::MAX >> 20).await;
            wanted.extend(after(last, &next));
            complete = next.complete;
        }
        for max_bytes in (0..5).chain((5..3000).step_by(97)) {
            let cut = page(&by_function, start, 1000, max_bytes).await;
            let got = after(start, &cut);
            assert_eq!(got[..], wanted[..got.len()], "{start} {max_bytes}");
            assert!(!got.is_empty() || wanted.is_empty(), "a page without progress: {start} {max_bytes}");
            assert_eq!(cut.complete, got.len() == wanted.len(), "{start} {max_bytes}");
            assert_eq!((cut.first, cut.untouched), (whole.first, whole.untouched));
            assert_eq!((cut.tip.position, cut.tip.epoch), (whole.tip.position, whole.tip.epoch));
            assert_eq!(prove(start, &cut), prove(start, &whole), "{start} {max_bytes}");
        }
    }
    let way = if server.has_functions().await { "fcall_ro" } else { "evalsha" };
    assert!(calls(&server, way).await > 1000);
    let (one, other) = (transactions.status().report(), functions.status().report());
    assert!(one.foreign_event_names > 0 && other.foreign_event_names > 0);
}

// Seen to fail without at least one entry in a page.
#[tokio::test]
async fn a_reader_gets_through_a_stream_whose_entries_are_all_larger_than_a_page() {
    let (server, archive) = library().await;
    let large = "x".repeat(100_000);
    let mut published = Vec::new();
    for _ in 0..20 {
        published.push(publish(&server, &["sse:a", "DATA", &large]).await);
    }
    let (mut position, mut seen) = (Position::Absent { at_ms: 0, epoch: epoch(&archive).await }, Vec::new());
    for _ in 0..20 {
        let snapshot = page(&archive, position, 1000, 4096).await;
        seen.extend(after(position, &snapshot).iter().map(Decoded::id));
        position = Position::At(*seen.last().unwrap());
        assert_eq!(snapshot.complete, seen.len() == 20);
    }
    assert_eq!(seen, published);
}

// Seen to fail when the entry at the position is looked at in any case, and when nothing is said of it in none.
#[tokio::test]
async fn the_entry_at_a_position_is_looked_at_only_where_the_one_after_it_does_not_name_it() {
    let (server, archive) = library().await;
    let large = "x".repeat(100_000);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(publish(&server, &["sse:a", "DATA", &large]).await);
    }
    for _ in 0..2 {
        ids.push(xadd(&server, &["sse:a", "*", "data", &large]).await);
    }
    ids.push(publish(&server, &["sse:a", "DATA", &large]).await);
    // The first read gives this life of the data its name and begins again.
    epoch(&archive).await;
    // What a page of one entry looks at: that entry, and the one at the position.
    for (at, looked_at) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 1), (5, 1)] {
        server.run::<Value>(&["CONFIG", "RESETSTAT"]).await;
        let position = Position::At(ids[at]);
        let snapshot = page(&archive, position, 1000, 4096).await;
        assert_eq!(prove(position, &snapshot), Verdict::Continues, "{at}");
        assert_eq!(after(position, &snapshot).first().map(Decoded::id), ids.get(at + 1).copied());
        assert_eq!(calls(&server, "xrange").await, looked_at, "{at}");
        assert_eq!((snapshot.first.unwrap().id, snapshot.tip.position), (ids[0], Position::At(ids[5])));
    }
}

// Seen to fail with counts learnt from the small entries: 400 MB were asked for in one command.
#[tokio::test]
async fn after_a_pause_a_page_is_bounded_by_bytes_whatever_was_learnt_before_it() {
    let (server, archive) = library().await;
    let mut connection = server.connection().await;
    let mut calls = redis::pipe();
    for number in 0..3000 {
        calls.cmd("XADD").arg("sse:a").arg("*").arg("data").arg(number).ignore();
    }
    calls.query_async::<()>(&mut connection).await.unwrap();
    let mut position = Position::At(EntryId::ZERO);
    loop {
        let snapshot = read(&archive, position).await;
        position = Position::At(snapshot.entries.last().unwrap().id());
        if snapshot.complete {
            break;
        }
    }
    let large = "x".repeat(1 << 20);
    for _ in 0..40 {
        publish(&server, &["sse:a", "DATA", &large]).await;
    }
    publish(&server, &["sse:a", "DATA", "a small last one"]).await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    for _ in 0..40 {
        tip(&archive).await;
        let snapshot = read(&archive, position).await;
        let new = after(position, &snapshot);
        assert_eq!(new.len(), 1, "a page of one large entry");
        position = Position::At(new[0].id());
    }
    assert!(read(&archive, position).await.complete);
}

// Seen to fail when a page is counted in entries as soon as those before it were small.
#[tokio::test]
async fn a_reader_that_comes_from_small_entries_to_large_ones_gets_no_page_larger_than_others() {
    let (server, archive) = library().await;
    let mut connection = server.connection().await;
    let large = "x".repeat(1 << 20);
    let mut calls = redis::pipe();
    for number in 0..2000 {
        calls.cmd("XADD").arg("sse:a").arg("*").arg("data").arg(number).ignore();
    }
    calls.query_async::<()>(&mut connection).await.unwrap();
    for _ in 0..20 {
        publish(&server, &["sse:a", "DATA", &large]).await;
    }
    publish(&server, &["sse:a", "DATA", "a small last one"]).await;
    let (mut position, mut seen) = (Position::At(EntryId::ZERO), 0);
    loop {
        let snapshot = read(&archive, position).await;
        let new = after(position, &snapshot);
        seen += new.len();
        let bytes = snapshot.bytes();
        assert!(bytes <= 256 * 1024 + (1 << 20), "{bytes} bytes at {position}");
        if snapshot.complete {
            break;
        }
        position = Position::At(new.last().unwrap().id());
    }
    assert_eq!(seen, 2021);
}

#[tokio::test]
async fn where_there_is_no_library_the_same_text_is_run_as_a_script_and_else_a_transaction() {
    let server = Server::start().await;
    for _ in 0..30 {
        xadd(&server, &["sse:a", "*", "data", &"x".repeat(100_000)]).await;
    }
    let read = async |options: &Options| {
        let archive = archive(options);
        let entries = read(&archive, Position::At(EntryId::ZERO)).await.entries.len();
        (entries, archive.newest(name("a"), 20).await.unwrap())
    };
    let everybody = read(&server.options()).await;
    assert_eq!(everybody.0, 2, "two entries of 100 kB are a page");
    let [by_name, by_text] = if server.has_functions().await { ["evalsha_ro", "eval_ro"] } else { ["evalsha", "eval"] };
    assert!(calls(&server, by_name).await >= 2);
    assert_eq!(calls(&server, by_text).await, 1, "the text is sent once");
    if !server.has_functions().await {
        let transactions = read(&user_without(&server, &["-@scripting"]).await).await;
        assert_eq!((transactions.0, transactions.1), (9, everybody.1), "the first page is small");
        return;
    }
    assert_eq!(read(&user_without(&server, &["-eval_ro", "-evalsha_ro"]).await).await, everybody);
    assert!(calls(&server, "evalsha").await >= 2);
    let transactions = read(&user_without(&server, &["-@scripting"]).await).await;
    assert_eq!((transactions.0, transactions.1), (9, everybody.1), "the first page is small");
    // A library of the first version has no such functions.
    let old = "#!lua name=fanfare\nredis.register_function('sse_publish', function() return 1 end)";
    server.run::<Value>(&["FUNCTION", "LOAD", old]).await;
    assert_eq!(read(&user_without(&server, &["-eval_ro", "-evalsha_ro"]).await).await, everybody);
    server.run::<Value>(&["FUNCTION", "LOAD", "REPLACE", LIBRARY]).await;
    let before = calls(&server, "fcall_ro").await;
    assert_eq!(read(&server.options()).await, everybody);
    assert!(calls(&server, "fcall_ro").await > before);
}

#[tokio::test]
async fn a_stream_with_large_ends_is_compared_without_them() {
    let (server, archive) = library().await;
    let large = "x".repeat(4 << 20);
    publish(&server, &["sse:a", "DATA", &large]).await;
    let last = publish(&server, &["sse:a", "DATA", &large]).await;
    let small = publish(&server, &["sse:b", "DATA", "d"]).await;
    server.run::<Value>(&["SET", "sse:c", "text"]).await;
    let names = ["b", "a", "none", "c"].map(name).to_vec();
    for round in 0..4 {
        let before = bytes_sent(&server).await;
        let tips = archive.tips(names.clone()).await.unwrap();
        assert_eq!(tips[0].as_ref().unwrap().position, Position::At(small));
        assert_eq!(tips[1].as_ref().unwrap().position, Position::At(last));
        assert!(matches!(tips[2].as_ref().unwrap().position, Position::Absent { .. }));
        assert!(tips[3].is_err());
        let bytes = bytes_sent(&server).await - before;
        assert!(round == 0 || bytes < 100_000, "round {round} brought {bytes} bytes");
    }
}

// Seen to fail when the look at the oldest entry brings its data.
#[tokio::test]
async fn the_newest_of_large_entries_are_found_without_bringing_them() {
    let (server, archive) = library().await;
    let large = "x".repeat(300_000);
    let mut published = Vec::new();
    for _ in 0..30 {
        published.push(publish(&server, &["sse:a", "DATA", &large]).await);
    }
    let before = bytes_sent(&server).await;
    assert_eq!(archive.newest(name("a"), 20).await.unwrap().newest, Newest::After(Position::At(published[9])));
    let Newest::After(Position::Absent { at_ms, .. }) = archive.newest(name("a"), 100).await.unwrap().newest else {
        panic!()
    };
    assert_eq!(at_ms, published[0].ms);
    assert_eq!(calls(&server, "exec").await, 0, "functions tell it all");
    let bytes = bytes_sent(&server).await - before;
    assert!(bytes < 100_000, "{bytes} bytes crossed the link");
}

// Seen to fail when a transaction is all that is tried: Redis 7.0 refuses to queue commands then.
#[tokio::test]
async fn streams_are_read_while_the_memory_of_redis_is_full() {
    let (server, archive) = library().await;
    let id = publish(&server, &["sse:a", "DATA", "d"]).await;
    tip(&archive).await;
    server.run::<Value>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(tip(&archive).await, Position::At(id));
    for _ in 0..3 {
        assert_eq!(ids(&read(&archive, Position::At(EntryId::ZERO)).await), [id]);
        assert_eq!(archive.newest(name("a"), 0).await.unwrap().newest, Newest::Nothing(Position::At(id)));
    }
}
