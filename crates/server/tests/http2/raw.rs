//! A client that writes whatever frames it likes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const ENHANCE_YOUR_CALM: u32 = 11;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field of a head, written out (RFC 7541 section 6.2.2).
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut out = vec![0];
    for text in [name, value] {
        if let Some(more) = text.len().checked_sub(127) {
            assert!(more < 1 << 21);
            out.extend([127, 128 | (more & 127) as u8, 128 | (more >> 7 & 127) as u8, (more >> 14) as u8]);
        } else {
            out.push(u8::try_from(text.len()).unwrap());
        }
        out.extend_from_slice(text.as_bytes());
    }
    out
}

pub fn head(method: &str, path: &str) -> Vec<u8> {
    [field(":method", method), field(":scheme", "http"), field(":path", path), field(":authority", "node.example")]
        .concat()
}

/// A request without a body.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    let head = [head("GET", path), field("accept", "text/event-stream, */*")].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)
}

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The number in the payload from this byte on.
    pub fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(*self.payload[at..].first_chunk().unwrap())
    }
}

pub struct Raw {
    pub socket: TcpStream,
    seen: Vec<u8>,
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { socket, seen: Vec::new() }
    }

    /// Connects, with these settings.
    pub fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut raw = Self::connect(address);
        let settings = settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
        raw.send([PREFACE, &frame(SETTINGS, 0, 0, &settings.collect::<Vec<_>>())].concat());
        raw
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends this again and again until the far end takes no more, `most` times. Returns how often.
    pub fn flood(&mut self, bytes: &[u8], most: usize) -> usize {
        (0..most).position(|_| self.socket.write_all(bytes).is_err()).unwrap_or(most)
    }

    /// The next frame; `None`: there is none.
    pub fn frame(&mut self) -> Option<Frame> {
        while self.seen.len() < 9 || self.seen.len() < 9 + self.length() {
            let mut buffer = [0; 16 << 10];
            match self.socket.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => self.seen.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
        let length = self.length();
        let rest = self.seen.split_off(9 + length);
        let bytes = std::mem::replace(&mut self.seen, rest);
        let stream = u32::from_be_bytes(*bytes[5..].first_chunk().unwrap());
        Some(Frame { kind: bytes[3], flags: bytes[4], stream, payload: bytes[9..].to_vec() })
    }

    fn length(&self) -> usize {
        u32::from_be_bytes([0, self.seen[0], self.seen[1], self.seen[2]]) as usize
    }

    /// Waits for a frame of this kind, and passes over others.
    pub fn wait_for(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.frame().unwrap_or_else(|| panic!("closed before a frame of kind {kind}"));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Reads to the end. Returns the error code of the last `GOAWAY`.
    pub fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.frame() {
            if frame.kind == GOAWAY {
                code = Some(frame.number(4));
            }
        }
        code
    }

    /// A request and its answer, to know that everything before has been seen. Returns the first byte of the answer's head.
    pub fn status(&mut self, stream: u32, path: &str) -> u8 {
        self.send(get(stream, path));
        loop {
            let answer = self.wait_for(HEADERS);
            if answer.stream == stream {
                return answer.payload[0];
            }
        }
    }
}
