//! Chunked transfer coding of HTTP/1.1 (RFC 9112, section 7.1).

use std::ops::Deref;

/// The last chunk and the empty trailer section: the end of the body.
pub const LAST: &[u8] = b"0\r\n\r\n";

/// What follows the bytes of a chunk.
pub const END: &[u8] = b"\r\n";

/// The longest [`Header`], in bytes: 16 hexadecimal digits and a line break.
pub const HEADER_MAX: usize = 18;

/// The size line of a chunk, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; HEADER_MAX],
    start: u8,
}

impl Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

/// The size line of a chunk of `len` bytes. A chunk of 0 bytes would end the body, so `len` must
/// not be 0.
#[must_use]
pub fn header(len: usize) -> Header {
    debug_assert!(len > 0, "an empty chunk ends the body");
    let mut bytes = [b'\r'; HEADER_MAX];
    bytes[HEADER_MAX - 1] = b'\n';
    let mut start = HEADER_MAX - 2;
    let mut rest = len;
    loop {
        start -= 1;
        bytes[start] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    Header { bytes, start: start as u8 }
}

/// Appends `block` as one chunk. An empty block appends nothing, since it would end the body.
pub fn wrap(out: &mut Vec<u8>, block: &[u8]) {
    if block.is_empty() {
        return;
    }
    let header = header(block.len());
    out.reserve(header.len() + block.len() + END.len());
    out.extend_from_slice(&header);
    out.extend_from_slice(block);
    out.extend_from_slice(END);
}
