//! One request of an HTTP/2 connection and its answer (RFC 9113 section 8.1): what the future of the answer, its body and the task that
//! polls both know together.
//!
//! hyper asks a body for its next slice whatever the peer's window is, keeps that slice, and then asks nothing more. So a body
//! gives one slice, and no other until that one has left. And a session has to be polled meanwhile, since it may be asked to end, or its
//! client may take nothing for too long: the task does that when hyper has not.
//!
//! The same is true of the last slice: the body is over only when that has left, and then says so with an empty frame. hyper counts an
//! answer as given once h2 has its last frame; a client that never lets that frame out would have no deadline and count for nothing.
//!
//! A slice has left when the windows of its stream and of the connection have let it out: it is in the socket, or among the 16 KiB that h2
//! gathers before it writes. A socket that takes nothing is the connection's affair, for all its streams together
//! ([`Wire::check_peer`](super::wire::Wire::check_peer)).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::shared::Shared;
use super::slice::{Giver, Slice};
use crate::admission::SessionPermit;
use crate::decision::Stream;
use crate::detach::{Handover, Stage};
use crate::end::End;
use crate::session::{Ending, Head, SlicedSession};

/// What is being done.
enum Work {
    /// The request is being decided about.
    Deciding(Rc<Handover<Stream>>),
    /// What is left of an answer.
    Whole(Bytes),
    Session(SlicedSession<SessionPermit>),
}

/// One request and its answer.
pub(super) struct Exchange {
    pub(super) shared: Rc<Shared>,
    work: RefCell<Work>,
    /// The session is over.
    is_over: Cell<bool>,
    /// A slice has not left.
    is_unsent: Cell<bool>,
    /// The session was polled in this poll of the task.
    is_polled: Cell<bool>,
    /// A part of the request is missing.
    is_unfinished: Cell<bool>,
    /// The rest of the request has not come in time.
    is_late: Cell<bool>,
    /// Another node may have a better answer.
    is_for_elsewhere: Cell<bool>,
}

impl Exchange {
    pub(super) fn new(shared: &Rc<Shared>) -> Rc<Self> {
        shared.begin();
        Rc::new(Self {
            shared: Rc::clone(shared),
            work: RefCell::new(Work::Deciding(Rc::default())),
            is_over: Cell::new(false),
            is_unsent: Cell::new(false),
            is_polled: Cell::new(false),
            is_unfinished: Cell::new(false),
            is_late: Cell::new(false),
            is_for_elsewhere: Cell::new(false),
        })
    }

    /// What the handler tells of the request while it is decided about.
    pub(super) fn handover(&self) -> Rc<Handover<Stream>> {
        match &*self.work.borrow() {
            Work::Deciding(handover) => Rc::clone(handover),
            Work::Whole(_) | Work::Session(_) => Rc::default(),
        }
    }

    /// Where it stands, and how long it may stay there. Sessions, while they last, and handlers have deadlines of their own.
    pub(super) fn stage(&self) -> (Stage, Option<Duration>) {
        let stage = match &*self.work.borrow() {
            Work::Deciding(handover) => handover.stage(),
            Work::Session(_) if !self.is_over.get() => Stage::Busy,
            Work::Session(_) | Work::Whole(_) => Stage::Responding,
        };
        let node = &self.shared.handler.node;
        (stage, stage.allowance(&node.options.requests, node.admission.is_draining()))
    }

    /// Whether a part of the request is missing: as long as that is so, the exchange keeps its connection for nothing.
    pub(super) fn set_unfinished(&self, is_unfinished: bool) {
        if self.is_unfinished.replace(is_unfinished) != is_unfinished {
            self.shared.count_unfinished(is_unfinished);
        }
    }

    /// The rest of the request has not come in time.
    pub(super) fn give_up(&self) {
        self.is_late.set(true);
    }

    pub(super) fn is_late(&self) -> bool {
        self.is_late.get()
    }

    /// Another node may have a better answer than the one that is given: further requests are to come by another connection, once it has
    /// left.
    pub(super) fn set_for_elsewhere(&self) {
        self.is_for_elsewhere.set(true);
    }

    /// The answer's body is these bytes.
    pub(super) fn answer(&self, body: Bytes) {
        self.work.replace(Work::Whole(body));
    }

    /// The answer is a stream; [`Self::poll_head`] says what its client is answered.
    pub(super) fn stream(&self, stream: Stream) {
        self.work.replace(Work::Session(SlicedSession::new(&self.shared.core, *stream)));
    }

    /// Waits for the head of a stream, or the answer in its place. Where the session ends before, the task sees that.
    pub(super) fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Head> {
        let Work::Session(session) = &mut *self.work.borrow_mut() else { return Poll::Pending };
        self.poll_session(session, Slice::room(&self.shared.handler), cx);
        session.take_head().map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits for the next slice of the body; `None`: there is none.
    pub(super) fn poll_slice(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<Option<Slice>> {
        let handler = &self.shared.handler;
        if self.is_unsent.get() {
            // What is due has been looked for in the poll that gave the slice.
            return Poll::Pending;
        }
        let bytes = match &mut *self.work.borrow_mut() {
            Work::Deciding(_) => return Poll::Ready(None),
            // A copy, so that a page is not kept whole for what is left of it.
            Work::Whole(bytes) => Bytes::copy_from_slice(&bytes.split_to(bytes.len().min(Slice::room(handler)))),
            Work::Session(session) => {
                if !session.has_slice() {
                    self.poll_session(session, Slice::room(handler), cx);
                }
                let slice = session.take_slice();
                if slice.is_empty() && !(self.is_over.get() && session.ending() == Ending::Clean) {
                    return Poll::Pending;
                }
                self.shared.core.stats.bytes.add(slice.len() as u64);
                Bytes::from(slice)
            }
        };
        if bytes.is_empty() {
            return Poll::Ready(None);
        }
        self.is_unsent.set(true);
        let giver = Rc::downgrade(self);
        Poll::Ready(Some(Slice::new(handler, bytes, giver, cx.waker())))
    }

    /// Whether the body has left whole.
    pub(super) fn is_done(&self) -> bool {
        !self.is_unsent.get()
            && match &*self.work.borrow() {
                Work::Deciding(_) => false,
                Work::Whole(bytes) => bytes.is_empty(),
                Work::Session(session) => {
                    self.is_over.get() && session.ending() == Ending::Clean && !session.has_slice()
                }
            }
    }

    /// How many bytes are left of a body whose length is known.
    pub(super) fn length(&self) -> Option<u64> {
        match &*self.work.borrow() {
            Work::Whole(bytes) => Some(bytes.len() as u64),
            Work::Deciding(_) | Work::Session(_) => None,
        }
    }

    /// A poll of the task begins.
    pub(super) fn begin_poll(&self) {
        self.is_polled.set(false);
    }

    /// A poll of the task ends: a session that was not polled in it is told what it is to know all the same. Returns whether the
    /// exchange ends here, with a reset.
    pub(super) fn end_poll(&self, cx: &mut Context<'_>) -> bool {
        let Work::Session(session) = &mut *self.work.borrow_mut() else { return false };
        if !self.is_polled.get() {
            // Only the slice that has not left keeps hyper from asking.
            self.poll_session(session, 0, cx);
        }
        self.is_over.get()
            && match session.ending() {
                Ending::Cut => true,
                Ending::Abort => !self.is_unsent.get() && !session.has_slice(),
                Ending::Clean => false,
            }
    }

    fn poll_session(&self, session: &mut SlicedSession<SessionPermit>, room: usize, cx: &mut Context<'_>) {
        if !self.is_over.get() {
            self.is_polled.set(true);
            self.is_over.set(session.poll(room, cx).is_ready());
        }
    }
}

impl Giver for Exchange {
    fn slice_has_left(&self) -> bool {
        self.is_unsent.set(false);
        match self.work.try_borrow() {
            Ok(work) => match &*work {
                Work::Session(session) => session.waits() || self.is_over.get(),
                Work::Deciding(_) | Work::Whole(_) => true,
            },
            Err(_) => true,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Its client has reset it, or the connection is gone.
        if matches!(self.work.get_mut(), Work::Session(_)) && !self.is_over.get() {
            self.shared.core.stats.ends.of(End::Client).add(1);
        }
        self.set_unfinished(false);
        if self.is_for_elsewhere.get() {
            // What ends the stream is with h2 by now, before the driver looks at this. Where the socket takes nothing the `GOAWAY` may come
            // first, which is one that leaves streams their time.
            self.shared.send_elsewhere();
        }
        self.shared.end();
    }
}
