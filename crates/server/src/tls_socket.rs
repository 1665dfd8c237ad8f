//! A socket whose bytes are protected by TLS, once the handshake is done.
//!
//! It is a [`Socket`] like any other: to hyper, and then to the session that takes it over. What is written is *sealed*, in records of at most
//! 16 KiB, and a record cannot be taken back. So bytes count as written when they are sealed. What the socket beneath did not take of
//! the last record is held and goes first; nothing more is sealed until then. A slow reader costs one record, and an idle one no buffer. Nor
//! does a slow writer cost more than the one that it has begun.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fanfare_protocol::limits::{STREAM_RECORD_BYTES_MAX, TLS_RECORDS_PER_TURN};
use fanfare_tls::{Alert, Failure, Received, Records};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;
use tracing::debug;

use crate::silence::Silence;
use crate::socket::Socket;

/// Bytes that are read from the socket beneath at a time.
const READ_BYTES: usize = 4 << 10;

/// A socket and the keys of its connection. One pointer, since a session owns it.
pub(crate) struct TlsSocket<S>(Box<Inner<S>>);

struct Inner<S> {
    socket: S,
    connection: RefCell<Connection>,
}

/// What is known of the connection, and what is under way.
struct Connection {
    records: Records,
    /// Bytes of the peer that are a part of a record.
    received: Vec<u8>,
    /// Data of the peer, of which the first `read` bytes were taken.
    data: Vec<u8>,
    read: usize,
    /// Sealed records, of which the first `written` bytes have left.
    sealed: Vec<u8>,
    written: usize,
    state: State,
    /// Records that may still be opened in this turn.
    turn_left: u32,
    /// A turn is over, and there may be more to open.
    is_paused: bool,
    /// Whether the peer was told that nothing more comes.
    has_closed: bool,
    is_stream: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The peer sends nothing more.
    Ended,
    /// Nothing that the peer sends can be believed any more.
    Failed,
}

impl<S: Socket> TlsSocket<S> {
    /// The socket of a connection whose handshake is done, and nothing of it waits to be sent.
    pub(crate) fn new(socket: S, records: Records, data: Vec<u8>, received: Vec<u8>) -> Self {
        let (state, has_closed, is_stream) = (State::Open, false, false);
        let (read, sealed, written) = (0, Vec::new(), 0);
        let (turn_left, is_paused) = (0, false);
        let connection = Connection {
            records,
            received,
            data,
            read,
            sealed,
            written,
            state,
            turn_left,
            is_paused,
            has_closed,
            is_stream,
        };
        Self(Box::new(Inner { socket, connection: RefCell::new(connection) }))
    }
}

impl Connection {
    /// Whether there is something to read without the socket beneath.
    fn has_news(&self) -> bool {
        let is_whole = |length| length <= self.received.len();
        self.is_paused
            || !self.data.is_empty()
            || self.state != State::Open
            || Records::next_length(&self.received).is_some_and(is_whole)
    }

    /// Takes data that has come. `None`: there is none.
    fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let left = &self.data[self.read..];
        if left.is_empty() {
            return None;
        }
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.read += count;
        if self.read == self.data.len() {
            (self.data, self.read) = (Vec::new(), 0);
        }
        Some(count)
    }

    /// Opens the records that have come whole, as many as one turn has.
    fn open(&mut self) -> Result<(), Failure> {
        let mut at = 0;
        let opened = loop {
            if self.turn_left == 0 {
                break Ok(());
            }
            self.turn_left -= 1;
            match self.records.open(&mut self.received[at..], &mut self.data, &mut self.sealed) {
                Ok(Received::Incomplete) => break Ok(()),
                Ok(Received::Record(length)) => at += length,
                Ok(Received::Closed(length)) => {
                    at += length;
                    self.state = State::Ended;
                    break Ok(());
                }
                Err(failure) => break Err(failure),
            }
        };
        self.received.drain(..at);
        if self.is_stream || self.received.is_empty() {
            // A stream keeps nothing that it does not need.
            self.received.shrink_to_fit();
        }
        opened
    }

    /// Whether a stream's client has begun a record that is longer than what it may have to say. It is not waited for.
    fn says_too_much(&self) -> bool {
        self.is_stream && Records::next_length(&self.received).is_some_and(|length| length > STREAM_RECORD_BYTES_MAX)
    }

    /// Writes what is sealed.
    fn drain(&mut self, socket: &impl Socket) -> io::Result<()> {
        while self.written < self.sealed.len() {
            match socket.try_write(&self.sealed[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        (self.sealed, self.written) = (Vec::new(), 0);
        Ok(())
    }

    /// Tells the peer that nothing more comes, after what is held.
    fn close(&mut self) {
        if !std::mem::replace(&mut self.has_closed, true) {
            // A key that is used up has said its last: the end is seen all the same.
            let _ = self.records.alert(Alert::CloseNotify, &mut self.sealed);
        }
    }

    /// `WouldBlock` with `is_paused`: there may be more, after others had their turn.
    fn read(&mut self, socket: &impl Socket, buffer: &mut [u8]) -> io::Result<usize> {
        let mut scratch = [0; READ_BYTES];
        self.turn_left = TLS_RECORDS_PER_TURN;
        loop {
            if let Some(count) = self.take(buffer) {
                return Ok(count);
            }
            match self.state {
                State::Open => {}
                State::Ended => return Ok(0),
                State::Failed => return Err(ErrorKind::InvalidData.into()),
            }
            if self.turn_left == 0 {
                self.is_paused = true;
                return Err(ErrorKind::WouldBlock.into());
            }
            // What has come is opened before more is read.
            let missing = Records::next_length(&self.received).map(|length| length.saturating_sub(self.received.len()));
            if missing != Some(0) {
                // Of a record that has begun nothing but its rest is read, into room of its size: it may take its client hours.
                let most = missing.map_or(READ_BYTES, |missing| missing.min(READ_BYTES));
                match socket.try_read(&mut scratch[..most])? {
                    0 => self.state = State::Ended,
                    count => {
                        self.received.reserve_exact(missing.unwrap_or(count).max(count));
                        self.received.extend_from_slice(&scratch[..count]);
                    }
                }
            }
            let opened = self.open();
            if opened.is_err() || self.says_too_much() {
                if let Err(failure) = opened {
                    debug!(%failure, "a TLS connection ends");
                }
                self.state = State::Failed;
                self.received = Vec::new();
            }
            // An answer of the protocol, or an alert. What does not leave goes with what is written next.
            let _ = self.drain(socket);
        }
    }

    fn write(&mut self, socket: &impl Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.drain(socket)?;
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut taken = 0;
        while taken < all {
            taken += self.records.seal(slices, taken, &mut self.sealed).map_err(io::Error::other)?;
            match self.drain(socket) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }
}

impl<S: Socket> Socket for TlsSocket<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        {
            let mut connection = self.0.connection.borrow_mut();
            if std::mem::take(&mut connection.is_paused) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if connection.has_news() {
                return Poll::Ready(Ok(()));
            }
        }
        self.0.socket.poll_read_ready(cx)
    }

    fn may_be_readable(&self) -> bool {
        self.0.connection.borrow().has_news() || self.0.socket.may_be_readable()
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.connection.borrow_mut().read(&self.0.socket, buffer)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.socket.poll_write_ready(cx)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_slices(&[IoSlice::new(bytes)])
    }

    /// As many system calls as records.
    fn try_write_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.connection.borrow_mut().write(&self.0.socket, slices)
    }

    fn holds(&self) -> bool {
        !self.0.connection.borrow().sealed.is_empty()
    }

    fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let drained = self.0.connection.borrow_mut().drain(&self.0.socket);
            match drained {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.0.socket.poll_write_ready(cx))?,
                other => return Poll::Ready(other),
            }
        }
    }

    fn begin_stream(&self) {
        let mut connection = self.0.connection.borrow_mut();
        connection.is_stream = true;
        // What came behind the request is nothing that a stream's client has to say.
        (connection.data, connection.read) = (Vec::new(), 0);
        connection.received.shrink_to_fit();
        self.0.socket.begin_stream();
    }

    fn lift_user_timeout(&self) {
        self.0.socket.lift_user_timeout();
    }

    fn silence(&self) -> Option<Silence> {
        self.0.socket.silence()
    }

    fn is_local(&self) -> bool {
        self.0.socket.is_local()
    }

    fn abandon(&self) {
        self.0.socket.abandon();
    }

    fn close_sending_side(&self) {
        let mut connection = self.0.connection.borrow_mut();
        connection.close();
        // A client that takes nothing more misses 24 bytes, and sees the end all the same.
        let _ = connection.drain(&self.0.socket);
        self.0.socket.close_sending_side();
    }
}

impl<S: Socket> AsyncRead for TlsSocket<S> {
    /// A task that reads for ever has its turns like any other: what has come does not ask tokio for them.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let turn = ready!(coop::poll_proceed(cx));
        loop {
            match self.try_read(buf.initialize_unfilled()) {
                Ok(count) => {
                    turn.made_progress();
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.poll_read_ready(cx))?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl<S: Socket> AsyncWrite for TlsSocket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let turn = ready!(coop::poll_proceed(cx));
        loop {
            match self.try_write_slices(slices) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.poll_write_ready(cx))?,
                other => {
                    turn.made_progress();
                    return Poll::Ready(other);
                }
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.connection.borrow_mut().close();
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.0.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
