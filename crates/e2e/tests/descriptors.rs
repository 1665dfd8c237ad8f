//! A node that may open few files.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fanfare_e2e::{Ledger, Node, Proxy, Publisher, RedisServer, eventually};

/// How long a client waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

fn subscribe(node: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(node).expect("the node listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    client
        .write_all(b"GET /events?channel=c HTTP/1.1\r\nHost: node\r\nAccept: text/event-stream\r\n\r\n")
        .expect("the node reads");
    client
}

/// Reads until `text` has come. `Err`: the stream ended before, after this.
fn read_to(client: &mut TcpStream, text: &str) -> Result<(), String> {
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    while !seen.contains(text) {
        match client.read(&mut buffer) {
            Ok(count) if count > 0 => seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
            Ok(_) => return Err(seen),
            Err(error) => panic!("neither {text:?} nor an end, but {error}: {seen}"),
        }
    }
    Ok(())
}

// Seen to fail without a reserve: the admin listener was dead, 176 clients hung, and the feed never came back.
#[test]
fn a_node_with_few_descriptors_serves_who_fits_refuses_the_others_politely_and_keeps_what_it_needs_itself() {
    let redis = RedisServer::start();
    let proxy = Proxy::to(redis.address());
    let url = format!("redis://{}", proxy.address());
    let node = Node::builder_at(&url).descriptors(256).set("redis.probe_interval", "200ms").start();
    let places = node.metric("fanfare_connections_limit", "").expect("a metric");
    assert!((32.0..256.0).contains(&places), "{places}");
    assert_eq!(node.log().matches("admits fewer connections than admission.max_connections").count(), 1);

    let mut clients: Vec<TcpStream> = (0..400).map(|_| subscribe(node.address())).collect();
    let mut refused = 0;
    clients.retain_mut(|client| match read_to(client, "\nid:") {
        Ok(()) => true,
        Err(seen) => {
            assert!(seen.starts_with("HTTP/1.1 200 OK\r\n") && seen.contains("\nretry: "), "not politely: {seen:?}");
            refused += 1;
            false
        }
    });
    assert!(clients.len() as f64 <= places && clients.len() as f64 >= places - 2.0, "{} of {places}", clients.len());
    assert_eq!(clients.len() + refused, 400);
    assert_eq!(node.admin("/livez").expect("operators are answered").status(), 200);

    let connects = node.metric("fanfare_feed_connects_total", "");
    proxy.cut();
    eventually("the feed to come back", || (node.metric("fanfare_feed_connects_total", "") > connects).then_some(()));
    Publisher::new(&redis, &Ledger::default()).fcall("c", "still here");
    for client in &mut clients {
        read_to(client, "data: still here").expect("every stream that was open goes on");
    }
}
