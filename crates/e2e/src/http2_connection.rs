//! One HTTP/2 connection, over TLS or in the clear, of one stream or of several clients' streams.

use std::io::{self, Cursor, ErrorKind, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use h2::client::{Builder, SendRequest};
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::Socket;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use crate::certificate::NAME;

/// What HTTP/2 is called in a handshake of TLS (RFC 9113, section 3.1).
pub(crate) const ALPN: &[u8] = b"h2";
/// What a client that does not read lets the server send on its stream, in bytes: little, so that it runs out often.
const STREAM_WINDOW: u32 = 16 * 1024;
/// The streams that one connection may have. Their windows fit into that of the connection, so that none of them holds up another.
pub(crate) const STREAMS_MAX: usize = 8;

/// What may be sent, once the connection is there; or why it is not.
type Ready = Option<Result<SendRequest<Cursor<Vec<u8>>>, Failure>>;

/// Why a connection is not there, as often as it is asked.
type Failure = (ErrorKind, String);

/// What drives a connection.
#[derive(Debug)]
pub(crate) enum Driver {
    /// Whoever waits for its only stream, and nobody in between: what is not waited for is not read.
    Own(Runtime),
    /// A thread that all shared connections have.
    Shared(Handle),
}

/// A connection. It ends with its last stream.
#[derive(Debug)]
pub(crate) struct Http2Connection {
    driver: Driver,
    driven: AbortHandle,
    /// `None` once it was reset.
    tcp: Mutex<Option<TcpStream>>,
    ready: watch::Receiver<Ready>,
    streams: AtomicUsize,
    /// It takes no further stream.
    is_over: AtomicBool,
}

impl Http2Connection {
    /// A connection by prior knowledge (RFC 9113, section 3.3), or over TLS, whose handshake is still to come.
    pub(crate) fn new(driver: Driver, tcp: TcpStream, tls: Option<Arc<ClientConfig>>) -> io::Result<Arc<Self>> {
        tcp.set_nonblocking(true)?;
        let kept = tcp.try_clone()?;
        let (sender, ready) = watch::channel(None);
        let opening = async move {
            if let Err(error) = drive(tcp, tls, &sender).await {
                // Whether it was there before or not: it is not now.
                sender.send_replace(Some(Err((error.kind(), error.to_string()))));
            }
        };
        let driven = match &driver {
            Driver::Own(runtime) => runtime.spawn(opening),
            Driver::Shared(handle) => handle.spawn(opening),
        };
        let (streams, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (driven, tcp) = (driven.abort_handle(), Mutex::new(Some(kept)));
        Ok(Arc::new(Self { driver, driven, tcp, ready, streams, is_over }))
    }

    /// A place for one more stream, if there is one and the server takes one.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        if self.is_over.load(Ordering::Acquire) || self.driven.is_finished() || self.has_been_told_to_end() {
            return None;
        }
        let more = |streams: usize| (streams < STREAMS_MAX).then_some(streams + 1);
        self.streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Place(Arc::clone(self)))
    }

    /// Whether the server has said that it takes no further requests (RFC 9113, section 6.8).
    fn has_been_told_to_end(&self) -> bool {
        let ready = self.ready.borrow();
        let Some(Ok(requests)) = &*ready else { return false };
        let polled = requests.clone().poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(polled, Poll::Ready(Err(_)))
    }

    /// Waits until requests can be sent.
    pub(crate) async fn ready(self: Arc<Self>) -> io::Result<SendRequest<Cursor<Vec<u8>>>> {
        let mut ready = self.ready.clone();
        let ready = ready.wait_for(Option::is_some).await.map_err(|_| io::Error::from(ErrorKind::ConnectionReset))?;
        match &*ready {
            Some(Ok(requests)) => Ok(requests.clone()),
            Some(Err((kind, why))) => Err(io::Error::new(*kind, why.as_str())),
            None => Err(ErrorKind::ConnectionReset.into()),
        }
    }

    /// No further stream goes here: the server refuses them, or is gone.
    pub(crate) fn retire(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Waits for what goes on over this connection.
    pub(crate) fn block_on<F: Future>(&self, within: Duration, future: F) -> Option<F::Output> {
        let limited = async { tokio::time::timeout(within, future).await.ok() };
        match &self.driver {
            Driver::Own(runtime) => runtime.block_on(limited),
            Driver::Shared(handle) => handle.block_on(limited),
        }
    }

    /// Sends bytes that are no frames, past everything that orders them.
    pub(crate) fn send_raw(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *self.tcp() {
            Some(tcp) => tcp.write_all(bytes),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Closes the sending half of the socket.
    pub(crate) fn half_close(&self) -> io::Result<()> {
        self.tcp().as_ref().map_or(Ok(()), |tcp| tcp.shutdown(Shutdown::Write))
    }

    /// Ends with a TCP reset, and all of its streams with it.
    pub(crate) fn abort(&self) {
        self.retire();
        if let Some(tcp) = self.tcp().take() {
            // If the option cannot be set, the peer sees an orderly close: still an end.
            let _ = Socket::from(tcp).set_linger(Some(Duration::ZERO));
        }
        // The last handle of the socket goes with the task.
        self.driven.abort();
    }

    fn tcp(&self) -> std::sync::MutexGuard<'_, Option<TcpStream>> {
        self.tcp.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream's share of a connection.
#[derive(Debug)]
pub(crate) struct Place(Arc<Http2Connection>);

impl Place {
    pub(crate) fn connection(&self) -> &Arc<Http2Connection> {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Opens the connection, says what may be sent, and reads and writes until its end.
async fn drive(tcp: TcpStream, tls: Option<Arc<ClientConfig>>, ready: &watch::Sender<Ready>) -> io::Result<()> {
    let socket = tokio::net::TcpStream::from_std(tcp)?;
    let Some(config) = tls else { return speak(socket, ready).await };
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let socket = TlsConnector::from(config).connect(name, socket).await?;
    if socket.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(io::Error::new(ErrorKind::InvalidData, "the server does not agree on HTTP/2"));
    }
    speak(socket, ready).await
}

async fn speak<S>(socket: S, ready: &watch::Sender<Ready>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * STREAMS_MAX as u32);
    let (requests, connection) = builder.handshake(socket).await.map_err(failed)?;
    ready.send_replace(Some(Ok(requests)));
    connection.await.map_err(failed)
}

/// What an error of HTTP/2 is to who speaks HTTP/1.1: broken connections and streams are resets, and the rest breaks the protocol.
pub(crate) fn failed(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| ErrorKind::ConnectionReset.into());
    }
    let kind = if error.is_remote() { ErrorKind::ConnectionReset } else { ErrorKind::InvalidData };
    io::Error::new(kind, error)
}
