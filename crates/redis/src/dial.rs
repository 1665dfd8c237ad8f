//! The interface behind which a simulation puts a Redis that is made of memory.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

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
