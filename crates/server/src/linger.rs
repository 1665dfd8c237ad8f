//! How a socket is closed so that what was written to it arrives.

use fanfare_protocol::limits::{CLOSE_LINGER, CLOSE_LINGER_BYTES_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::socket::Socket;

/// Size of the pieces, in bytes, in which the remaining bytes of a client are read.
const LINGER_BUFFER: usize = 4 << 10;

/// Closes so that the response arrives: first the sending side, then the rest once the client has closed, too. Closing a
/// socket with unread bytes resets it, and the reset can overtake the response.
pub(crate) async fn linger(mut socket: impl Socket, has_ended: bool) {
    if has_ended {
        return;
    }
    let discard = async {
        // Over TLS it waits for what is held, and the client may take nothing more.
        if socket.shutdown().await.is_err() {
            return;
        }
        let mut buffer = vec![0; LINGER_BUFFER];
        let mut left = CLOSE_LINGER_BYTES_MAX;
        while left > 0 {
            match socket.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    };
    let _ = tokio::time::timeout(CLOSE_LINGER, discard).await;
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, IoSlice};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::time::Instant;

    use super::*;
    use crate::silence::Silence;

    /// A socket whose peer takes nothing more: what is held never leaves.
    struct Stuck;

    impl Socket for Stuck {
        fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn try_read(&self, _: &mut [u8]) -> io::Result<usize> {
            Err(ErrorKind::WouldBlock.into())
        }

        fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn try_write(&self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::WouldBlock.into())
        }

        fn try_write_slices(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            Err(ErrorKind::WouldBlock.into())
        }

        fn lift_user_timeout(&self) {}

        fn silence(&self) -> Option<Silence> {
            None
        }

        fn abandon(&self) {}

        fn close_sending_side(&self) {}
    }

    impl AsyncRead for Stuck {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Stuck {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    // Seen to fail where only the reading has a deadline.
    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_more_is_not_waited_for() {
        let began = Instant::now();
        linger(Stuck, false).await;
        assert_eq!(began.elapsed(), CLOSE_LINGER);
    }
}
