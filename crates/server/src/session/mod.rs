//! A session: one SSE response, from the moment the socket is ours.
//!
//! A session owns its socket and its cursors, and nothing that grows: what is due is looked up in the logs each time the
//! socket can take it. It is one small future, woken by changes of its channels, by its socket, and by the sweep.
//!
//! Every await may be dropped: a cursor moves only when bytes were handed to the socket, and a frame that went out in part
//! is remembered by its id and the number of bytes, not by holding it. If the rest is no longer to be had, the connection
//! is closed in the middle of the frame, and the client resumes from the event before it.

mod batch;
mod channels;
mod deliver;
mod open;
mod wire;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use fanfare_log::ReaderId;
use fanfare_protocol::block;

use crate::core::Core;
use crate::framing::Framing;
use crate::socket::Socket;
use crate::subscription::Subscription;
use channels::Channels;
use deliver::Outcome;
use open::Opening;
use wire::Wire;

/// Why a session could not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The node drains.
    Draining,
    /// The channels were not open in time: the store is away.
    Timeout,
    /// The store refuses a channel.
    Channel(String),
}

/// What a session is started with: a subscription that was admitted, and what its client is answered.
pub struct Subscribe {
    /// What the client asked for.
    pub subscription: Subscription,
    /// How the body is delimited.
    pub framing: Framing,
    /// The response head.
    pub head: Vec<u8>,
    /// The whole answer, head and body, if the session cannot begin.
    pub refuse: Box<dyn FnOnce(Refusal) -> Vec<u8>>,
}

/// Takes the socket. Everything after this (opening the channels, priming, delivery, heartbeats, drain) is the session's.
#[expect(clippy::disallowed_methods, reason = "the thread's `Sessions` hold it from insert to drop")]
/// `permit` is dropped when the session ends.
pub fn start<P: 'static>(core: &Rc<Core>, socket: impl Socket, permit: P, subscribe: Subscribe) {
    let reader = core.sessions.insert();
    let framing = subscribe.framing;
    let (opening, channels) = Opening::begin(core, reader, subscribe);
    core.stats.sessions.add(1);
    core.stats.subscriptions.add(channels.len() as u64);
    let session = Session {
        core: Rc::clone(core),
        wire: Wire::new(socket, framing, core.tick()),
        channels,
        phase: Some(Box::new(Phase::Opening(opening))),
        reader,
        current: 0,
        ready_due: false,
        _permit: permit,
    };
    drop(tokio::task::spawn_local(session));
}

/// What a session is doing when it is not streaming, which is only at its beginning and its end.
enum Phase {
    Opening(Opening),
    /// Only what is queued is left to write.
    Closing(End),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Error,
    Drain,
    Refused,
    Broken,
}

struct Session<P, S: Socket> {
    core: Rc<Core>,
    wire: Wire<S>,
    channels: Channels,
    /// `None`: streaming.
    phase: Option<Box<Phase>>,
    reader: ReaderId,
    /// The channel whose turn it is; while a frame is partial, the channel that it belongs to.
    current: u16,
    /// `$ready` was asked for, and there was no position yet when the stream began.
    ready_due: bool,
    _permit: P,
}

// Nothing in a session is pinned: the socket is polled through a shared reference.
impl<P, S: Socket> Unpin for Session<P, S> {}

impl<P, S: Socket> Future for Session<P, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.core.sessions.set_waker(this.reader, cx.waker());
        let end = ready!(this.drive(cx));
        let ends = &this.core.stats.ends;
        match end {
            End::Client => &ends.client,
            End::Error => &ends.error,
            End::Drain => &ends.drain,
            End::Refused => &ends.refused,
            End::Broken => &ends.broken,
        }
        .add(1);
        Poll::Ready(())
    }
}

impl<P, S: Socket> Drop for Session<P, S> {
    fn drop(&mut self) {
        let stats = &self.core.stats;
        stats.sessions.set(stats.sessions.get().saturating_sub(1));
        stats.subscriptions.set(stats.subscriptions.get().saturating_sub(self.channels.len() as u64));
        self.channels.close(&self.core.log);
        self.core.sessions.remove(self.reader);
    }
}

impl<P, S: Socket> Session<P, S> {
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.wire.is_peer_gone(cx) {
            return Poll::Ready(End::Client);
        }
        let (beat, end) = self.core.sessions.asked(self.reader);
        if beat && self.wire.has_peer_vanished(&self.core) {
            return Poll::Ready(End::Client);
        }
        loop {
            if let Err(end) = ready!(self.wire.flush(&self.core, cx)) {
                return Poll::Ready(end);
            }
            match self.phase.as_deref() {
                Some(Phase::Opening(_)) => ready!(self.poll_open(end, cx)),
                Some(Phase::Closing(end)) => {
                    self.wire.finish();
                    return Poll::Ready(*end);
                }
                None if end && self.wire.is_between_frames() => self.say_goodbye(),
                // What is looked up for a full socket has to be looked up again, and may cost a read of the archive each time.
                None if self.wire.is_full() && self.wire.poll_writable(cx).is_pending() => return Poll::Pending,
                None => match self.deliver() {
                    Outcome::Queued | Outcome::Lagging => {}
                    Outcome::Idle if self.wire.has_prelude() => self.wire.flush_prelude(),
                    // What was half way when the end was asked for is complete, and nobody else would wake the session.
                    Outcome::Idle if end && self.wire.is_between_frames() => {}
                    Outcome::Idle if beat && self.beat() => {}
                    Outcome::Idle => return Poll::Pending,
                    Outcome::Again => {
                        // Others want their turn.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Outcome::Blocked => {
                        if ready!(self.wire.poll_writable(cx)).is_err() {
                            return Poll::Ready(End::Error);
                        }
                    }
                    Outcome::Ended(end) => return Poll::Ready(end),
                },
            }
        }
    }

    /// Sends a heartbeat if nothing was written for an interval, and renews positions that age. Returns whether something
    /// is to be written.
    fn beat(&mut self) -> bool {
        if !self.wire.is_between_frames() {
            return false;
        }
        let renewed = self.channels.refresh(&self.core.log);
        let quiet =
            self.core.tick().wrapping_sub(self.wire.active) >= self.core.ticks_in(self.core.options.heartbeat) / 2;
        if !quiet && !renewed {
            return false;
        }
        let mut blocks = Vec::new();
        match self.channels.position_text().filter(|_| renewed || self.channels.len() > 1) {
            Some(position) => block::id(&mut blocks, &position),
            None => block::comment(&mut blocks),
        }
        self.core.stats.heartbeats.add(1);
        self.wire.queue_blocks(&blocks);
        true
    }

    fn say_goodbye(&mut self) {
        let mut blocks = Vec::new();
        block::retry(&mut blocks, self.core.retry_ms());
        self.wire.queue_last(&blocks);
        self.phase = Some(Box::new(Phase::Closing(End::Drain)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_small_because_a_node_holds_many() {
        let bytes = size_of::<Session<(), tokio::net::TcpStream>>();
        assert!(bytes <= 128, "{bytes} bytes");
    }
}
