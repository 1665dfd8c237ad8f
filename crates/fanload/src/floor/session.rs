//! One connection of HTTP/2, which many subscribers share.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{RecvStream, SendStream};
use http::{Request, Response, StatusCode};

use super::gone::Gone;
use super::request::{self, NotASubscription};
use crate::transport::polled::Polled;
use crate::transport::socket::Socket;

/// Streams of one connection at a time.
const STREAMS_MAX: u32 = 10_000;

/// A connection, from its first byte on.
pub(super) struct Session {
    state: State,
    /// Woken when there is something to write.
    waker: Waker,
}

enum State {
    Beginning(Box<Handshake<Polled, Bytes>>),
    Open(Box<Connection<Polled, Bytes>>),
}

/// A request that has come.
pub(super) struct Asked {
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
}

impl Session {
    pub(super) fn new(socket: Socket, waker: Waker) -> Self {
        let handshake =
            Builder::new().max_concurrent_streams(STREAMS_MAX).handshake(Polled::new(socket, Arc::default()));
        Self { state: State::Beginning(Box::new(handshake)), waker }
    }

    /// Reads and writes as much as the socket allows; the requests that came.
    pub(super) fn advance(&mut self) -> Result<Vec<Asked>, Gone> {
        let context = &mut Context::from_waker(&self.waker);
        let mut asked = Vec::new();
        loop {
            match &mut self.state {
                State::Beginning(handshake) => match Pin::new(handshake.as_mut()).poll(context) {
                    Poll::Pending => return Ok(asked),
                    Poll::Ready(Ok(connection)) => self.state = State::Open(Box::new(connection)),
                    Poll::Ready(Err(_)) => return Err(Gone),
                },
                State::Open(connection) => match connection.poll_accept(context) {
                    Poll::Pending => return Ok(asked),
                    Poll::Ready(Some(Ok((request, respond)))) => asked.push(Asked { request, respond }),
                    Poll::Ready(_) => return Err(Gone),
                },
            }
        }
    }
}

impl Asked {
    /// Answers with the head that Fanfare sends; the stream is open then. What is no subscription is refused.
    pub(super) fn answer(mut self) -> Result<(request::Request, SendStream<Bytes>), Gone> {
        let path = self.request.uri().path_and_query().map_or("", |path| path.as_str());
        let resume = self.request.headers().get("last-event-id").map(http::HeaderValue::as_bytes);
        match request::of(self.request.method().as_str(), path, resume) {
            Ok(request) => {
                let head = Response::builder()
                    .header("content-type", "text/event-stream; charset=utf-8")
                    .header("cache-control", "no-store, no-transform")
                    .header("x-accel-buffering", "no")
                    .header("date", "Thu, 01 Jan 2026 00:00:00 GMT");
                let head = head.body(()).map_err(|_| Gone)?;
                let stream = self.respond.send_response(head, false).map_err(|_| Gone)?;
                Ok((request, stream))
            }
            Err(NotASubscription) => {
                let mut head = Response::new(());
                *head.status_mut() = StatusCode::NOT_FOUND;
                let _ = self.respond.send_response(head, true);
                Err(Gone)
            }
        }
    }
}
