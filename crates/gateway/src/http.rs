//! The small HTTP server behind the admin listener and the demonstration page: short answers, and few streams.
//!
//! Clients of the gateway proper never meet it; they speak to the `server` crate.

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::limits::{ADMIN_CONNECTIONS_MAX, ADMIN_END_TIMEOUT, ADMIN_USER_TIMEOUT};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// How long a client may take to send a request, and how long a kept-alive connection may be silent.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Size of hyper's read buffer, which bounds a request's head.
const HEAD_MAX_BYTES: usize = 16 << 10;
/// Pause after a failed `accept`, which fails again at once when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who made a request: among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Tells that the listener ends: among a request's extensions, for answers that would go on for ever.
#[derive(Debug, Clone)]
pub struct Ending(watch::Receiver<()>);

impl Ending {
    /// Resolves when the listener ends; an answer then ends, too. Cancel-safe.
    pub async fn begun(mut self) {
        // Nothing is ever sent: the sender goes when the listener ends.
        while self.0.changed().await.is_ok() {}
    }
}

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer.
pub type Reply = Response<Body>;

/// An answer that is being made.
pub type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The answer to a request whose method is GET or HEAD, within a time of its own.
    fn answer(&self, request: &Request<Incoming>) -> Answering;

    /// Answers a POST, within a time of its own; `None`: nobody posts to this path.
    fn post(&self, _request: Request<Incoming>) -> Option<Answering> {
        None
    }
}

/// Serves until `stop` resolves; then open connections end after the answer that they are in, at the latest after
/// [`ADMIN_END_TIMEOUT`] or when the returned future is dropped.
pub async fn serve(listener: TcpListener, handler: Arc<dyn Handler>, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    let (end, ending) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Over the bound: closing at once is the clearest answer that costs nothing.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (handler, ending) = (Arc::clone(&handler), Ending(ending.clone()));
        connections.spawn(async move {
            connection(stream, peer, handler, ending).await;
            drop(place);
        });
    }
    drop(end);
    let all = async { while connections.join_next().await.is_some() {} };
    // Those that take longer are cut.
    let _ = tokio::time::timeout(ADMIN_END_TIMEOUT, all).await;
    connections.shutdown().await;
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, peer: SocketAddr, handler: Arc<dyn Handler>, ending: Ending) {
    // A peer that takes nothing more, or is not there any more, must not keep its place.
    let timeout = u32::try_from(ADMIN_USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, timeout) {
        tracing::debug!(%error, "a connection to a small listener has no timeout");
    }
    let for_requests = ending.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(for_requests.clone());
        let reply = route(handler.as_ref(), request);
        async move { Ok::<_, Infallible>(reply.await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_MAX_BYTES);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = &mut connection => served,
        () = ending.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to a small listener ended badly");
    }
}

fn route(handler: &dyn Handler, request: Request<Incoming>) -> Answering {
    match *request.method() {
        Method::GET | Method::HEAD => handler.answer(&request),
        Method::POST => handler.post(request).unwrap_or_else(|| at_once(reads_only())),
        _ => at_once(reads_only()),
    }
}

/// An answer that is there already.
#[must_use]
pub fn at_once(reply: Reply) -> Answering {
    Box::pin(ready(reply))
}

fn reads_only() -> Reply {
    not_allowed("GET, HEAD", "only GET and HEAD are understood here\n")
}

/// The answer to another method than a path has.
#[must_use]
pub fn not_allowed(methods: &'static str, said: &'static str) -> Reply {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, said);
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    reply
}

/// A plain-text answer.
#[must_use]
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    reply(status, "text/plain; charset=utf-8", body)
}

/// A JSON answer.
#[must_use]
pub fn json(status: StatusCode, body: &serde_json::Value) -> Reply {
    reply(status, "application/json", format!("{body}\n"))
}

/// An answer of any type. Nothing that is served here may be cached.
#[must_use]
pub fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    reply_with(status, content_type, Full::new(body.into()).boxed_unsync())
}

/// The same with a body that is still being made.
#[must_use]
pub fn reply_with(status: StatusCode, content_type: &'static str, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// Binds a listener, after a plain bind has shown that nobody else has the port.
///
/// # Errors
/// The address cannot be bound; the message names the key that it came from.
pub fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let bind = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    bind().map_err(|error| anyhow::anyhow!("{key}: cannot listen on {address}: {error}"))
}
