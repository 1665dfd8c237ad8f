//! Clients that take nothing for too long, and clients that only take their time.

use std::io::ErrorKind;
use std::time::Duration;

use fanfare_log::Options;
use fanfare_log::memory::MemoryStore;
use fanfare_protocol::LastEventId;
use fanfare_server::{DeliveryOptions, End};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, sleep};

use crate::scene::{Node, run};

const HEARTBEAT: Duration = Duration::from_millis(300);
const STALLED: Duration = Duration::from_millis(1_500);

async fn node(store: &MemoryStore) -> Node {
    let delivery = DeliveryOptions { heartbeat: HEARTBEAT, stalled: Some(STALLED), ..DeliveryOptions::default() };
    Node::start(store, Options::default(), delivery).await
}

/// Whether the kernel holds anything of the connection between these ports on the side of the first.
fn is_held(local: u16, remote: u16) -> bool {
    let (local, remote) = (format!(":{local:04X}"), format!(":{remote:04X}"));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let mut ends_with = |port: &str| fields.next().is_some_and(|address| address.ends_with(port));
        ends_with(&local) && ends_with(&remote)
    })
}

// Seen to fail when nobody looks for how long nothing could be sent.
#[test]
fn a_client_that_takes_nothing_is_ended_in_time_with_what_the_kernel_holds_and_resumes_without_loss() {
    run(async {
        let node = node(&MemoryStore::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        for n in 0..200 {
            node.publish("a", &format!("{n} {}", "x".repeat(1_000)));
        }
        let began = Instant::now();
        let [here, there] = [client.socket.local_addr(), client.socket.peer_addr()].map(|end| end.unwrap().port());
        node.is_left_alone().await;
        let took = began.elapsed();
        assert!(took >= STALLED && took < STALLED + 3 * HEARTBEAT, "{took:?}");
        assert_eq!(node.stats.ends.of(End::Stalled).get(), 1);
        assert!(!is_held(there, here), "the kernel still holds what nobody takes");

        let mut text = Vec::new();
        // What had arrived, and then a reset.
        let reset = client.socket.read_to_end(&mut text).await.unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
        let whole = String::from_utf8(text).unwrap();
        let whole = &whole[..whole.rfind("\n\n").unwrap() + 2];
        let position = whole.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().to_owned();
        let seen = whole.lines().filter(|line| line.starts_with("data: ")).count();
        assert!(seen > 0 && seen < 200, "{seen}");
        let mut client =
            node.connect(&["a"], |ask| ask.subscription.resume = Some(LastEventId::parse(&position))).await;
        client.prime().await;
        for n in seen..200 {
            let block = client.until("data: ").await + &client.until("\n").await;
            assert!(block.contains(&format!("data: {n} ")), "expected {n}, got {block}");
        }
    });
}

// Seen to fail when a window that was found shut counts, for however long it was.
#[test]
fn a_client_that_takes_a_little_now_and_then_stays_however_far_it_is_behind() {
    run(async {
        let node = node(&MemoryStore::default()).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        client.prime().await;
        for n in 0..2_000 {
            node.publish("a", &format!("{n} {}", "x".repeat(1_000)));
        }
        let mut sip = [0; 4_096];
        for _ in 0..10 {
            sleep(STALLED / 2).await;
            client.socket.read_exact(&mut sip).await.unwrap();
        }
        assert_eq!((node.core.sessions(), node.stats.ends.of(End::Stalled).get()), (1, 0));
        assert!(node.stats.blocked.get() > 0, "the socket was never full: the test proves nothing");
    });
}

// Seen to fail when the time since something was last sent counts by itself.
#[test]
fn a_client_for_which_nothing_waits_stays_however_long_its_channels_take_to_open() {
    run(async {
        let store = MemoryStore::default();
        store.set_offline(true);
        let delivery = DeliveryOptions {
            heartbeat: HEARTBEAT,
            stalled: Some(STALLED),
            subscribe_timeout: Duration::from_secs(60),
            ..DeliveryOptions::default()
        };
        let node = Node::start(&store, Options::default(), delivery).await;
        let mut client = node.connect(&["a"], |_| {}).await;
        sleep(2 * STALLED).await;
        store.set_offline(false);
        client.prime().await;
        assert_eq!(node.stats.ends.of(End::Stalled).get(), 0);
    });
}

// With the defaults, in time that a test may skip. Seen to fail with a limit of 50 seconds.
#[test]
fn a_client_that_takes_a_byte_a_minute_stays_and_is_ended_five_minutes_after_its_last() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.unwrap().block_on(async {
        let node = Node::start(&MemoryStore::default(), Options::default(), DeliveryOptions::default()).await;
        // Enough for the head of the stream and some events.
        let peer = node.sip(&["a"], 2_000, |_| {});
        sleep(Duration::from_secs(1)).await;
        for _ in 0..10 {
            node.publish("a", &"x".repeat(1_000));
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(peer.room(), 0);
        let before = peer.taken();
        for _ in 0..120 {
            sleep(Duration::from_secs(60)).await;
            peer.take(1);
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!((node.core.sessions(), peer.taken() - before), (1, 120));
        sleep(Duration::from_secs(5 * 60 - 10)).await;
        assert_eq!(node.core.sessions(), 1, "there are some seconds left");
        sleep(Duration::from_secs(40)).await;
        assert_eq!((node.core.sessions(), node.stats.ends.of(End::Stalled).get()), (0, 1));
    });
}
