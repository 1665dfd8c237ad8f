//! HTTP/2 over TLS: what the client chose by ALPN, on one connection that both layers share.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fanfare_server::{DeliveryOptions, Network, Options};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::peer::{Peer, sessions};
use crate::support::Node;
use crate::support::authority::Authority;
use crate::support::by_certificate::{PROOF, by_certificate};

/// A node that offers both protocols.
pub fn node(change: impl FnOnce(&mut Options)) -> (Authority, Node) {
    let authority = Authority::offering(&[b"h2", b"http/1.1"]);
    let node = authority.node(change);
    (authority, node)
}

pub async fn dial(authority: &Authority, node: &Node, before: &[u8]) -> TlsStream<TcpStream> {
    let mut socket = TcpStream::connect(node.address()).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket.write_all(before).await.unwrap();
    shake(authority, socket).await
}

/// HTTP/2 over TLS, on whatever carries bytes.
pub async fn shake<S: AsyncRead + AsyncWrite + Unpin>(authority: &Authority, socket: S) -> TlsStream<S> {
    let mut config = authority.config(&rustls::version::TLS13);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    stream
}

#[tokio::test]
async fn fifty_streams_of_one_connection_get_every_event_and_a_stalled_one_stalls_nobody() {
    let (authority, node) = node(|_| {});
    let stream = dial(&authority, &node, b"").await;
    let mut peer = Peer::over(stream, |builder| {
        builder.initial_window_size(1 << 10).initial_connection_window_size(1 << 20);
    })
    .await;
    let mut stalled = peer.subscribe("channel=a").await;
    let mut bodies = Vec::new();
    for _ in 0..50 {
        bodies.push(peer.subscribe("channel=a").await);
    }
    sessions(&node, 51).await;
    let event = |n: usize| format!("{n} {}", "x".repeat(n * 371 % 20_000));
    for n in 0..40 {
        node.publish("a", &event(n));
    }
    for body in &mut bodies {
        for n in 0..40 {
            assert!(body.until("\n\n").await.contains(&format!("data: {}\n", event(n))), "event {n}");
        }
    }
    for n in 0..40 {
        assert!(stalled.until("\n\n").await.contains(&format!("data: {}\n", event(n))), "event {n}, late");
    }
}

#[tokio::test]
async fn a_drain_ends_streams_and_connection_in_order_behind_a_proxy_as_well() {
    let (authority, node) = node(|options| {
        options.listeners[0].proxy_protocol = true;
        options.admission.proxies.trusted = vec!["127.0.0.1".parse::<Network>().unwrap()];
    });
    let stream = dial(&authority, &node, b"PROXY TCP4 198.51.100.1 192.0.2.1 5 443\r\n").await;
    let mut peer = Peer::over(stream, |_| {}).await;
    let mut body = peer.subscribe("channel=a").await;
    sessions(&node, 1).await;
    node.publish("a", "before");
    body.until("data: before\n").await;
    node.server().drain();
    let (_, reset) = body.rest().await;
    assert!(reset.is_none());
    assert!(crate::peer::soon("the end of the connection", peer.connection).await.unwrap().is_ok());
}

// Seen to fail when the connection goes on, over which nobody could prove anything new.
#[tokio::test]
async fn a_certificate_gives_each_stream_a_grant_and_the_connection_goes_away_before_its_proof_is_over() {
    let authority = Authority::asking(&[b"h2"]);
    let delivery = DeliveryOptions { heartbeat: Duration::from_millis(200), ..DeliveryOptions::default() };
    let mut ahead = None;
    let change = |options: &mut Options| {
        options.listeners = vec![authority.listen()];
        ahead = Some(by_certificate(options));
    };
    let node = Node::with(change, delivery);
    let mut peer = Peer::over(dial(&authority, &node, b"").await, |_| {}).await;
    let mut body = peer.subscribe("channel=device-7").await;
    assert_eq!(peer.ask("channel=device-8").await.status(), 403);
    ahead.unwrap().store(PROOF.as_secs() - 30, Ordering::Relaxed);
    // A stream goes on to its own end.
    node.publish("device-7", "still here");
    body.until("data: still here\n").await;
    drop(body);
    assert!(crate::peer::soon("the end of the connection", &mut peer.connection).await.unwrap().is_ok());
    let mut again = Peer::over(dial(&authority, &node, b"").await, |_| {}).await;
    again.subscribe("channel=device-7").await;
}
