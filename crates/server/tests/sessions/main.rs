//! Sessions on real sockets over the in-process store, without the HTTP head: what goes out on the wire and when.
// In a test a surprise is a failure, and tasks end with the test's runtime.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod counts;
mod ends;
mod expiry;
mod local;
mod positions;
mod scene;
mod sealing;
mod silence;
mod sips;
mod stalls;
mod telling;

use std::time::Duration;

use bytes::Bytes;
use fanfare_log::Options;
use fanfare_log::memory::MemoryStore;
use fanfare_server::DeliveryOptions;

use scene::{Node, channel, run};

#[test]
fn a_session_is_primed_and_then_gets_what_is_published() {
    run(async {
        let store = MemoryStore::default();
        let node = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        let before = node.publish("a", "before");
        let mut client = node.connect(&["a"], |_| {}).await;
        assert_eq!(client.prime().await, before.to_string());
        let id = node.publish("a", "after");
        assert_eq!(client.until("\n\n").await, format!("data: after\nid: {id}\n\n"));
        store.publish_ephemeral(channel("a"), Bytes::from_static(b"passing"));
        assert_eq!(client.until("\n\n").await, "data: passing\n\n");
        assert_eq!(node.stats.deliveries.get(), 2);
    });
}

#[test]
fn a_client_that_does_not_read_falls_behind_into_the_archive_and_then_gets_everything_in_order() {
    run(async {
        let store = MemoryStore::default();
        let options = Options { tail_entries: 4, page_bytes: 2048, ..Options::default() };
        let node = Node::start(&store, options, DeliveryOptions::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        let body = "x".repeat(500);
        for n in 0..2000 {
            node.publish("a", &format!("{n} {body}"));
            if n % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        for n in 0..2000 {
            let block = client.until("\n\n").await;
            assert!(block.contains(&format!("data: {n} ")), "expected {n}, got {block}");
        }
        assert!(node.stats.blocked.get() > 0, "the socket was never full: the test proves nothing");
    });
}

#[test]
fn events_that_come_close_together_share_a_write_if_coalescing_is_on() {
    run(async {
        for (coalesce_ms, expected) in [(0, 9..=10), (400, 1..=2)] {
            let store = MemoryStore::default();
            let coalesce = Duration::from_millis(coalesce_ms);
            let delivery = DeliveryOptions { coalesce, ..DeliveryOptions::default() };
            let node = Node::start(&store, Options::default(), delivery).await;
            let mut client = node.connect(&["a"], |_| {}).await;
            client.prime().await;
            let before = node.stats.writes.get();
            for n in 0..10 {
                node.publish("a", &format!("n{n}"));
                // Long enough to be taken in, and ten times much shorter than what is coalesced.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            client.until("data: n9\n").await;
            let writes = node.stats.writes.get() - before;
            assert!(expected.contains(&writes), "{writes} writes with {coalesce_ms} ms");
        }
    });
}
