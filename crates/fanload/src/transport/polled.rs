//! A socket as the HTTP/2 library wants it.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::socket::Socket;

/// The name of HTTP/2 in ALPN, RFC 9113 section 3.2.
pub(crate) const H2: &[u8] = b"h2";

/// A socket whose `WouldBlock` is `Pending`. It registers no waker: its owner polls everything above it whenever the readiness
/// queue speaks of the socket.
pub(crate) struct Polled {
    socket: Socket,
    /// Whether the other end is known to speak HTTP/2.
    is_agreed: bool,
    /// Whether it ends by a reset. Shared with its owner, who cannot reach it within the library.
    abruptly: Arc<AtomicBool>,
}

impl Polled {
    /// A socket that ends by a reset if `abruptly` says so by then.
    pub(crate) fn new(socket: Socket, abruptly: Arc<AtomicBool>) -> Self {
        Self { socket, is_agreed: false, abruptly }
    }

    fn agree(&mut self) -> io::Result<()> {
        match self.socket.agreed_on(H2) {
            _ if self.is_agreed => {}
            None => {}
            Some(true) => self.is_agreed = true,
            Some(false) => return Err(io::Error::new(ErrorKind::Unsupported, "the other end speaks no HTTP/2 (ALPN)")),
        }
        Ok(())
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        self.socket.end(self.abruptly.load(Ordering::Relaxed));
    }
}

fn poll<T>(mut call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                return Poll::Pending;
            }
            result => return Poll::Ready(result),
        }
    }
}

impl AsyncRead for Polled {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buffer.initialize_unfilled();
        let read = poll(|| self.socket.read(room));
        self.agree()?;
        read.map_ok(|count| buffer.advance(count))
    }
}

impl AsyncWrite for Polled {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        poll(|| self.socket.write(data))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll(|| self.socket.write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(|| self.socket.flush())
    }

    /// Dropping it closes the socket.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
