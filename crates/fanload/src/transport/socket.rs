//! A socket, with or without TLS.

use std::io::{self, Read, Write};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::SockRef;

use super::secured::Secured;

/// A socket that does not block.
pub(crate) enum Socket {
    Plain(TcpStream),
    /// Boxed: rustls' state is a kilobyte, and most sockets have none.
    Tls(Box<Secured>),
}

impl Socket {
    /// The socket below, for a readiness queue.
    pub(crate) fn source(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(secured) => &mut secured.socket,
        }
    }

    /// Why it is broken, if it is.
    pub(crate) fn error(&mut self) -> Option<io::Error> {
        self.source().take_error().ok().flatten()
    }

    /// Whether it holds back bytes that were written, until the socket takes them.
    pub(crate) fn wants_write(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(secured) => secured.wants_write(),
        }
    }

    /// Whether the other end agreed to `protocol`; without TLS it was not asked. `None`: it has not answered yet.
    pub(crate) fn agreed_on(&self, protocol: &[u8]) -> Option<bool> {
        match self {
            Self::Plain(_) => Some(true),
            Self::Tls(secured) => secured.agreed_on(protocol),
        }
    }

    /// Prepares for being closed, which is what dropping does: with `abruptly` by a reset, as an end that vanishes.
    pub(crate) fn end(&mut self, abruptly: bool) {
        if abruptly {
            // When it fails the socket closes in the ordinary way.
            let _ = SockRef::from(&*self.source()).set_linger(Some(Duration::ZERO));
        } else if let Self::Tls(secured) = self {
            secured.say_goodbye();
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(secured) => secured.read(buffer),
        }
    }
}

impl Write for Socket {
    #[inline]
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(data),
            Self::Tls(secured) => secured.write(data),
        }
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write_vectored(parts),
            // One record, and one call, instead of one for each part.
            Self::Tls(secured) => {
                let mut data = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
                parts.iter().for_each(|part| data.extend_from_slice(part));
                secured.write(&data)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(secured) => secured.flush(),
        }
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}
