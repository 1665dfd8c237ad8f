//! What all exchanges of one HTTP/2 connection share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use crate::admission::SocketPermit;
use crate::core::Core;
use crate::routes::Handler;

/// The connection, as far as its exchanges know it.
pub(super) struct Shared {
    pub(super) handler: Handler,
    pub(super) core: Rc<Core>,
    pub(super) permit: SocketPermit,
    /// Exchanges under way.
    open: Cell<usize>,
    /// Those of them whose requests are not complete.
    unfinished: Cell<usize>,
    /// Exchanges so far, wrapping.
    begun: Cell<u32>,
    /// Further requests are to come by another connection.
    is_leaving: Cell<bool>,
    /// Wakes whoever drives the connection.
    driver: RefCell<Option<Waker>>,
}

impl Shared {
    pub(super) fn new(handler: Handler, core: Rc<Core>, permit: SocketPermit) -> Rc<Self> {
        Rc::new(Self {
            handler,
            core,
            permit,
            open: Cell::new(0),
            unfinished: Cell::new(0),
            begun: Cell::new(0),
            is_leaving: Cell::new(false),
            driver: RefCell::new(None),
        })
    }

    /// Exchanges under way, and so far.
    pub(super) fn exchanges(&self) -> (usize, u32) {
        (self.open.get(), self.begun.get())
    }

    /// Exchanges under way whose requests are not complete.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished.get()
    }

    /// Another node may have a better answer to what was asked here. A trusted proxy chooses a node for each request and keeps connections to
    /// all of them: one that ended for each refusal would be opened again at once, to the same node.
    pub(super) fn send_elsewhere(&self) {
        if !self.permit.source().is_proxy && !self.is_leaving.replace(true) {
            self.wake_driver();
        }
    }

    /// The driver has found that further requests are to come by another connection.
    pub(super) fn leave(&self) {
        self.is_leaving.set(true);
    }

    /// Whether further requests are to come by another connection.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.get()
    }

    /// From now on this is woken when no exchange is left, when the number of those changes that are not complete, and when further requests
    /// are to come by another connection.
    pub(super) fn set_driver(&self, waker: &Waker) {
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|driver| driver.will_wake(waker)) {
            *driver = Some(waker.clone());
        }
    }

    pub(super) fn begin(&self) {
        self.open.set(self.open.get() + 1);
        self.begun.set(self.begun.get().wrapping_add(1));
        self.handler.stats().http2.streams.add(1);
    }

    pub(super) fn end(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0 {
            self.wake_driver();
        }
    }

    /// Of one more exchange a part of the request is missing, or of one less.
    pub(super) fn count_unfinished(&self, is_one_more: bool) {
        let count = self.unfinished.get();
        self.unfinished.set(if is_one_more { count + 1 } else { count.saturating_sub(1) });
        self.wake_driver();
    }

    fn wake_driver(&self) {
        if let Some(driver) = &*self.driver.borrow() {
            driver.wake_by_ref();
        }
    }
}
