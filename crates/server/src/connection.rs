//! One accepted socket, from its first byte to its end or to the session that takes it over.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fanfare_protocol::limits::REQUEST_HEAD_TIMEOUT_DRAINING;
use fanfare_tls::{Identity, Protocol};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::admission::{Reason, SocketPermit};
use crate::answer::{Answer, Reply};
use crate::core::Core;
use crate::decision::{Decision, Stream};
use crate::detach::{Handover, Stage, Transport};
use crate::framing::Framing;
use crate::http2;
use crate::linger::linger;
use crate::options::RequestOptions;
use crate::phase::PhaseWatch;
use crate::problem::{Kind, Problem};
use crate::proxy_protocol::{self, Header, HeaderError};
use crate::routes::Handler;
use crate::session;
use crate::silent_sockets::SilentPlace;
use crate::socket::Socket;
use crate::soon::Soon;
use crate::tls_handshake::{self, Shaken};

/// Serves one socket. The permit goes back when this ends, or on to the session's outlet.
///
/// What HTTP needs is made when there is something to read: until then a socket is this future, and that is small.
pub(crate) async fn serve<S: Socket>(
    handler: Handler,
    core: Rc<Core>,
    phase: PhaseWatch,
    mut socket: S,
    mut permit: SocketPermit,
    identity: Option<Arc<Identity>>,
) {
    let mut place = SilentPlace::enter(&core.silent, &handler.node.admission, permit.payer());
    let expects_header = permit.source().begins_with_header;
    match first_byte(&handler, phase.clone(), &socket, &place).await {
        FirstByte::Here => {}
        FirstByte::Late if expects_header => return note_no_header(&handler, &permit, &HeaderError::Late),
        FirstByte::Late => return handler.stats().timeouts.add(1),
        FirstByte::NoPlace => return,
    }
    let mut early = Vec::new();
    if expects_header {
        // Boxed, so that others do not carry the room for it.
        match Box::pin(introduce(&handler, phase.clone(), &mut socket, &mut permit, &place)).await {
            Some(bytes) => early = bytes,
            None => return,
        }
        // The client has a place of its own, and may be silent like any other.
        drop(place);
        place = SilentPlace::enter(&core.silent, &handler.node.admission, permit.payer());
        if early.is_empty() {
            match first_byte(&handler, phase.clone(), &socket, &place).await {
                FirstByte::Here => {}
                FirstByte::Late => return handler.stats().timeouts.add(1),
                FirstByte::NoPlace => return,
            }
        }
    }
    match identity {
        None => Box::pin(serve_requests(handler, core, phase, socket, early, permit, place)).await,
        Some(identity) => {
            // Boxed by itself: of what a handshake needs nothing is left when requests are served.
            let shaken =
                Box::pin(tls_handshake::shake(&handler, &core, &phase, (socket, early), &permit, &place, &identity));
            let Some(Shaken { socket, protocol, certified }) = shaken.await else { return };
            permit.certify(certified);
            drop(place);
            if protocol == Protocol::Http2 {
                return Box::pin(http2::serve(handler, core, phase, socket, Vec::new(), permit)).await;
            }
            let place = SilentPlace::enter(&core.silent, &handler.node.admission, permit.payer());
            Box::pin(serve_requests(handler, core, phase, socket, Vec::new(), permit, place)).await;
        }
    }
}

/// What becomes of a socket that has said nothing yet.
enum FirstByte {
    /// There is something to read, the end or an error included.
    Here,
    /// Time is up.
    Late,
    /// Another socket needs the place.
    NoPlace,
}

/// Waits until there is something to read.
async fn first_byte(handler: &Handler, mut phase: PhaseWatch, socket: &impl Socket, place: &SilentPlace) -> FirstByte {
    let requests = &handler.node.options.requests;
    let mut draining = pin!(phase.left_running());
    let mut drained = false;
    let mut clock = pin!(tokio::time::sleep(requests.head_timeout));
    poll_fn(|cx| {
        if socket.poll_read_ready(cx).is_ready() {
            return Poll::Ready(FirstByte::Here);
        }
        if place.poll_closed(cx).is_ready() {
            return Poll::Ready(FirstByte::NoPlace);
        }
        if !drained && draining.as_mut().poll(cx).is_ready() {
            drained = true;
            clock.as_mut().reset(Instant::now() + Stage::Fresh.allowance(requests, drained).unwrap_or_default());
        }
        clock.as_mut().poll(cx).map(|()| FirstByte::Late)
    })
    .await
}

/// Lets hyper serve the requests of a socket, until it ends or is a stream's. `early`: bytes of the client that are read already.
async fn serve_requests<S: Socket>(
    handler: Handler,
    core: Rc<Core>,
    mut phase: PhaseWatch,
    socket: S,
    early: Vec<u8>,
    permit: SocketPermit,
    place: SilentPlace,
) {
    let (admission, payer) = (Arc::clone(&handler.node.admission), permit.payer());
    let enter = || SilentPlace::enter(&core.silent, &admission, payer);
    let handover = Rc::new(Handover::default());
    let requests = handler.node.options.requests.clone();
    let transport = TokioIo::new(Transport::new(socket, early, Rc::clone(&handover)));
    let framing = Cell::new(Framing::Plain);
    let waiter =
        Waiter { handler: handler.clone(), core: Rc::clone(&core), handover: Rc::clone(&handover), permit, framing };
    let mut connection = builder(&requests).serve_connection(transport, waiter);
    let end = drive(&mut connection, &handover, &requests, &mut phase, place, enter).await;
    // Whatever hyper has read beyond a subscription's request is dropped with `read_buf`: the connection is the stream's.
    let parts = connection.into_parts();
    let (socket, early) = parts.io.into_inner().into_parts();
    let Waiter { permit, framing, .. } = parts.service;
    let listener = permit.source().listener;
    if matches!(end, End::Http2) && handler.takes_preface(listener) {
        // The connection may last for days, and needs no buffer of HTTP/1.
        drop(parts.read_buf);
        // Boxed, so that others do not carry the room for it.
        return Box::pin(http2::serve(handler, core, phase, socket, early, permit)).await;
    }
    let decided = handover.take();
    if let (End::Detach, Some(mut subscribe)) = (&end, decided) {
        let place = permit.into_session(&mut subscribe.permit);
        return session::start(&core, socket, place, framing.get(), *subscribe);
    }
    // What was decided is dropped by now: a socket that lingers holds no session's place.
    match end {
        End::TimedOut(stage) => {
            handler.stats().timeouts.add(1);
            time_out(&handler, listener, &core, &handover, stage, socket).await;
        }
        End::Malformed => {
            handler.stats().malformed.add(1);
            linger(socket, handover.has_ended()).await;
        }
        End::Http2 => {
            handler.stats().malformed.add(1);
            let problem = Problem::new(Kind::InvalidRequest, "HTTP/2 is not spoken on this connection.");
            let answer = Answer::from(problem).dated(core.date()).closing();
            // A socket that takes no 500 bytes has no reader.
            let _ = socket.try_write(&answer.to_http1(Framing::Plain));
            linger(socket, false).await;
        }
        // Who was refused on a full node is not waited for: the next one needs the place. Over TLS it is told that this is the end.
        End::Closed | End::Detach if admission.is_full() && has_nothing_unread(&socket) => socket.close_sending_side(),
        End::Closed | End::Detach => linger(socket, handover.has_ended()).await,
        End::Broken | End::NoPlace => {}
    }
}

/// Reads the PROXY header of a trusted proxy and puts its client in the proxy's place. Returns the client's bytes that came with
/// it; `None`: the connection is over, without a word, since nobody knows which protocol the far end speaks.
async fn introduce<S: Socket>(
    handler: &Handler,
    mut phase: PhaseWatch,
    socket: &mut S,
    permit: &mut SocketPermit,
    place: &SilentPlace,
) -> Option<Vec<u8>> {
    let timeout = handler.node.options.requests.head_timeout;
    let drained = async {
        phase.left_running().await;
        tokio::time::sleep(timeout.min(REQUEST_HEAD_TIMEOUT_DRAINING)).await;
    };
    let outcome = tokio::select! {
        biased;
        outcome = proxy_protocol::read(socket) => outcome,
        () = tokio::time::sleep(timeout) => Err(HeaderError::Late),
        () = drained => Err(HeaderError::Late),
        // Another socket needs the place.
        () = poll_fn(|cx| place.poll_closed(cx)) => return None,
    };
    let proxy = permit.source().address;
    match outcome {
        Ok((Header { client, .. }, early)) => {
            let introduced = handler.node.admission.introduce(permit, client);
            let dropped =
                |reason: &Reason| debug!(%proxy, ?client, reason = reason.as_str(), "dropped a connection unread");
            introduced.inspect_err(dropped).ok().map(|()| early)
        }
        Err(HeaderError::Unbegun) => None,
        Err(error) => {
            note_no_header(handler, permit, &error);
            None
        }
    }
}

/// A connection of a trusted proxy ends because it does not begin with a PROXY header.
fn note_no_header(handler: &Handler, permit: &SocketPermit, error: &HeaderError) {
    let proxy = permit.source().address;
    debug!(%proxy, %error, "closed a connection of a trusted proxy");
    handler.stats().proxy_headers_failed.add(1);
    handler.node.told_of_proxies.call_once(|| {
        warn!(%proxy, %error, "closed a connection of a trusted proxy: where proxy_protocol is on every one begins with a \
              PROXY header; fanfare_proxy_errors_total counts those that follow");
    });
}

fn builder(requests: &RequestOptions) -> http1::Builder {
    let header_bytes = requests.header_bytes.max(8 << 10);
    let mut builder = http1::Builder::new();
    builder
        // A client that has sent its request and closed its side still gets the response.
        .half_close(true)
        .max_header_size(header_bytes)
        .max_buf_size(header_bytes)
        // For what hyper says by itself, about requests that it cannot parse. Every other answer has its date already.
        .auto_date_header(true)
        // Timeouts are those of `drive`: hyper's one does not tell an idle connection from a slow request.
        .header_read_timeout(None);
    builder
}

/// How hyper's part in a connection ends.
#[derive(Debug)]
enum End {
    /// The socket becomes a stream's.
    Detach,
    /// The client speaks HTTP/2, and has said nothing else yet.
    Http2,
    /// Everything was said.
    Closed,
    /// hyper has answered what it could not parse.
    Malformed,
    /// Nothing can be written any more.
    Broken,
    /// Another socket needs its place among those without a request.
    NoPlace,
    TimedOut(Stage),
}

type Connection<S> = http1::Connection<TokioIo<Transport<S, Stream>>, Waiter>;

/// Polls hyper until it is done, until a subscription was decided and nothing is left to write, or until time is up.
async fn drive<S: Socket>(
    connection: &mut Connection<S>,
    handover: &Handover<Stream>,
    requests: &RequestOptions,
    phase: &mut PhaseWatch,
    place: SilentPlace,
    enter: impl Fn() -> SilentPlace,
) -> End {
    let mut draining = pin!(phase.left_running());
    let mut drained = false;
    let mut seen = None;
    let mut requests_seen = 0;
    let mut allowed = None;
    let mut place = Some(place);
    let mut clock = pin!(tokio::time::sleep(requests.head_timeout));
    poll_fn(|cx| {
        let polled = connection.poll_without_shutdown(cx);
        if handover.may_detach() && polled.is_pending() {
            return Poll::Ready(End::Detach);
        }
        if handover.stage() == Stage::Http2 {
            return Poll::Ready(End::Http2);
        }
        if let Poll::Ready(outcome) = polled {
            return Poll::Ready(end_of(outcome));
        }
        if !drained && draining.as_mut().poll(cx).is_ready() {
            drained = true;
            seen = None;
        }
        // A connection without any request yet is not idle: its request is on the way and gets the polite refusal.
        if drained && handover.stage() == Stage::Idle {
            return Poll::Ready(End::Closed);
        }
        let now @ (stage, number) = handover.progress();
        if seen != Some(now) {
            allowed = stage.allowance(requests, drained);
            clock.as_mut().reset(Instant::now() + allowed.unwrap_or_default());
            // Whoever asked since is not among the oldest silent ones any more.
            let kept = place.take().filter(|_| requests_seen == number);
            place = stage.is_silent().then(|| kept.unwrap_or_else(&enter));
            requests_seen = number;
            seen = Some(now);
        }
        if place.as_ref().is_some_and(|place| place.poll_closed(cx).is_ready()) {
            return Poll::Ready(End::NoPlace);
        }
        match allowed {
            Some(_) => clock.as_mut().poll(cx).map(|()| End::TimedOut(stage)),
            None => Poll::Pending,
        }
    })
    .await
}

fn end_of(outcome: hyper::Result<()>) -> End {
    match outcome {
        Ok(()) => End::Closed,
        Err(error) => {
            debug!(%error, "a connection ended early");
            if error.is_parse() { End::Malformed } else { End::Broken }
        }
    }
}

/// A request that began to arrive is told why it ends; an idle connection just ends.
async fn time_out(
    handler: &Handler,
    listener: u8,
    core: &Core,
    handover: &Handover<Stream>,
    stage: Stage,
    socket: impl Socket,
) {
    if stage == Stage::Partial {
        let problem = Problem::new(Kind::RequestTimeout, "The request did not arrive in time.");
        // A socket that takes no 500 bytes has no reader.
        let answer = Answer::from(problem).with(handler.node.strict_transport(listener)).dated(core.date());
        let _ = socket.try_write(&answer.to_http1(Framing::Chunked));
    }
    if stage == Stage::Responding {
        return;
    }
    linger(socket, handover.has_ended()).await;
}

/// Whether the client has sent nothing that was not read. Closing the socket is then no reset, and what was written arrives.
fn has_nothing_unread(socket: &impl Socket) -> bool {
    socket.try_read(&mut [0; 1]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// hyper's service for one connection.
struct Waiter {
    handler: Handler,
    core: Rc<Core>,
    handover: Rc<Handover<Stream>>,
    permit: SocketPermit,
    /// What the client of the latest request understands.
    framing: Cell<Framing>,
}

impl Service<http::Request<Incoming>> for Waiter {
    type Response = Reply;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: http::Request<Incoming>) -> Answering {
        self.handover.request();
        self.framing.set(Framing::of(request.version()));
        let awaited = match self.handler.route(&self.permit, request, &self.handover) {
            Soon::Now(Decision::Answer(answer)) => Awaited::Now(answer),
            Soon::Now(Decision::Stream(stream)) => {
                self.handover.decide(stream);
                Awaited::Nothing
            }
            Soon::Later(decision) => Awaited::Later(decision),
        };
        Answering { awaited, core: Rc::clone(&self.core), handover: Rc::clone(&self.handover) }
    }
}

/// The response as hyper waits for it. For a subscription it never comes: hyper must not write a head.
struct Answering {
    awaited: Awaited,
    core: Rc<Core>,
    handover: Rc<Handover<Stream>>,
}

enum Awaited {
    Now(Box<Answer>),
    Later(Pin<Box<dyn Future<Output = Decision>>>),
    Nothing,
}

impl Future for Answering {
    type Output = Result<Reply, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let decision = match &mut self.awaited {
            Awaited::Later(decision) => ready!(decision.as_mut().poll(cx)),
            awaited => match std::mem::replace(awaited, Awaited::Nothing) {
                Awaited::Now(answer) => Decision::Answer(answer),
                _ => return Poll::Pending,
            },
        };
        self.awaited = Awaited::Nothing;
        match decision {
            Decision::Answer(answer) => {
                self.handover.response();
                Poll::Ready(Ok(answer.dated(self.core.date()).into_reply()))
            }
            Decision::Stream(stream) => {
                self.handover.decide(stream);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests;
