//! What a connection thread tells operators of its sessions.

use std::time::Duration;

use fanfare_log::Options;
use fanfare_log::memory::{MemoryOptions, MemoryStore};
use fanfare_protocol::GapReason;
use fanfare_server::DeliveryOptions;
use tokio::time::timeout;

use crate::scene::{Node, run};

// Seen to fail where only writes that found a socket full are counted: whether any is full now is not told by that.
#[test]
fn a_session_whose_client_takes_nothing_is_blocked_and_behind_until_it_goes_on() {
    run(async {
        let delivery = DeliveryOptions { heartbeat: Duration::from_millis(160), ..DeliveryOptions::default() };
        let node = Node::start(&MemoryStore::default(), Options::default(), delivery).await;
        let mut live = node.connect(&["quiet"], |_| {}).await;
        live.prime().await;
        let mut slow = node.connect(&["a"], |_| {}).await;
        slow.prime().await;
        let (primes, _) = node.stats.primes.snapshot();
        assert_eq!(primes.iter().sum::<u64>(), 2);
        for _ in 0..200 {
            node.publish("a", &"x".repeat(4_000));
        }
        node.publish("a", "last");
        let counts = async |wanted| {
            let lagging = &node.stats.lagging;
            let counted = async {
                while (lagging.blocked.get(), lagging.behind.get()) != wanted {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let told = timeout(Duration::from_secs(10), counted).await;
            told.unwrap_or_else(|_| panic!("{} blocked, {} behind", lagging.blocked.get(), lagging.behind.get()));
        };
        counts((1, 1)).await;
        slow.until("data: last\n").await;
        counts((0, 0)).await;
    });
}

// Seen to count as a delivery and as nothing else.
#[test]
fn an_entry_that_is_too_large_is_counted_as_the_gap_that_stands_for_it() {
    run(async {
        let store = MemoryStore::new(MemoryOptions { max_event_bytes: 10, ..MemoryOptions::default() });
        let node = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        node.publish("a", "much too large");
        node.publish("a", "last");
        assert!(client.until("data: last\n").await.contains("too_large"));
        assert_eq!((node.stats.gaps.of(GapReason::TooLarge).get(), node.stats.deliveries.get()), (1, 2));
    });
}
