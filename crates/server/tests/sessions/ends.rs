//! How a stream ends, and what keeps one from beginning.

use std::time::Duration;

use fanfare_log::Options;
use fanfare_log::memory::MemoryStore;
use fanfare_server::{Close, DeliveryOptions, End, Framing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::scene::{Node, channel, run};

#[test]
fn a_quiet_session_gets_heartbeats_and_one_that_is_drained_gets_a_retry_and_an_end() {
    run(async {
        let store = MemoryStore::default();
        let delivery = DeliveryOptions { heartbeat: Duration::from_millis(200), ..DeliveryOptions::default() };
        let node = Node::start(&store, Options::default(), delivery).await;
        node.publish("a", "old");
        let mut client = node.connect(&["a"], |r| r.framing = Framing::Chunked).await;
        client.until("\n\n").await;
        client.until(":\n\n").await;
        node.core.drain(Duration::from_millis(10)).await;
        client.until("retry: ").await;
        client.until("\r\n0\r\n\r\n").await;
        assert_eq!(client.socket.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(node.core.sessions(), 0);
        assert_eq!(node.stats.ends.of(End::Drain).get(), 1);
    });
}

// Seen to fail when every stream has an end, and, where nothing marks an end, when the connection is closed as usual.
#[test]
fn a_stream_that_is_to_break_off_has_no_end() {
    run(async {
        for framing in [Framing::Chunked, Framing::Plain] {
            let node = Node::start(&MemoryStore::default(), Options::default(), DeliveryOptions::default()).await;
            let mut client =
                node.connect(&["a"], |r| (r.framing, r.subscription.close) = (framing, Close::Abort)).await;
            client.until("\n\n").await;
            node.core.drain(Duration::from_millis(10)).await;
            let mut rest = Vec::new();
            let end = timeout(Duration::from_secs(10), client.socket.read_to_end(&mut rest)).await.expect("the end");
            match framing {
                Framing::Chunked => assert!(end.is_ok() && rest.ends_with(b"\n\n\r\n"), "{end:?} {rest:?}"),
                Framing::Plain => assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset),
            }
            assert_eq!(node.stats.ends.of(End::Drain).get(), 1);
        }
    });
}

// Seen to fail when a session that has completed its frame waits for something new before it says goodbye.
#[test]
fn a_session_that_is_drained_in_the_middle_of_a_frame_ends_as_soon_as_the_frame_is_complete() {
    run(async {
        // No heartbeat wakes the session while the test lasts.
        let delivery = DeliveryOptions { heartbeat: Duration::from_secs(600), ..DeliveryOptions::default() };
        let node = Node::start(&MemoryStore::default(), Options::default(), delivery).await;
        let mut client = node.connect(&["a"], |r| r.framing = Framing::Chunked).await;
        client.until("\n\n").await;
        node.publish("a", &"x".repeat(500_000));
        while node.stats.blocked.get() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        node.core.drain(Duration::from_millis(10)).await;
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(10), client.socket.read_to_end(&mut rest)).await;
        end.expect("a whole frame, and then silence").unwrap();
        assert!(rest.ends_with(b"\r\n0\r\n\r\n"), "the body has no end");
        assert_eq!(node.stats.ends.of(End::Drain).get(), 1);
    });
}

#[test]
fn a_session_whose_channels_do_not_open_in_time_is_refused() {
    run(async {
        let store = MemoryStore::default();
        store.set_offline(true);
        let delivery = DeliveryOptions { subscribe_timeout: Duration::from_millis(50), ..DeliveryOptions::default() };
        let node = Node::start(&store, Options::default(), delivery).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.until("Timeout").await;
        assert_eq!(node.stats.ends.of(End::Refused).get(), 1);
    });
}

// Seen to fail when such a session begins without it.
#[test]
fn a_session_of_which_a_channel_has_no_place_is_refused_and_leaves_the_others() {
    run(async {
        let options = Options { max_channels: 2, ..Options::default() };
        let node = Node::start(&MemoryStore::default(), options, DeliveryOptions::default()).await;
        let mut first = node.connect(&["a"], |_| {}).await;
        first.prime().await;
        for _ in 0..3 {
            let mut client = node.connect(&["b", "c"], |_| {}).await;
            client.until("Channel").await;
        }
        assert_eq!(node.stats.ends.of(End::Refused).get(), 3);
        let mut second = node.connect(&["d"], |_| {}).await;
        second.prime().await;
        assert_eq!((node.core.sessions(), node.stats.subscriptions.get()), (2, 2));
    });
}

// Seen to fail when a session that was registered once never looks at what its socket has again.
#[test]
fn a_client_that_hangs_up_is_noticed_at_once_and_what_it_says_is_ignored() {
    run(async {
        let store = MemoryStore::default();
        let node = Node::start(&store, Options::default(), DeliveryOptions::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        client.socket.write_all(&[b'x'; 5000]).await.unwrap();
        node.publish("a", "still here");
        client.until("still here").await;
        drop(client);
        node.is_left_alone().await;
    });
}

#[test]
fn a_frame_whose_entry_is_retracted_while_it_is_half_written_ends_the_connection() {
    run(async {
        let store = MemoryStore::default();
        // Only the newest item of the node stays in memory.
        let options = Options { budget: 1, ..Options::default() };
        let node = Node::start(&store, options, DeliveryOptions::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        let mut other = node.connect(&["b"], |_| {}).await;
        other.prime().await;
        node.publish("a", "before");
        client.until("data: before\n").await;
        let half_written = node.publish("a", &"x".repeat(500_000));
        while node.stats.blocked.get() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(node.store.xdel(channel("a"), half_written));
        node.publish("b", "evicts it");
        other.until("data: evicts it\n").await;
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(10), client.socket.read_to_end(&mut rest)).await;
        end.expect("half a frame, and then silence").unwrap();
        assert!(!rest.ends_with(b"\n"), "the frame was complete: the test proves nothing");
        assert_eq!(node.stats.ends.of(End::Broken).get(), 1);
    });
}
