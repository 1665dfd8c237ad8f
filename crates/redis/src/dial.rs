//! The interface behind which a simulation puts a Redis that is made of memory.

use std::future::Future;
use std::io;
use std::pin::Pin;

use redis::io::tcp::socket2::SockRef;
use redis::{ConnectionAddr, ConnectionInfo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A byte stream to a server that speaks RESP3.
pub trait RedisSocket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> RedisSocket for S {}

/// A stream that is being made.
pub type Dialling = Pin<Box<dyn Future<Output = io::Result<Box<dyn RedisSocket>>> + Send>>;

/// Makes byte streams to the server in place of the network. Everything above them is the same.
pub trait Dial: Send + Sync + 'static {
    /// A new connection. The caller gives up waiting after its own deadline.
    fn dial(&self) -> Dialling;
}

/// A stream to where `info` says, with the socket options that it says: what the client library does for a connection of its own.
pub(crate) async fn dial_network(info: &ConnectionInfo) -> io::Result<Box<dyn RedisSocket>> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            let (settings, socket) = (info.tcp_settings(), SockRef::from(&stream));
            stream.set_nodelay(settings.nodelay())?;
            if let Some(keepalive) = settings.keepalive() {
                socket.set_tcp_keepalive(keepalive)?;
            }
            socket.set_tcp_user_timeout(settings.user_timeout())?;
            Ok(Box::new(stream))
        }
        ConnectionAddr::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "not an address of TCP or a Unix socket")),
    }
}
