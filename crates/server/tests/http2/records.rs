//! In how many records of TLS what many streams get leaves.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::peer::{Peer, sessions};
use crate::tls;

/// A socket that remembers what has come.
struct Tap {
    socket: TcpStream,
    came: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        self.came.lock().unwrap().extend_from_slice(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Records that these bytes are (RFC 8446, section 5.1).
fn records(mut bytes: &[u8]) -> usize {
    let mut records = 0;
    while let Some(head) = bytes.first_chunk::<5>() {
        let length = 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
        bytes = &bytes[length.min(bytes.len())..];
        records += 1;
    }
    records
}

// Seen to fail when h2 is told that writes may have several pieces: each frame of 300 bytes is a record then, and a system call.
#[tokio::test]
async fn frames_of_many_streams_share_records_and_a_long_one_has_its_head_with_it() {
    const STREAMS: usize = 50;
    let (authority, node) = tls::node(|_| {});
    let came = Arc::new(Mutex::new(Vec::new()));
    let socket = TcpStream::connect(node.address()).await.unwrap();
    let stream = tls::shake(&authority, Tap { socket, came: Arc::clone(&came) }).await;
    let mut peer = Peer::over(stream, |builder| {
        builder.initial_window_size(1 << 20).initial_connection_window_size(10 << 20);
    })
    .await;
    let mut bodies = Vec::new();
    for _ in 0..STREAMS {
        bodies.push(peer.subscribe("channel=a").await);
    }
    sessions(&node, STREAMS).await;
    for (bytes, most) in [(300, STREAMS / 4), (5_000, STREAMS + 10)] {
        let before = came.lock().unwrap().len();
        let event = format!("{bytes} {}", "x".repeat(bytes));
        node.publish("a", &event);
        for body in &mut bodies {
            assert!(body.until("\n\n").await.contains(&format!("data: {event}\n")));
        }
        let records = records(&came.lock().unwrap()[before..]);
        assert!(records <= most, "{records} records for {STREAMS} events of {bytes} bytes");
    }
}
