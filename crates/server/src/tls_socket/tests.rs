//! What a connection holds for a peer that takes little, over a socket made of memory.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use fanfare_tls::testing::SelfSigned;
use fanfare_tls::{Handshake, PLAINTEXT_BYTES_MAX, Step};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::*;

/// A socket whose peer takes as many bytes as the test says, and has sent those that are given.
#[derive(Default)]
struct Narrow {
    given: RefCell<VecDeque<u8>>,
    room: Cell<usize>,
    taken: RefCell<Vec<u8>>,
}

impl Socket for Narrow {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match io::Read::read(&mut *self.given.borrow_mut(), buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room.get());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room.set(self.room.get() - count);
        self.taken.borrow_mut().extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn try_write_slices(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        panic!("a record is one piece")
    }

    fn lift_user_timeout(&self) {}

    fn silence(&self) -> Option<Silence> {
        None
    }

    fn abandon(&self) {}

    fn close_sending_side(&self) {}
}

impl AsyncRead for Narrow {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The client, and the node's end over a socket that takes nothing yet.
fn connect() -> (ClientConnection, TlsSocket<Narrow>) {
    let shown = SelfSigned::new("localhost");
    let client = Arc::new(shown.client(&rustls::version::TLS13));
    let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut handshake = Handshake::new(Arc::new(shown.server())).unwrap();
    loop {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).unwrap();
        }
        handshake.receive(&sent);
        let step = handshake.advance().unwrap();
        let answer = handshake.take_outgoing();
        let mut answer = &answer[..];
        while !answer.is_empty() {
            client.read_tls(&mut answer).unwrap();
            client.process_new_packets().unwrap();
        }
        if step == Step::Done {
            break;
        }
    }
    let done = handshake.finish().unwrap();
    (client, TlsSocket::new(Narrow::default(), done.records, done.data, done.received))
}

/// Data that the client has read of what its socket took.
fn read(client: &mut ClientConnection, socket: &TlsSocket<Narrow>) -> Vec<u8> {
    let taken = std::mem::take(&mut *socket.0.socket.taken.borrow_mut());
    let (mut bytes, mut data) = (&taken[..], Vec::new());
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).unwrap();
        let state = client.process_new_packets().unwrap();
        let mut part = vec![0; state.plaintext_bytes_to_read()];
        std::io::Read::read_exact(&mut client.reader(), &mut part).unwrap();
        data.extend(part);
    }
    data
}

// Seen to fail where records are sealed until all bytes are taken, and where the rest of one is dropped.
#[test]
fn a_slow_reader_holds_one_record_at_most_and_gets_every_byte() {
    let (mut client, socket) = connect();
    let data: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    let (mut taken, mut got) = (0, Vec::new());
    while got.len() < data.len() {
        socket.0.socket.room.set(10_000);
        match socket.try_write(&data[taken..]) {
            Ok(count) => taken += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        let held = socket.0.connection.borrow().sealed.len();
        // The head, the tag and the kind of a record come on top (RFC 8446, section 5.2).
        assert!(held <= PLAINTEXT_BYTES_MAX + 32, "{held} bytes are held");
        got.extend(read(&mut client, &socket));
        assert!(taken - got.len() <= PLAINTEXT_BYTES_MAX, "{taken} bytes count as written, {} have come", got.len());
    }
    assert!(got == data);
    assert!(!socket.holds(), "a connection without anything under way holds no buffer");
}

// Seen to fail where what has come grows by doubling: up to 32 KiB.
#[test]
fn a_record_that_does_not_end_holds_its_own_length_and_no_more() {
    let (mut client, socket) = connect();
    // Before it another one, with which it is read.
    for data in [&b"begin"[..], &[7; PLAINTEXT_BYTES_MAX]] {
        io::Write::write_all(&mut client.writer(), data).unwrap();
    }
    let mut sent = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut sent).unwrap();
    }
    let last = sent.pop().unwrap();
    socket.0.socket.given.borrow_mut().extend(sent);
    let mut buffer = vec![0; PLAINTEXT_BYTES_MAX];
    assert_eq!(socket.try_read(&mut buffer).unwrap(), 5);
    assert_eq!(socket.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    let held = socket.0.connection.borrow().received.capacity();
    assert!(held <= PLAINTEXT_BYTES_MAX + 32, "{held} bytes are held");
    socket.0.socket.given.borrow_mut().push_back(last);
    assert_eq!(socket.try_read(&mut buffer).unwrap(), PLAINTEXT_BYTES_MAX);
    assert!(buffer.iter().all(|byte| *byte == 7));
    assert_eq!(socket.0.connection.borrow().received.capacity(), 0, "nothing is held between records");
}
