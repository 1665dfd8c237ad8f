//! Sockets that begin to connect.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use crate::fleet::Plan;

/// Receive buffer of a slow client: small, so that the server feels that it is slow.
const SLOW_BUFFER: usize = 4 * 1024;
/// Loopback addresses of one worker. Each has about 28,000 ports, some of which wait for a minute after their use.
const SOURCES: usize = 8;

/// A socket of connection `index` on its way to `to`; with `slow`, one that takes little at a time.
pub(super) fn open(plan: &Plan, index: usize, to: SocketAddr, slow: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if slow {
        socket.set_recv_buffer_size(SLOW_BUFFER)?;
    }
    if let IpAddr::V4(address) = to.ip()
        && address.is_loopback()
    {
        socket.bind(&SocketAddr::from((source(plan.worker, index), 0)).into())?;
    }
    match socket.connect(&to.into()) {
        Ok(()) => {}
        // EINPROGRESS has no kind of its own.
        Err(error) if error.raw_os_error() == Some(115) || error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// 127.0.(worker + 1).2 and the following ones: no worker takes another's ports.
fn source(worker: usize, index: usize) -> Ipv4Addr {
    let subnet = 1 + worker % 250;
    let host = 2 + index % SOURCES;
    Ipv4Addr::new(127, 0, subnet as u8, host as u8)
}
