//! Where a stream begins, and how it goes on elsewhere.

use std::time::Duration;

use fanfare_log::memory::MemoryStore;
use fanfare_log::{Archive, ArchiveError, Newest, NewestRead, Options, ReadRequest, Snapshot, Tip};
use fanfare_protocol::{EntryId, LastEventId, LogName, Position};
use fanfare_server::{DeliveryOptions, Framing};

use crate::scene::{Ask, Node, channel, run};

#[test]
fn a_session_that_was_primed_on_nothing_resumes_from_the_very_first_event_on_another_node() {
    run(async {
        let store = MemoryStore::default();
        let first = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        let second = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        let mut client = first.connect(&["a"], |_| {}).await;
        let position = client.prime().await;
        assert!(position.starts_with('~'), "{position}");
        drop(client);
        let id = second.publish("a", "first");
        let mut client = second.connect(&["a"], |r| r.subscription.resume = Some(LastEventId::parse(&position))).await;
        client.prime().await;
        assert_eq!(client.until("\n\n").await, format!("data: first\nid: {id}\n\n"));
    });
}

// Seen to fail when the beginning of the stream is written before anybody asks what is due.
#[test]
fn what_was_missed_leaves_in_the_same_write_as_the_beginning_of_the_stream() {
    run(async {
        let node = Node::start(&MemoryStore::default(), Options::default(), DeliveryOptions::default()).await;
        let mut witness = node.connect(&["a"], |_| {}).await;
        witness.prime().await;
        let position = node.publish("a", "seen").to_string();
        for n in 0..10 {
            node.publish("a", &format!("missed {n}"));
        }
        witness.until("data: missed 9\n").await;
        let before = node.stats.writes.get();
        let mut client = node.connect(&["a"], |r| r.subscription.resume = Some(LastEventId::parse(&position))).await;
        assert_eq!(client.prime().await, position);
        for n in 0..10 {
            assert!(client.until("\n\n").await.starts_with(&format!("data: missed {n}\nid: ")));
        }
        assert_eq!(node.stats.writes.get() - before, 1);
    });
}

// Seen to fail when a batch does not mind that the beginning of the stream has not gone out, and when a gap overtakes it.
#[test]
fn a_client_that_comes_back_too_late_gets_the_beginning_of_the_stream_and_then_the_gap() {
    run(async {
        let options = Options { tail_entries: 1, ..Options::default() };
        let delivery = DeliveryOptions { max_behind: Some(Duration::from_millis(1)), ..DeliveryOptions::default() };
        let node = Node::start(&MemoryStore::default(), options, delivery).await;
        let mut witness = node.connect(&["a"], |_| {}).await;
        witness.prime().await;
        let position = node.publish("a", "seen").to_string();
        for n in 0..3 {
            node.publish("a", &format!("missed {n}"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        // The first one has the page read, for the second it is there at once.
        for _ in 0..2 {
            let mut client =
                node.connect(&["a"], |r| r.subscription.resume = Some(LastEventId::parse(&position))).await;
            assert_eq!(client.prime().await, position);
            let gap = client.until("\n\n").await;
            assert!(gap.contains("event: $gap") && gap.contains("lagging"), "{gap}");
        }
    });
}

#[test]
fn several_channels_carry_one_vector_that_resumes_all_of_them() {
    run(async {
        let store = MemoryStore::default();
        let node = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        for name in ["a", "b", "c"] {
            node.publish(name, "old");
        }
        let mut client = node.connect(&["a", "b", "c"], |r| r.framing = Framing::Chunked).await;
        client.until("\n\n").await;
        node.publish("b", "b1");
        client.until("data: b1\n").await;
        let block = client.until("\n\n").await;
        let position = block.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
        drop(client);
        node.publish("a", "a1");
        node.publish("b", "b2");
        node.publish("c", "c1");
        let other = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        let mut client =
            other.connect(&["c", "a", "b"], |r| r.subscription.resume = Some(LastEventId::parse(&position))).await;
        client.prime().await;
        let mut seen = String::new();
        for _ in 0..3 {
            seen += &client.until("\n\n").await;
        }
        assert!(["a1", "b2", "c1"].iter().all(|data| seen.contains(&format!("data: {data}\n"))), "{seen}");
        assert!(!seen.contains("data: old") && !seen.contains("data: b1"), "{seen}");
        assert!(!seen.contains("$gap"), "{seen}");
    });
}

// A client may have asked for something else before, on the same connection, and read nothing of it. Seen to fail when what the
// socket did not take is not kept, alone or together with events.
#[test]
fn a_stream_begins_with_its_head_also_on_a_socket_that_is_full() {
    run(async {
        let store = MemoryStore::default();
        let node = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        // The node has the newest events in memory: they leave with the head.
        let mut other = node.connect(&["a"], |_| {}).await;
        other.prime().await;
        node.publish("a", "older");
        node.publish("a", "old");
        other.until("data: old\n").await;
        for last in [None, Some(1)] {
            let (mut client, server) = node.accept().await;
            server.writable().await.unwrap();
            while server.try_write(&[b'.'; 1024]).is_ok() {}
            let blocked = node.stats.blocked.get();
            node.begin(server, &["a"], |r| r.subscription.last = last);
            while node.stats.blocked.get() == blocked {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let before = client.until("HTTP/1.1 200 OK\r\n").await;
            assert!(before.trim_end_matches("HTTP/1.1 200 OK\r\n").bytes().all(|byte| byte == b'.'));
            client.until("\r\n\r\n").await;
            let prelude = client.until("\n\n").await;
            assert!(prelude.starts_with("retry: ") && prelude.contains("\nid: "), "{prelude}");
            if last.is_some() {
                assert!(client.until("\n\n").await.contains("data: old\n"));
            }
        }
    });
}

#[test]
fn the_newest_events_come_first_if_asked_for() {
    run(async {
        let store = MemoryStore::default();
        let node = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        for n in 0..5 {
            node.publish("a", &format!("n{n}"));
        }
        for count in [2, 5, 50] {
            let mut client = node.connect(&["a"], |r| r.subscription.last = Some(count)).await;
            client.until("retry: ").await;
            let seen = client.until("data: n4\n").await;
            let first = 5usize.saturating_sub(count);
            assert_eq!(seen.matches("data: n").count(), 5 - first, "{seen}");
            assert!(seen.contains(&format!("data: n{first}\n")) && !seen.contains("$gap"), "{seen}");
        }
    });
}

/// An archive that finds a newest entry whose predecessor nobody knows, and which is gone when it is read.
#[derive(Clone)]
struct Retracting(MemoryStore);

impl Archive for Retracting {
    async fn tips(&self, channels: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, ArchiveError> {
        self.0.tips(channels).await
    }

    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        self.0.read(request).await
    }

    async fn newest(&self, channel: LogName, _: usize) -> Result<NewestRead, ArchiveError> {
        let last = self.0.last_id(&channel).expect("something was published");
        Ok(NewestRead { newest: Newest::From(EntryId { seq: last.seq + 1, ..last }), bytes: 0 })
    }
}

// Seen to fail when the cursor takes the place in silence: a later gap then came `after` a place that the client never held.
#[test]
fn who_asked_for_the_newest_events_is_told_its_place_when_they_vanish_before_they_are_read() {
    run(async {
        let store = MemoryStore::default();
        let (archive, options) = (Retracting(store.clone()), Options::default());
        let node = Node::with(&store, archive, options, DeliveryOptions::default()).await;
        for (name, framing) in [("a", Framing::Plain), ("b", Framing::Chunked)] {
            let last = node.publish(name, "old");
            let request = |r: &mut Ask| (r.subscription.last, r.framing) = (Some(1), framing);
            let mut client = node.connect(&[name], request).await;
            assert!(client.until(&format!("id: {last}\n\n")).await.contains("retry: "));
            let next = node.publish(name, "new");
            let seen = client.until("data: new\n").await + &client.until("\n\n").await;
            assert!(seen.contains(&format!("id: {next}\n")) && !seen.contains("$gap"), "{seen}");
        }
        let last = node.publish("e", "old");
        let mut client = node.connect(&["e"], |r| (r.subscription.last, r.subscription.ready) = (Some(1), true)).await;
        let seen = client.until("\n\n").await;
        assert!(
            seen.contains("event: $ready\n") && seen.ends_with(&format!("\"channels\":[\"e\"]}}\nid: {last}\n\n")),
            "{seen}"
        );
        let names = ["c", "d"].map(channel);
        let places = names.clone().map(|name| Some(Position::At(node.publish(name.as_str(), "old"))));
        let mut client = node.connect(&["c", "d"], |r| r.subscription.last = Some(1)).await;
        let mut told = Vec::new();
        while told != places {
            told = LastEventId::parse(&client.prime().await).unwrap().resolve(&names);
        }
    });
}

#[test]
fn an_unknown_position_is_told_and_the_stream_starts_now() {
    run(async {
        let store = MemoryStore::default();
        let node = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        let last = node.publish("a", "old");
        let mut client =
            node.connect(&["a"], |r| r.subscription.resume = Some(LastEventId::parse("what is this"))).await;
        let gap = client.until("\n\n").await;
        assert!(gap.contains(&format!("id: {last}\n")) && gap.contains("unknown_position"), "{gap}");
    });
}

#[test]
fn a_position_older_than_the_cursor_age_is_told_and_the_stream_starts_now() {
    run(async {
        let store = MemoryStore::default();
        let delivery = DeliveryOptions { cursor_age: Some(Duration::from_secs(60)), ..DeliveryOptions::default() };
        let node = Node::start(&store, Options::default(), delivery).await;
        let last = node.publish("a", "retained");
        let old = EntryId { ms: last.ms - 61_000, seq: 0 };
        for (position, gap) in [(old, true), (last, false)] {
            let resume = LastEventId::parse(&position.to_string());
            let mut client = node.connect(&["a"], |r| r.subscription.resume = Some(resume)).await;
            let prelude = client.until("\n\n").await;
            assert_eq!(prelude.contains("unknown_position") && prelude.contains(&old.to_string()), gap, "{prelude}");
            assert!(prelude.contains(&format!("id: {last}\n")), "{prelude}");
        }
    });
}
