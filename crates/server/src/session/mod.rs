//! A session: one SSE response, from the moment when it is known to be one.
//!
//! A session is a [reader], which says what is due, and an [outlet], which takes it; and nothing that grows:
//! what is due is looked up in the logs each time the outlet has room. It is one small future, woken by changes of its
//! channels, by its outlet, and by the sweep.
//!
//! Every await may be dropped: a cursor moves only when something was handed out, and an entry that went out in part is
//! remembered by its id and the number of bytes, not by holding it. If the rest is no longer to be had, the connection
//! is closed in the middle of the frame, and the client resumes from the event before it.

mod batch;
mod channel_set;
mod channels;
mod framed;
mod http1;
mod http2;
mod many;
mod opening;
mod outlet;
mod reader;
mod subscribed;
mod telling;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tracing::debug;

use crate::core::Core;
use crate::end::End;
use crate::framing::Framing;
use crate::pulse::Beat;
use crate::sessions::Asked;
use crate::socket::Socket;
use http1::Http1;
use http2::Http2;
use opening::Beginning;
use outlet::{Outlet, Peer};
use reader::{Delivered, Doing, Reader};

pub(crate) use http2::{Ending, Head};
pub use opening::{Refusal, Subscribe};

/// Takes a socket that hyper has given back, and its permit. Everything after this (opening the channels, priming, delivery,
/// heartbeats, drain) is the session's.
#[expect(clippy::disallowed_methods, reason = "the thread's `Sessions` hold it from insert to drop")]
pub fn start<P: 'static, Q: 'static>(
    core: &Rc<Core>,
    socket: impl Socket,
    permit: Q,
    framing: Framing,
    subscribe: Subscribe<P>,
) {
    let outlet = Http1::new(socket, permit, framing, core.tick());
    drop(tokio::task::spawn_local(Session::new(core, outlet, subscribe)));
}

/// A reader and its outlet. What polls it drives both: a task of its own, or the body of a response that hyper writes.
struct Session<P, O: Outlet> {
    core: Rc<Core>,
    outlet: O,
    reader: Reader,
    _permit: P,
}

// Nothing in a session is pinned: sockets are polled through a shared reference.
impl<P, O: Outlet> Unpin for Session<P, O> {}

impl<P, O: Outlet> Future for Session<P, O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.core.sessions.set_waker(this.reader.session, cx.waker());
        let end = ready!(this.drive(cx));
        this.core.stats.ends.of(end).add(1);
        debug!(end = end.as_str(), "a session has ended");
        Poll::Ready(())
    }
}

impl<P, O: Outlet> Drop for Session<P, O> {
    fn drop(&mut self) {
        let stats = &self.core.stats;
        stats.sessions.set(stats.sessions.get().saturating_sub(1));
        stats.subscriptions.set(stats.subscriptions.get().saturating_sub(self.reader.channels() as u64));
        self.reader.close(&self.core);
        self.core.forget_session(self.reader.session);
        self.core.sessions.remove(self.reader.session);
    }
}

impl<P, O: Outlet> Session<P, O> {
    fn new(core: &Rc<Core>, outlet: O, subscribe: Subscribe<P>) -> Self {
        let session = core.sessions.insert();
        if let Some(heartbeat) = subscribe.subscription.heartbeat {
            core.sessions.set_heartbeat(session, heartbeat);
        }
        let (reader, permit) = Reader::new(core, session, subscribe);
        core.stats.sessions.add(1);
        core.stats.subscriptions.add(reader.channels() as u64);
        Self { core: Rc::clone(core), outlet, reader, _permit: permit }
    }

    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Self { core, outlet, reader, .. } = self;
        let peer = outlet.peer(cx);
        // Who sends nothing more has gone, as far as anybody can tell; but a request that has come is answered.
        if peer == Peer::Gone || (peer == Peer::SendsNothingMore && reader.doing() == Doing::Streaming) {
            return Poll::Ready(End::Client);
        }
        let Asked { beat, end } = core.sessions.asked(reader.session);
        if let Some(reason) = end.filter(|reason| reason.is_at_once()) {
            outlet.cut();
            return Poll::Ready(reason.end());
        }
        if beat.round {
            if let Some(end) = outlet.check_peer(core) {
                return Poll::Ready(end);
            }
            core.stats.lagging.count(outlet.is_full(), reader.is_behind(core));
        }
        loop {
            if let Err(end) = ready!(outlet.poll_flush(core, cx)) {
                return Poll::Ready(end);
            }
            match (reader.doing(), end) {
                (Doing::Opening, _) => match ready!(reader.poll_open(core, end, cx)) {
                    Ok(Beginning { head, blocks, .. }) => {
                        outlet.begin(&head.dated(core.date()), &blocks);
                        if peer == Peer::SendsNothingMore {
                            reader.leave();
                            outlet.end(&[], reader.close_style());
                        }
                    }
                    Err(answer) => outlet.refuse(&answer.dated(core.date())),
                },
                (Doing::Closing(end), _) => {
                    outlet.finish();
                    return Poll::Ready(end);
                }
                (Doing::Streaming, Some(reason)) if outlet.is_idle() => {
                    let blocks = reader.say_farewell(core, reason);
                    outlet.end(&blocks, reader.close_style());
                }
                (Doing::Streaming, _) if outlet.is_idle() && core.holds_back(reader.session) => {
                    if !(beat.is_due() && send_heartbeat(core, outlet, reader, beat)) {
                        return Poll::Pending;
                    }
                }
                // A beginning waits for a first batch that could go with it, and no batch may begin now.
                (Doing::Streaming, _)
                    if !outlet.is_within_entry()
                        && (end.is_some() || core.holds_back(reader.session))
                        && outlet.release() => {}
                // What is looked up for a full outlet has to be looked up again, and may cost a read of the archive each time.
                (Doing::Streaming, _) if outlet.poll_room(cx).is_pending() => return Poll::Pending,
                // Here there is room: who takes little gets the latest number when it takes something.
                (Doing::Streaming, None) if reader.say_occupancy(core, outlet) => {}
                (Doing::Streaming, _) => {
                    match reader.deliver(core, outlet, end.is_some() || core.holds_back(reader.session)) {
                        Delivered::Queued => {}
                        Delivered::Everything if outlet.release() => {}
                        // What was half way when the end was asked for is complete, and nothing else would wake the session.
                        Delivered::Everything if end.is_some() && outlet.is_idle() => {}
                        Delivered::Everything if beat.is_due() && send_heartbeat(core, outlet, reader, beat) => {}
                        Delivered::Everything => return Poll::Pending,
                        Delivered::Some => {
                            // Others want their turn.
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        Delivered::Full => {
                            if let Err(end) = ready!(outlet.poll_room(cx)) {
                                return Poll::Ready(end);
                            }
                        }
                        Delivered::Ended(end) => return Poll::Ready(end),
                    }
                }
            }
        }
    }
}

/// A session whose stream is one of many on a connection of HTTP/2. Whoever hands on its slices polls it; it has no task of its own.
pub(crate) struct SlicedSession<P>(Session<P, Http2>);

impl<P> SlicedSession<P> {
    pub(crate) fn new(core: &Rc<Core>, subscribe: Subscribe<P>) -> Self {
        Self(Session::new(core, Http2::new(core.tick()), subscribe))
    }

    /// Does what is due, with a slice of at most `room` bytes; 0 as long as the slice before has not left. Ready when the session is
    /// over. Not to be called after that, nor with a slice that was not taken.
    pub(crate) fn poll(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<()> {
        self.0.outlet.set_room(room);
        Pin::new(&mut self.0).poll(cx)
    }

    /// What the client is answered, once that is known.
    pub(crate) fn take_head(&mut self) -> Option<Head> {
        self.0.outlet.take_head()
    }

    /// What is to leave now; empty if nothing is.
    pub(crate) fn take_slice(&mut self) -> Vec<u8> {
        self.0.outlet.take_slice()
    }

    /// Whether something is to leave now.
    pub(crate) fn has_slice(&self) -> bool {
        self.0.outlet.has_slice()
    }

    /// Whether there is more, which waits for room.
    pub(crate) const fn waits(&self) -> bool {
        self.0.outlet.waits()
    }

    /// How the stream ends, once the session is over.
    pub(crate) const fn ending(&self) -> Ending {
        self.0.outlet.ending()
    }
}

/// Shows that the connection is alive, if it has been quiet, and says what was renewed. Returns whether something is to be written.
fn send_heartbeat(core: &Core, outlet: &mut impl Outlet, reader: &mut Reader, beat: Beat) -> bool {
    if !outlet.is_idle() {
        return false;
    }
    let silent = core.tick().wrapping_sub(outlet.active_at());
    // The shorter of the two heartbeats counts: proxies on the way are set up for the node's.
    let is_quiet = beat.round && silent >= core.ticks_in(core.options.heartbeat) / 2
        || beat.own && beat.heartbeat.is_some_and(|heartbeat| heartbeat.is_due(silent, core.current_sweep()));
    let renewed = beat.round && reader.renew(core);
    let blocks = (is_quiet || renewed).then(|| reader.sign_of_life(core, renewed));
    if let Some(blocks) = &blocks {
        outlet.say(blocks);
    }
    blocks.is_some()
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpStream, UnixStream};

    use super::*;
    use crate::admission::{SessionPermit, SocketPlace};

    #[test]
    fn a_session_is_small_because_a_node_holds_many() {
        let bytes = size_of::<Session<(), Http1<TcpStream, ()>>>();
        assert!(bytes <= 128, "{bytes} bytes");
        // With 8 bytes more, and what tokio has for each task, it would take 384 bytes instead of 256.
        let bytes = size_of::<Session<SessionPermit, Http1<TcpStream, SocketPlace>>>();
        assert!(bytes <= 152, "{bytes} bytes with its permits");
        let local = size_of::<Session<SessionPermit, Http1<UnixStream, SocketPlace>>>();
        assert_eq!(local, bytes, "over a Unix socket");
        let sliced = size_of::<SlicedSession<SessionPermit>>();
        assert!(sliced <= 120, "{sliced} bytes as a stream of HTTP/2");
    }
}
