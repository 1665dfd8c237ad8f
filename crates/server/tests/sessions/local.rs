//! Sessions over Unix sockets: the kernel says nothing of their peers but when they die.

use std::time::Duration;

use fanfare_log::Options;
use fanfare_log::memory::MemoryStore;
use fanfare_server::{DeliveryOptions, End};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use crate::scene::{Node, run};

const HEARTBEAT: Duration = Duration::from_millis(300);
const STALLED: Duration = Duration::from_millis(1_500);

async fn node() -> Node {
    let delivery = DeliveryOptions { heartbeat: HEARTBEAT, stalled: Some(STALLED), ..DeliveryOptions::default() };
    Node::start(&MemoryStore::default(), Options::default(), delivery).await
}

/// A session, and its peer.
fn connect(node: &Node) -> UnixStream {
    let (client, server) = UnixStream::pair().unwrap();
    socket2::SockRef::from(&server).set_send_buffer_size(8_192).unwrap();
    node.begin(server, &["a"], |_| {});
    client
}

async fn read_to(client: &mut UnixStream, text: &mut String, end: &str) {
    let mut buffer = [0; 1_000];
    while !text.contains(end) {
        let read = client.read(&mut buffer).await.unwrap();
        assert!(read > 0, "closed before {end:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

// Seen to fail where the kernel is asked, which says nothing.
#[test]
fn a_process_that_takes_nothing_is_ended_in_time() {
    run(async {
        let node = node().await;
        let mut client = connect(&node);
        read_to(&mut client, &mut String::new(), "id: ").await;
        sleep(2 * STALLED).await;
        assert_eq!(node.stats.sessions.get(), 1, "it takes all that there is");
        for n in 0..200 {
            node.publish("a", &format!("{n} {}", "x".repeat(1_000)));
        }
        let began = Instant::now();
        node.is_left_alone().await;
        let took = began.elapsed();
        assert!(took >= STALLED && took < STALLED + 3 * HEARTBEAT, "{took:?}");
        assert_eq!(node.stats.ends.of(End::Stalled).get(), 1);
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("data: 0 ") || text.contains("\ndata: 0 "), "what was handed out can still be read");
    });
}

#[test]
fn a_process_that_reads_slowly_gets_everything() {
    run(async {
        let node = node().await;
        let mut client = connect(&node);
        let mut text = String::new();
        read_to(&mut client, &mut text, "id: ").await;
        for n in 0..100 {
            node.publish("a", &format!("{n} {}", "x".repeat(1_000)));
        }
        node.publish("a", "last");
        while !text.contains("data: last\n") {
            let mut buffer = [0; 4_000];
            let read = client.read(&mut buffer).await.unwrap();
            assert!(read > 0, "ended after {} bytes", text.len());
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            sleep(HEARTBEAT / 3).await;
        }
        let numbers: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")?.split(' ').next()).collect();
        let expected: Vec<_> = (0..100).map(|n| n.to_string()).chain(["last".to_owned()]).collect();
        assert_eq!(numbers, expected);
    });
}

#[test]
fn a_process_that_dies_is_noticed_at_once() {
    run(async {
        let node = node().await;
        let mut client = connect(&node);
        read_to(&mut client, &mut String::new(), "id: ").await;
        let began = Instant::now();
        drop(client);
        node.is_left_alone().await;
        assert!(began.elapsed() < HEARTBEAT, "{:?}", began.elapsed());
        assert_eq!(node.stats.ends.of(End::Client).get(), 1);
    });
}
