//! How clients learn their place that take an `id:` only together with data.

use std::time::Duration;

use fanfare_log::Options;
use fanfare_log::memory::MemoryStore;
use fanfare_protocol::LastEventId;
use fanfare_server::{DeliveryOptions, Heartbeat};

use tokio::time::Instant;

use crate::scene::{Ask, Node, run};

/// Absences are renewed, and heartbeats come, several times in a second.
async fn quick_node() -> Node {
    let options = Options { reconcile_interval: Duration::from_millis(300), ..Options::default() };
    let delivery = DeliveryOptions { heartbeat: Duration::from_millis(160), ..DeliveryOptions::default() };
    Node::start(&MemoryStore::default(), options, delivery).await
}

fn ready(ask: &mut Ask) {
    (ask.subscription.ready, ask.subscription.place) = (true, true);
}

// Seen to fail when what heartbeats renew is an id without data.
#[test]
fn who_came_without_a_place_is_told_newer_ones_by_events() {
    run(async {
        let node = quick_node().await;
        let mut client = node.connect(&["a"], ready).await;
        let first = client.prime().await;
        assert!(client.until("\n\n").await.starts_with("event: $ready\n"));
        client.until("event: $place\n").await;
        let place = client.until("\n\n").await;
        let position = place.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
        assert_eq!(place, format!("data: {{\"position\":\"{position}\"}}\nid: {position}\n\n"));
        assert!(position.starts_with('~') && position != first, "{first} {position}");
    });
}

// Seen to fail when newer places come as an id alone once an event, or the client, has brought one: many clients ignore it, keep
// the place that grows old, and are told of a gap the next time they come back.
#[test]
fn an_absence_that_is_renewed_is_told_by_events_for_as_long_as_the_stream_lasts() {
    run(async {
        let node = quick_node().await;
        let mut client = node.connect(&["a", "b"], ready).await;
        client.until("event: $ready\n").await;
        client.until("event: $place\n").await;
        node.publish("b", "x");
        client.until("data: x\nid: ").await;
        let place = client.until("\n\n").await.trim_end().to_owned();
        client.until("event: $place\n").await;
        let resume = Some(LastEventId::parse(&place));
        let mut back =
            node.connect(&["a", "b"], |r| (r.subscription.resume, r.subscription.place) = (resume, true)).await;
        back.until("event: $place\n").await;
    });
}

#[test]
fn ready_is_said_at_most_once_to_those_who_ask_and_ready_0_keeps_all_events_of_the_gateway_away() {
    run(async {
        let node = quick_node().await;
        let place = node.connect(&["a"], |_| {}).await.prime().await;
        let resume = Some(LastEventId::parse(&place));
        for ask in [(None, false), (resume.clone(), false), (resume, true)] {
            let is_ready = ask.1;
            let mut client = node.connect(&["a"], |r| (r.subscription.resume, r.subscription.ready) = ask).await;
            client.prime().await;
            let later = client.until("\n\nid: ").await;
            assert_eq!((later.contains("$ready"), later.contains("$place")), (is_ready, false), "{later}");
        }
    });
}

// Seen to fail when sweeps ask for the node's heartbeat only.
#[test]
fn a_client_with_a_heartbeat_of_its_own_hears_something_in_time_and_the_others_do_not() {
    run(async {
        let delivery = DeliveryOptions { heartbeat: Duration::from_secs(30), ..DeliveryOptions::default() };
        let node = Node::start(&MemoryStore::default(), Options::default(), delivery).await;
        node.publish("a", "old");
        let mut other = node.connect(&["a"], |_| {}).await;
        other.prime().await;
        let mut client = node.connect(&["a"], |r| r.subscription.heartbeat = Heartbeat::of_seconds(5)).await;
        client.prime().await;
        let start = Instant::now();
        client.until(":\n\n").await;
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(other.socket.try_read(&mut [0; 8]).is_err() && other.seen.is_empty(), "the node's own is not due");
    });
}

// Seen to fail when a client's heartbeat takes the place of the node's: proxies on the way are set up for the node's.
#[test]
fn a_heartbeat_that_is_longer_than_the_nodes_changes_nothing() {
    run(async {
        let node = quick_node().await;
        node.publish("a", "old");
        let mut client = node.connect(&["a"], |r: &mut Ask| r.subscription.heartbeat = Heartbeat::of_seconds(60)).await;
        client.prime().await;
        let start = Instant::now();
        client.until(":\n\n").await;
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    });
}
