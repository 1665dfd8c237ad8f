//! How a socket is closed so that what was written to it arrives.

use fanfare_protocol::limits::{CLOSE_LINGER, CLOSE_LINGER_BYTES_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::socket::Socket;

/// Size of the pieces, in bytes, in which the remaining bytes of a client are read.
const LINGER_BUFFER: usize = 4 << 10;

/// Closes so that the response arrives: first the sending side, then the rest once the client has closed, too. Closing a
/// socket with unread bytes resets it, and the reset can overtake the response.
pub(crate) async fn linger(mut socket: impl Socket, has_ended: bool) {
    if has_ended || socket.shutdown().await.is_err() {
        return;
    }
    let discard = async {
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
