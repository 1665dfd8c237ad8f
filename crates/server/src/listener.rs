//! A listening socket: where it is bound, what is known of those who connect to it, and how it closes.
//!
//! Without `SO_REUSEPORT`: with it a second process on the same port would succeed without a word and take half of the
//! connections. Without it the bind itself is the probe, and fails.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fanfare_tls::Identity;
use nix::libc::{SOCK_CLOEXEC, SOCK_NONBLOCK};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::admission::Admission;
use crate::client_address::Source;
use crate::listen_address::ListenAddress;
use crate::options::{ListenOptions, SocketOptions};
use crate::socket_file::SocketFile;

/// Bound and listening, before it is registered with a runtime.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: Socket,
    /// With the port that was picked for port 0.
    listen: ListenOptions,
    /// Of a Unix socket.
    file: Option<SocketFile>,
    /// Of a Unix socket's connections, in bytes.
    send_buffer: usize,
    /// Its place among those of the node.
    number: u8,
}

impl Bound {
    /// Binds and listens. `number`: its place among those of the node.
    ///
    /// # Errors
    /// Those of the operating system; `AddrInUse` when anybody else listens there, with or without `SO_REUSEPORT`. See
    /// [`SocketFile::listen`] for a Unix socket.
    pub(crate) fn new(number: u8, listen: &ListenOptions, options: &SocketOptions) -> io::Result<Self> {
        let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
        let (socket, address, file) = match &listen.address {
            ListenAddress::Tcp(address) => {
                let (socket, bound) = bind_tcp(*address, options, backlog)?;
                (socket, ListenAddress::Tcp(bound), None)
            }
            ListenAddress::Unix(path) => {
                let (file, socket) = SocketFile::listen(path, listen.mode, backlog)?;
                (socket, listen.address.clone(), Some(file))
            }
        };
        socket.set_nonblocking(true)?;
        // Linux doubles it for what buffers cost beside their bytes.
        let send_buffer = options.send_buffer.unwrap_or(options.unsent / 2);
        Ok(Self { socket, listen: ListenOptions { address, ..listen.clone() }, file, send_buffer, number })
    }

    pub(crate) const fn address(&self) -> &ListenAddress {
        &self.listen.address
    }

    /// To be called within a runtime.
    pub(crate) fn registered(self) -> io::Result<Listener> {
        let Self { socket, listen, file, send_buffer, number } = self;
        let socket = match file {
            None => Registered::Tcp(TcpListener::from_std(socket.into())?),
            Some(file) => Registered::Unix { file, listener: UnixListener::from_std(socket.into())?, send_buffer },
        };
        Ok(Listener { socket, listen, number })
    }
}

/// The socket, registered with a runtime.
#[derive(Debug)]
enum Registered {
    Tcp(TcpListener),
    Unix {
        /// Dropped before the socket.
        file: SocketFile,
        listener: UnixListener,
        send_buffer: usize,
    },
}

/// A connection that is registered with no runtime yet.
#[derive(Debug)]
pub(crate) enum Connected {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A connection, and where it comes from, if that is an address of a network.
pub(crate) type Connection = (Socket, Option<SocketAddr>);

/// Whoever owns it accepts from it; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Registered,
    listen: ListenOptions,
    number: u8,
}

impl Listener {
    pub(crate) const fn address(&self) -> &ListenAddress {
        &self.listen.address
    }

    /// What it shows to clients, if they speak TLS here.
    pub(crate) const fn identity(&self) -> Option<&Arc<Identity>> {
        self.listen.tls.as_ref()
    }

    /// Waits for a connection. It is registered with no runtime: the core that gets it registers it with its own.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>> {
        match &self.socket {
            Registered::Tcp(listener) => {
                let (socket, peer) = ready!(listener.poll_accept(cx))?;
                Poll::Ready(socket.into_std().map(|socket| (socket.into(), Some(peer))))
            }
            Registered::Unix { listener, .. } => {
                let (socket, _) = ready!(listener.poll_accept(cx))?;
                Poll::Ready(socket.into_std().map(|socket| (socket.into(), None)))
            }
        }
    }

    /// Accepts a connection that waits. tokio registers each that it accepts with this thread's runtime, only to take it out
    /// again: in a storm that is a good part of accepting.
    ///
    /// # Errors
    /// `WouldBlock` where none waits; otherwise those of the operating system.
    pub(crate) fn accept(&self) -> io::Result<Connection> {
        let (socket, peer) = self.as_socket().accept4(SOCK_NONBLOCK | SOCK_CLOEXEC)?;
        Ok((socket, peer.as_socket()))
    }

    fn as_socket(&self) -> SockRef<'_> {
        match &self.socket {
            Registered::Tcp(listener) => SockRef::from(listener),
            Registered::Unix { listener, .. } => SockRef::from(listener),
        }
    }

    /// What is known of whoever connects, before it has said anything. The peer of a Unix socket has no address: it is a process of
    /// this machine, and believed if the listener says so. `None`: a client of TCP without one, which cannot be.
    pub(crate) fn source(&self, peer: Option<SocketAddr>, admission: &Admission) -> Option<Source> {
        let (begins_with_header, listener) = (self.listen.proxy_protocol, self.number);
        let tls_is_its_own = !begins_with_header || self.listen.tls_passthrough;
        match self.socket {
            Registered::Tcp(_) => {
                Some(Source { begins_with_header, tls_is_its_own, listener, ..admission.source(peer?.ip()) })
            }
            Registered::Unix { .. } => {
                let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
                Some(Source { address, is_proxy: self.listen.trusted, begins_with_header, tls_is_its_own, listener })
            }
        }
    }

    /// A connection that was accepted here, as the thread that serves it takes it.
    pub(crate) fn connected(&self, socket: Socket) -> Connected {
        match self.socket {
            Registered::Tcp(_) => Connected::Tcp(socket.into()),
            Registered::Unix { send_buffer, .. } => {
                // Not inherited. Without it the kernel has its own size, which is a bound, too.
                let _ = socket.set_send_buffer_size(send_buffer);
                Connected::Unix(socket.into())
            }
        }
    }

    /// Lets no connection begin from now on; those that wait, or whose handshakes were begun, may still be accepted.
    ///
    /// # Errors
    /// It closes without a last call then.
    pub(crate) fn turn_newcomers_away(&self) -> io::Result<()> {
        match &self.socket {
            Registered::Tcp(_) => ignore_handshakes(&self.as_socket()),
            Registered::Unix { file, .. } => file.remove(),
        }
    }
}

fn bind_tcp(address: SocketAddr, options: &SocketOptions, backlog: i32) -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` serves IPv4 as well, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    // Admits a port whose old connections are in TIME_WAIT, never one with a listener.
    socket.set_reuse_address(true)?;
    set_tcp_options(&socket, options)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket, bound))
}

/// Set once on the listener: accepted sockets inherit these (Linux copies the whole socket), which saves half a dozen
/// system calls per connection.
fn set_tcp_options(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(options.keepalive).with_interval(options.keepalive / 4);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(options.user_timeout))?;
    socket.set_tcp_notsent_lowat(u32::try_from(options.unsent).unwrap_or(u32::MAX))?;
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

/// Makes the kernel drop every packet to the listener that has SYN set (byte 13 of the TCP header, bit 1), by a classic
/// BPF program (socket(7), `SO_ATTACH_FILTER`). Accepted sockets inherit it and never see such a packet.
fn ignore_handshakes(listener: &Socket) -> io::Result<()> {
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    listener.attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(JUMP_IF_SET, 0, 1, 0x02),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(test)]
mod tests;
