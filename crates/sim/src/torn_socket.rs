//! A client's end of a connection that is lost after any byte of what it reads.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::End;

/// Bytes of one read, at most.
const PIECE_BYTES: usize = 4_096;

/// A socket that brings so many bytes more.
#[derive(Debug)]
pub(crate) struct TornSocket {
    end: End,
    left: usize,
}

impl TornSocket {
    pub(crate) fn new(end: End, left: usize) -> Self {
        Self { end, left }
    }
}

impl AsyncRead for TornSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut piece = [0; PIECE_BYTES];
        let most = PIECE_BYTES.min(self.left).min(buffer.remaining());
        let mut within = ReadBuf::new(&mut piece[..most]);
        ready!(Pin::new(&mut self.end).poll_read(cx, &mut within))?;
        self.left -= within.filled().len();
        buffer.put_slice(within.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TornSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.end).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_shutdown(cx)
    }
}
