//! A client of HTTP/2 that sends what it likes (RFC 9113).

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;

use super::socket;

/// Kinds of frames.
pub(super) const HEADERS: u8 = 1;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// The flag of a request without a body.
pub(super) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The setting that says how much may be sent on a stream that has just begun.
pub(super) const INITIAL_WINDOW: u16 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a connect or a write may take. A node that takes nothing for so long has had enough.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// A connection.
#[derive(Debug)]
pub(super) struct Http2 {
    socket: TcpStream,
    piece: Vec<u8>,
}

impl Http2 {
    /// Connects by prior knowledge, and says these settings.
    ///
    /// # Errors
    /// When the node takes no connection.
    pub(super) fn connect(node: SocketAddr, from: Ipv4Addr, settings: &[(u16, u32)]) -> Result<Self> {
        let socket = socket::connect(node, from, PATIENCE)?;
        let mut connection = Self { socket, piece: vec![0; PIECE] };
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        connection.send(&[PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat());
        Ok(connection)
    }

    /// Sends bytes, after it has read and forgotten what has come. `false`: the node has ended the connection, or takes nothing.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        self.take_what_came() && self.socket.write_all(bytes).is_ok()
    }

    /// Reads and forgets what has come. `false`: the node has ended the connection.
    pub(super) fn take_what_came(&mut self) -> bool {
        socket::goes_on(&self.socket, &mut self.piece) && self.socket.set_nonblocking(false).is_ok()
    }
}

/// A frame (section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request without a body on this stream.
pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head(path))
}

/// The fields of such a request, none of them remembered (RFC 7541, section 6.2.2). The path has 126 bytes at most.
pub(super) fn head(path: &str) -> Vec<u8> {
    // ":method: GET" and ":scheme: http" are in the static table, and so are the names ":path" and ":authority".
    let mut fields = vec![0x82, 0x86, 0x04, path.len() as u8];
    fields.extend_from_slice(path.as_bytes());
    fields.extend_from_slice(b"\x01\x09localhost");
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_the_standard_says() {
        let request = get(3, "/a");
        assert_eq!(request[..9], [0, 0, 17, HEADERS, 5, 0, 0, 0, 3]);
        assert_eq!(request[9..15], [0x82, 0x86, 0x04, 2, b'/', b'a']);
        assert_eq!(request[15..], *b"\x01\x09localhost");
    }
}
