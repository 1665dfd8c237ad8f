//! The socket of a client that blocks.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Protocol, Type};

use crate::transport::tls::Connector;

/// A TCP socket, or TLS on one.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    /// Connects from this address. The handshake of TLS is part of the first write.
    ///
    /// # Errors
    /// When no connection comes about within `patience`, which is also the longest that a write may wait.
    pub(super) fn connect(
        node: SocketAddr,
        from: Ipv4Addr,
        tls: Option<&Connector>,
        patience: Duration,
    ) -> Result<Self> {
        let socket = connect(node, from, patience)?;
        let Some(connector) = tls else { return Ok(Self::Tcp(socket)) };
        socket.set_read_timeout(Some(patience))?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connector.session()?, socket))))
    }

    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
        .set_read_timeout(timeout)
    }
}

/// A TCP socket from this address.
///
/// # Errors
/// When no connection comes about within `patience`, which is also the longest that a write may wait.
pub(super) fn connect(node: SocketAddr, from: Ipv4Addr, patience: Duration) -> Result<TcpStream> {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).context("no socket")?;
    socket.bind(&SocketAddr::from((from, 0)).into()).context("no port")?;
    socket.connect_timeout(&node.into(), patience).context("the node takes no connection")?;
    let socket = TcpStream::from(socket);
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(patience))?;
    Ok(socket)
}

/// Reads and forgets what has come, and does not wait; the socket does not block any more. `false`: the other end has ended the connection.
pub(super) fn goes_on(mut socket: &TcpStream, piece: &mut [u8]) -> bool {
    if socket.set_nonblocking(true).is_err() {
        return false;
    }
    loop {
        match socket.read(piece) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

/// How many of these sockets the other end has not closed. What it has said by then is thrown away.
pub(super) fn count_open(sockets: &[TcpStream]) -> usize {
    let mut piece = [0; 4_096];
    sockets.iter().filter(|socket| goes_on(socket, &mut piece)).count()
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
