//! TLS on a socket that does not block, rustls' buffered connection of either end.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;
use rustls::{ClientConnection, Connection, ServerConnection};

/// A connection of TLS and its socket.
pub(crate) struct Secured {
    pub(crate) socket: TcpStream,
    session: Connection,
}

/// Reads once, and knows whether that emptied the socket: a read that does not fill its buffer has (epoll(7), "Questions and
/// answers").
struct Once<'a> {
    socket: &'a mut TcpStream,
    emptied: bool,
}

impl Read for Once<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        self.emptied = count < buffer.len();
        Ok(count)
    }
}

impl Secured {
    pub(crate) fn client(socket: TcpStream, session: ClientConnection) -> Self {
        Self { socket, session: session.into() }
    }

    pub(crate) fn server(socket: TcpStream, session: ServerConnection) -> Self {
        Self { socket, session: session.into() }
    }

    /// Whether the other end agreed to this protocol (ALPN, RFC 7301); `None` before the handshake is over.
    pub(crate) fn agreed_on(&self, protocol: &[u8]) -> Option<bool> {
        (!self.session.is_handshaking()).then(|| self.session.alpn_protocol() == Some(protocol))
    }

    /// Whether there are records that the socket has not taken.
    pub(crate) fn wants_write(&self) -> bool {
        self.session.wants_write()
    }

    /// Says that nothing more will be written. What the socket does not take now is never said.
    pub(crate) fn say_goodbye(&mut self) {
        self.session.send_close_notify();
        let _ = self.write_records();
    }

    /// Writes records until there are none.
    fn write_records(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The same, where a socket that is full is no error.
    fn write_what_fits(&mut self) -> io::Result<()> {
        match self.write_records() {
            Err(error) if is_full(&error) => Ok(()),
            result => result,
        }
    }

    /// Reads records once; whether that emptied the socket.
    fn read_records(&mut self) -> io::Result<bool> {
        let mut once = Once { socket: &mut self.socket, emptied: false };
        let count = self.session.read_tls(&mut once)?;
        let emptied = once.emptied && count > 0;
        let processed = self.session.process_new_packets();
        // Answers of the handshake, or the alert that says what is wrong.
        let written = self.write_what_fits();
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        written.map(|()| emptied)
    }
}

/// A handshake and the records that come meanwhile are part of reading. As of a socket: 0 is the end, and a read that does not
/// fill `buffer` has emptied the socket.
impl Read for Secured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut filled, mut emptied) = (0, false);
        while filled < buffer.len() {
            let error = match self.session.reader().read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock && emptied && filled > 0 => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.read_records() {
                    Ok(now) => {
                        emptied = now;
                        continue;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            // What came before it is handed out first; the error comes again.
            return if filled > 0 { Ok(filled) } else { Err(error) };
        }
        Ok(filled)
    }
}

/// What is taken is protected and on its way, but a part of it may wait for the socket: rustls holds at most 64 KiB.
/// Less than everything is taken only when the socket is full, or the handshake is not over.
impl Write for Secured {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < data.len() {
            match self.write_records() {
                Err(error) if taken == 0 || !is_full(&error) => return Err(error),
                Err(_) => return Ok(taken),
                Ok(()) => {}
            }
            match self.session.writer().write(&data[taken..])? {
                0 if taken == 0 => return Err(ErrorKind::WouldBlock.into()),
                0 => break,
                count => taken += count,
            }
        }
        self.write_what_fits()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_records()
    }
}

/// A socket that takes nothing now, or is not connected yet.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
