//! A connection of HTTP/2, from its preface to its end.
//!
//! hyper frames and schedules; what it has no bounds for is bounded here: how long a connection may be without a request, how many
//! frames without one it may send, and how it ends. Each request is an exchange with a task of its own, in the order in which it came.
//! A stream is the body of its answer, and never leaves hyper.

mod body;
mod exchange;
mod frame_budget;
mod frames;
mod requests;
mod shared;
mod slice;
mod wire;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use fanfare_protocol::limits::{
    CLOSE_LINGER, HTTP2_CONNECTION_WINDOW, HTTP2_SLICE_BYTES, HTTP2_STREAM_WINDOW, HTTP2_WRONG_STREAMS_MAX,
    REQUEST_HEAD_TIMEOUT_DRAINING,
};
use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, interval_at};
use tracing::debug;

use crate::admission::SocketPermit;
use crate::core::Core;
use crate::detach::Stage;
use crate::http2_stats::Flood;
use crate::linger::linger;
use crate::options::RequestOptions;
use crate::phase::PhaseWatch;
use crate::routes::Handler;
use crate::silent_sockets::SilentPlace;
use crate::socket::Socket;
use requests::Requests;
use shared::Shared;
use wire::{ENHANCE_YOUR_CALM, NO_ERROR, Transport, Wire};

/// Serves a connection of HTTP/2 until it ends. `early`: bytes of the client that are read already; the preface is among them, or follows.
pub(crate) async fn serve<S: Socket>(
    handler: Handler,
    core: Rc<Core>,
    phase: PhaseWatch,
    socket: S,
    early: Vec<u8>,
    mut permit: SocketPermit,
) {
    permit.share();
    let stats = handler.stats();
    stats.http2.connections.add(1);
    let wire = Rc::new(Wire::new(handler.clone(), socket));
    let shared = Shared::new(handler.clone(), core, permit);
    let end = {
        let requests = Requests::new(Rc::clone(&shared));
        let io = TokioIo::new(Transport::new(Rc::clone(&wire), early));
        let connection = builder(&handler.node.options.requests, requests.clone()).serve_connection(io, requests);
        drive(pin!(connection), &wire, &shared, phase).await
    };
    debug!(?end, "a connection of HTTP/2 has ended");
    match end {
        End::Flood(flood) => {
            stats.http2.floods(flood).add(1);
            wire.say_goaway(ENHANCE_YOUR_CALM);
        }
        End::NoPlace => return wire.say_goaway(NO_ERROR),
        End::Gone => return wire.abandon(),
        End::Closed | End::Broken => {}
    }
    let has_ended = wire.has_ended();
    if let Some(socket) = wire.into_socket() {
        linger(socket, has_ended).await;
    }
}

fn builder(requests: &RequestOptions, executor: Requests) -> http2::Builder<Requests> {
    let streams = requests.streams;
    let mut builder = http2::Builder::new(executor);
    builder
        .max_concurrent_streams(streams)
        .max_header_list_size(u32::try_from(requests.header_bytes.max(8 << 10)).unwrap_or(u32::MAX))
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SLICE_BYTES)
        .max_local_error_reset_streams(HTTP2_WRONG_STREAMS_MAX)
        // Whoever closes all its streams before hyper has looked at them is not flooding; how often it may is bounded here.
        .max_pending_accept_reset_streams(usize::try_from(streams).unwrap_or(usize::MAX))
        // Every answer has its date already.
        .auto_date_header(false);
    builder
}

/// How a connection ends.
#[derive(Debug)]
enum End {
    /// Everything was said.
    Closed,
    /// hyper gave it up, and has said why if it could.
    Broken,
    /// The client sends too much of this.
    Flood(Flood),
    /// Another socket needs its place among those without a request.
    NoPlace,
    /// The peer has vanished, or takes nothing.
    Gone,
}

type Connection<S> = http2::Connection<TokioIo<Transport<S>>, Requests, Requests>;

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Without a request, the first or another one.
    Silent(Stage),
    /// With some, and of each a part is missing. Each has a deadline of its own, which a drain makes shorter for those that begin in it.
    Unfinished,
    /// With some.
    Busy,
    /// It has been told to end, and has no request.
    Leaving,
}

impl Standing {
    fn of(shared: &Shared, is_leaving: bool) -> Self {
        let (open, begun) = shared.exchanges();
        match (open, begun) {
            (1.., _) if open > shared.unfinished() => Self::Busy,
            (1.., _) => Self::Unfinished,
            (0, _) if is_leaving => Self::Leaving,
            (0, 0) => Self::Silent(Stage::Fresh),
            (0, _) => Self::Silent(Stage::Idle),
        }
    }

    /// How long that may last, where the requests have no times of their own.
    fn allowance(self, requests: &RequestOptions, is_draining: bool) -> Option<Duration> {
        match self {
            Self::Silent(stage) => stage.allowance(requests, is_draining),
            // A request that began before the drain is not waited for as long as it might have been.
            Self::Unfinished if is_draining => {
                Some(requests.head_timeout.min(REQUEST_HEAD_TIMEOUT_DRAINING) + CLOSE_LINGER)
            }
            Self::Unfinished | Self::Busy => None,
            Self::Leaving => Some(CLOSE_LINGER),
        }
    }
}

/// Polls hyper until the connection is over.
async fn drive<S: Socket>(
    mut connection: Pin<&mut Connection<S>>,
    wire: &Wire<S>,
    shared: &Shared,
    mut phase: PhaseWatch,
) -> End {
    let requests = &shared.handler.node.options.requests;
    let enter = || SilentPlace::enter(&shared.core.silent, &shared.handler.node.admission, shared.permit.payer());
    let heartbeat = shared.core.options.heartbeat.max(Duration::from_millis(10));
    let mut looks = interval_at(Instant::now() + heartbeat, heartbeat);
    let mut draining = pin!(phase.left_running());
    let mut clock = pin!(tokio::time::sleep(requests.head_timeout));
    let (mut place, mut seen, mut drained, mut leaving) = (None, None, false, false);
    poll_fn(|cx| {
        shared.set_driver(cx.waker());
        wire.begin_turn();
        loop {
            let polled = connection.as_mut().poll(cx);
            if let Some(flood) = wire.flood() {
                return Poll::Ready(End::Flood(flood));
            }
            if let Poll::Ready(outcome) = polled {
                return Poll::Ready(end_of(outcome, shared));
            }
            if !drained && draining.as_mut().poll(cx).is_ready() {
                (drained, leaving, seen) = (true, true, None);
                connection.as_mut().graceful_shutdown();
                continue;
            }
            while looks.poll_tick(cx).is_ready() {
                if wire.check_peer(&shared.core).is_some() {
                    return Poll::Ready(End::Gone);
                }
                if shared.handler.is_ending(&shared.permit) {
                    shared.leave();
                }
            }
            // Streams go on, end by themselves, and come back over a connection whose handshake is new, or which leads to another node.
            if shared.is_leaving() && !leaving {
                leaving = true;
                connection.as_mut().graceful_shutdown();
                continue;
            }
            let begun = shared.exchanges().1;
            let standing = Standing::of(shared, leaving);
            if standing == Standing::Busy {
                (place, seen) = (None, None);
                return Poll::Pending;
            }
            let allowed = standing.allowance(requests, drained);
            // hyper may take a request and answer it within one poll; only the number shows that.
            let before = seen.replace((standing, begun));
            if before != Some((standing, begun)) {
                clock.as_mut().reset(Instant::now() + allowed.unwrap_or_default());
            }
            // Whoever asked since is not among the oldest silent ones any more.
            if before.is_none_or(|(_, number)| number != begun) {
                drop(place.take());
                place = Some(enter());
            }
            if place.as_ref().is_some_and(|place: &SilentPlace| place.poll_closed(cx).is_ready()) {
                return Poll::Ready(End::NoPlace);
            }
            if allowed.is_none() || clock.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if matches!(standing, Standing::Leaving | Standing::Unfinished) {
                // It was told, and does not answer, or does not end what it asks.
                return Poll::Ready(End::Closed);
            }
            shared.handler.stats().timeouts.add(1);
            leaving = true;
            connection.as_mut().graceful_shutdown();
        }
    })
    .await
}

fn end_of(outcome: hyper::Result<()>, shared: &Shared) -> End {
    match outcome {
        Ok(()) => End::Closed,
        Err(error) => {
            debug!(%error, "a connection of HTTP/2 ended early");
            shared.handler.stats().malformed.add(1);
            End::Broken
        }
    }
}
