//! A socket that takes whole what it is offered and holds what the one beneath does not take, as a socket does that seals records.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fanfare_log::Options;
use fanfare_log::memory::MemoryStore;
use fanfare_server::{DeliveryOptions, Silence, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::scene::{Node, run};

struct Sealing {
    socket: TcpStream,
    held: RefCell<Vec<u8>>,
}

impl Sealing {
    fn drain(&self) -> io::Result<()> {
        let mut held = self.held.borrow_mut();
        while !held.is_empty() {
            let count = self.socket.try_write(&held)?;
            held.drain(..count);
        }
        Ok(())
    }
}

impl Socket for Sealing {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_read_ready(cx)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.try_read(buffer)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_write_ready(cx)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_slices(&[IoSlice::new(bytes)])
    }

    fn try_write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.drain()?;
        self.held.borrow_mut().extend(slices.iter().flat_map(|slice| slice.iter()));
        let taken = self.held.borrow().len();
        match self.drain() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn holds(&self) -> bool {
        !self.held.borrow().is_empty()
    }

    fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.drain() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.socket.poll_write_ready(cx))?,
                other => return Poll::Ready(other),
            }
        }
    }

    fn lift_user_timeout(&self) {}

    fn silence(&self) -> Option<Silence> {
        None
    }

    fn abandon(&self) {}

    fn close_sending_side(&self) {}
}

impl AsyncRead for Sealing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Sealing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

// Seen to fail where an offer that was taken whole ends the turn: nobody waits for room then, until the next event or heartbeat.
#[test]
fn what_a_socket_holds_of_the_last_event_leaves_as_soon_as_there_is_room() {
    run(async {
        let delivery = DeliveryOptions { heartbeat: Duration::from_secs(3_600), ..DeliveryOptions::default() };
        let node = Node::start(&MemoryStore::default(), Options::default(), delivery).await;
        let (mut client, socket) = node.accept().await;
        node.begin(Sealing { socket, held: RefCell::default() }, &["a"], |_| {});
        client.prime().await;
        for n in 0..10 {
            node.publish("a", &format!("{n} {} end of {n}", "x".repeat(300_000)));
            // The session writes before the client reads: the kernel has room for a part.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let text = tokio::time::timeout(Duration::from_secs(20), client.until(&format!("end of {n}\n"))).await;
            assert!(text.is_ok(), "event {n} stays in the node");
        }
    });
}
