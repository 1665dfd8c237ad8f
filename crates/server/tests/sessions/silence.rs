//! Clients that take nothing, and clients that are not there any more.

use std::time::Duration;

use fanfare_log::Options;
use fanfare_log::memory::MemoryStore;
use fanfare_server::{DeliveryOptions, End};

use crate::scene::{Node, run};

async fn impatient_node(store: &MemoryStore) -> Node {
    let delivery = DeliveryOptions {
        heartbeat: Duration::from_millis(300),
        user_timeout: Duration::from_secs(1),
        stalled: None,
        ..DeliveryOptions::default()
    };
    Node::start(store, Options::default(), delivery).await
}

/// Publishes more than the client's window holds, lets several timeouts pass, and reads everything.
async fn read_nothing_for_long(node: &Node) {
    let mut client = node.connect(&["a"], |_| {}).await;
    client.prime().await;
    for n in 0..100 {
        node.publish("a", &format!("{n} {}", "x".repeat(1000)));
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    for n in 0..100 {
        let block = client.until("data: ").await + &client.until("\n\n").await;
        assert!(block.contains(&format!("data: {n} ")), "expected {n}, got {block}");
    }
}

// Seen to fail when the kernel's own timeout is not lifted.
#[test]
fn a_client_that_reads_nothing_for_longer_than_the_user_timeout_is_not_cut() {
    run(async {
        let node = impatient_node(&MemoryStore::default()).await;
        read_nothing_for_long(&node).await;
        assert!(node.stats.blocked.get() > 0, "the socket was never full: the test proves nothing");
    });
}

// Seen to fail when the kernel's own timeout is lifted from full sockets only.
#[test]
fn a_client_that_reads_nothing_is_not_cut_either_while_the_kernel_holds_all_that_is_due() {
    run(async {
        let mut node = impatient_node(&MemoryStore::default()).await;
        node.send_buffer = 1 << 20;
        read_nothing_for_long(&node).await;
        assert_eq!(node.stats.blocked.get(), 0, "the socket was full: that is the other test");
    });
}

// Seen to fail when nobody asks how long the client has been silent.
#[test]
fn a_client_that_vanishes_from_a_busy_channel_is_cut_though_its_socket_is_full() {
    run(async {
        let node = impatient_node(&MemoryStore::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        client.vanish();
        while node.stats.blocked.get() == 0 {
            node.publish("a", &"x".repeat(1000));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        node.is_left_alone().await;
        assert_eq!(node.stats.ends.of(End::Client).get(), 1);
    });
}

// Seen to fail when nobody asks how long the client has been silent.
#[test]
fn a_client_that_vanishes_from_a_quiet_channel_does_not_acknowledge_its_heartbeats_and_is_cut() {
    run(async {
        let node = impatient_node(&MemoryStore::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        client.vanish();
        node.is_left_alone().await;
        assert_eq!(node.stats.ends.of(End::Client).get(), 1);
    });
}
