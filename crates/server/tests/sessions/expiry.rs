//! Sessions end before their grants do, in time that a test may skip.

use std::rc::Rc;
use std::time::Duration;

use fanfare_auth::{Grant, UnixSeconds};
use fanfare_log::Options;
use fanfare_log::memory::MemoryStore;
use fanfare_server::{DeliveryOptions, End};
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, sleep, sleep_until};

use crate::scene::Node;
use crate::sips::Peer;

/// From one look at the sessions to the next, and a little more.
const SWEEP: Duration = Duration::from_millis(939);
const ROOMY: usize = 1 << 20;

fn skipping(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.unwrap().block_on(test);
}

async fn node() -> Node {
    Node::start(&MemoryStore::default(), Options::default(), DeliveryOptions::default()).await
}

/// A client whose grant ends in this time, which is less than a second longer than said.
fn limited(node: &Node, room: usize, life: Duration) -> (Rc<Peer>, Instant) {
    let (now, end) = (node.clock.wall_ms(), UnixSeconds(node.clock.wall_ms().div_ceil(1_000) + life.as_secs()));
    let grant = Grant { expires_at: Some(end), ..Grant::default() };
    let peer = node.sip(&["a"], room, |ask| ask.grant = Some(Box::new(grant)));
    (peer, Instant::now() + Duration::from_millis(end.0 * 1_000 - now))
}

// Seen to fail when the farewell has no place.
#[test]
fn a_session_ends_before_its_grant_with_expired_and_its_place_and_gets_nothing_afterwards() {
    skipping(async {
        let node = node().await;
        let (peer, end) = limited(&node, ROOMY, Duration::from_secs(60));
        sleep(Duration::from_secs(1)).await;
        let id = node.publish("a", "in time");
        sleep_until(end - Duration::from_secs(7) - 3 * SWEEP).await;
        assert_eq!(node.core.sessions(), 1, "not before the last tenth");
        assert!(!peer.text().contains("$expired"));
        sleep_until(end).await;
        assert_eq!((node.core.sessions(), node.stats.ends.of(End::Expired).get()), (0, 1));
        node.publish("a", "too late");
        sleep(Duration::from_secs(5)).await;
        let text = peer.text();
        assert!(text.contains(&format!("data: in time\nid: {id}\n\n")) && !text.contains("too late"), "{text}");
        let (_, farewell) = text.rsplit_once("\n\nretry: ").unwrap();
        assert!(farewell.ends_with(&format!("\nevent: $expired\ndata: {{}}\nid: {id}\n\n")), "{text}");
        assert!(peer.last() < end && !peer.is_abandoned());
    });
}

#[test]
fn a_session_without_a_grant_and_one_whose_grant_has_no_end_stay() {
    skipping(async {
        let node = node().await;
        let _first = node.sip(&["a"], ROOMY, |_| {});
        let _second = node.sip(&["a"], ROOMY, |ask| ask.grant = Some(Box::default()));
        sleep(Duration::from_secs(3 * 3_600)).await;
        assert_eq!(node.core.sessions(), 2);
    });
}

// Seen to fail when all end at the same time.
#[test]
fn grants_that_end_together_end_their_sessions_one_after_the_other() {
    skipping(async {
        let node = node().await;
        let all: Vec<_> = (0..600).map(|_| limited(&node, ROOMY, Duration::from_secs(3_600))).collect();
        let end = all[0].1;
        let mut left = Vec::new();
        sleep_until(end - Duration::from_secs(63)).await;
        for _ in 0..6 {
            left.push(node.core.sessions());
            sleep(Duration::from_secs(10)).await;
        }
        sleep_until(end).await;
        assert_eq!((left[0], node.core.sessions()), (600, 0), "{left:?}");
        assert!(left.windows(2).all(|pair| (60..=150).contains(&(pair[0] - pair[1]))), "{left:?}");
        assert_eq!(node.stats.ends.of(End::Expired).get(), 600);
    });
}

// Seen to fail when whole batches follow what was half out.
#[test]
fn a_client_that_is_slow_gets_the_rest_of_what_was_begun_and_the_farewell_and_no_other_event() {
    skipping(async {
        let node = node().await;
        let (peer, end) = limited(&node, 1_000, Duration::from_secs(120));
        sleep(Duration::from_secs(1)).await;
        let ids: Vec<_> = (0..3).map(|n| node.publish("a", &format!("{n}{}", "x".repeat(2_000)))).collect();
        sleep_until(end - 3 * SWEEP).await;
        assert_eq!((node.core.sessions(), peer.room()), (1, 0));
        peer.take(ROOMY);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(node.core.sessions(), 0);
        let text = peer.text();
        assert!(text.contains(&format!("x\nid: {}\n\nretry: ", ids[0])) && !text.contains("data: 1"), "{text}");
        assert!(text.ends_with(&format!("event: $expired\ndata: {{}}\nid: {}\n\n", ids[0])), "{text}");
    });
}

// Seen to fail when a farewell is waited for, however long it takes, and when the cut may come with the end itself.
#[test]
fn a_client_that_takes_nothing_is_cut_a_sweep_before_the_grant_ends() {
    skipping(async {
        let delivery = DeliveryOptions { stalled: None, ..DeliveryOptions::default() };
        let node = Node::start(&MemoryStore::default(), Options::default(), delivery).await;
        let (within, end) = limited(&node, 1_000, Duration::from_secs(600));
        let (before_farewell, _) = limited(&node, 0, Duration::from_secs(600));
        sleep(Duration::from_secs(1)).await;
        node.publish("a", &"x".repeat(2_000));
        sleep_until(end - 3 * SWEEP).await;
        assert_eq!(node.core.sessions(), 2);
        sleep_until(end - SWEEP).await;
        assert_eq!((node.core.sessions(), node.stats.ends.of(End::Expired).get()), (0, 2));
        for peer in [within, before_farewell] {
            let taken = peer.taken();
            peer.take(ROOMY);
            assert_eq!((peer.is_abandoned(), peer.taken()), (true, taken));
        }
    });
}

// Fails when the first reason counts.
#[test]
fn a_node_that_drains_while_grants_end_says_only_that_it_drains() {
    skipping(async {
        let node = node().await;
        // It takes no farewell yet.
        let (peer, end) = limited(&node, 1_000, Duration::from_secs(120));
        sleep(Duration::from_secs(1)).await;
        node.publish("a", &"x".repeat(2_000));
        sleep_until(end - 3 * SWEEP).await;
        node.core.drain(Duration::ZERO).await;
        peer.take(ROOMY);
        sleep(Duration::from_millis(1)).await;
        let text = peer.text();
        assert!(!text.contains("$expired") && text.contains("\n\nretry: "), "{text}");
        let ends = [End::Drain, End::Expired].map(|end| node.stats.ends.of(end).get());
        assert_eq!((ends, node.core.sessions()), ([1, 0], 0));
    });
}

// Seen to fail when the channels are opened first.
#[test]
fn a_grant_that_is_as_good_as_over_is_refused_before_the_stream_begins_and_opens_nothing() {
    skipping(async {
        let node = node().await;
        for life in [0, 1] {
            let (peer, _) = limited(&node, ROOMY, Duration::from_secs(life));
            assert_eq!((node.core.sessions(), node.stats.subscriptions.get()), (1, 0));
            sleep(Duration::from_millis(1)).await;
            assert!(peer.text().ends_with("Expired") && !peer.text().contains("$ready"), "{}", peer.text());
        }
        assert_eq!(node.stats.ends.of(End::Refused).get(), 2);
    });
}
