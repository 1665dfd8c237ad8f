//! A connection of HTTP/2 that several clients share.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Error;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use http::Request;

use crate::transport::polled::Polled;
use crate::transport::socket::Socket;

/// What one stream may receive before the client reads: the standard's default.
const WINDOW: u32 = 65_535;
/// What a connection may receive at most, RFC 9113 section 6.9.1.
const WINDOW_MAX: u32 = (1 << 31) - 1;
/// The library ends a connection on which too many small frames wait to be read. Slow clients let them wait on purpose, and the
/// windows bound them.
const SMALL_FRAMES: usize = 1 << 30;

type Begun = Result<(SendRequest<Bytes>, Connection<Polled, Bytes>), Error>;

/// A connection, from its connect on.
pub(super) struct Session {
    state: State,
    /// Woken when the connection has something to do.
    pub(super) waker: Waker,
    /// Requests that are not out yet: at most one for each client.
    pub(super) waiting: VecDeque<Waiting>,
    abruptly: Arc<AtomicBool>,
}

enum State {
    Beginning(Pin<Box<dyn Future<Output = Begun>>>),
    /// `send` is gone when the server takes no more requests; the connection then ends with its last stream.
    Open {
        send: Option<SendRequest<Bytes>>,
        connection: Box<Connection<Polled, Bytes>>,
    },
}

/// A client that wants to ask.
pub(super) struct Waiting {
    pub(super) client: usize,
    pub(super) attempt: u32,
    pub(super) request: Request<()>,
}

/// What polling a connection has brought.
pub(super) struct Advance {
    /// Requests that are out now: client, attempt and answer.
    pub(super) asked: Vec<(usize, u32, ResponseFuture)>,
    pub(super) then: Then,
}

/// How a connection goes on.
pub(super) enum Then {
    /// It lives.
    On,
    /// It takes no more requests.
    Retired,
    /// It is over.
    Over(Option<Error>),
}

impl Session {
    /// HTTP/2 on a socket that may still be connecting, for at most `clients` streams at a time.
    pub(super) fn new(socket: Socket, clients: usize, waker: Waker) -> Self {
        let abruptly = Arc::new(AtomicBool::new(false));
        // A slow client fills its own window and nobody else's.
        let window = WINDOW.saturating_mul(u32::try_from(clients + 1).unwrap_or(u32::MAX)).min(WINDOW_MAX);
        let mut builder = Builder::new();
        builder.initial_window_size(WINDOW).initial_connection_window_size(window).enable_push(false);
        builder.initial_max_send_streams(clients).max_concurrent_reset_streams(clients);
        builder.data_frame_budget(SMALL_FRAMES);
        let polled = Polled::new(socket, Arc::clone(&abruptly));
        let beginning = Box::pin(async move { builder.handshake(polled).await });
        Self { state: State::Beginning(beginning), waker, waiting: VecDeque::new(), abruptly }
    }

    /// Reads, writes and asks as much as is possible now.
    pub(super) fn advance(&mut self) -> Advance {
        let context = &mut Context::from_waker(&self.waker);
        let mut asked = Vec::new();
        let (send, connection) = loop {
            match &mut self.state {
                State::Open { send, connection } => break (send, connection),
                State::Beginning(beginning) => match beginning.as_mut().poll(context) {
                    Poll::Pending => return Advance { asked, then: Then::On },
                    Poll::Ready(Err(error)) => return Advance { asked, then: Then::Over(Some(error)) },
                    Poll::Ready(Ok((send, connection))) => {
                        self.state = State::Open { send: Some(send), connection: Box::new(connection) };
                    }
                },
            }
        };
        let mut then = Then::On;
        while let (Some(sender), Some(waiting)) = (send.as_mut(), self.waiting.front()) {
            let answer = match sender.poll_ready(context) {
                // There are as many streams as the server allows.
                Poll::Pending => break,
                Poll::Ready(Ok(())) => sender.send_request(waiting.request.clone(), true),
                Poll::Ready(Err(error)) => Err(error),
            };
            let Ok((answer, _)) = answer else {
                (*send, then) = (None, Then::Retired);
                break;
            };
            asked.extend(self.waiting.pop_front().map(|waiting| (waiting.client, waiting.attempt, answer)));
        }
        if let Poll::Ready(end) = Pin::new(connection.as_mut()).poll(context) {
            then = Then::Over(end.err());
        }
        Advance { asked, then }
    }

    /// Ends by a reset when it is dropped, as a client that vanishes.
    pub(super) fn end_abruptly(&self) {
        self.abruptly.store(true, Ordering::Relaxed);
    }
}
