//! The sockets of one core that have no request under way: they have sent none yet, or only a part of one, or keep their
//! connection for another.
//!
//! Anybody can open such sockets, and they count neither as subscriptions nor by their rate. So there is a bound for the node
//! and one for each address, and where one is reached the *oldest* such socket makes room: a client that has something to say
//! says it at once, and is hardly ever the oldest. Refusing the newest instead would let whoever holds the places keep
//! everybody else out. Only a core can close its own sockets, so it is the oldest of the newcomer's core; sockets are spread
//! evenly over the cores. Where that core has no other, the newcomer is closed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::admission::{AddressKey, Admission, Excess};

/// Those of one core.
#[derive(Debug, Default)]
pub(crate) struct SilentSockets(RefCell<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// The number of the next socket: a smaller number is an older socket.
    next: u64,
    sockets: BTreeMap<u64, Waiter>,
    /// The same by address: what one address has is found without a look at the others.
    by_address: BTreeSet<(AddressKey, u64)>,
}

#[derive(Debug)]
struct Waiter {
    key: Option<AddressKey>,
    waker: Option<Waker>,
}

impl Waiting {
    fn insert(&mut self, number: u64, key: Option<AddressKey>) {
        self.sockets.insert(number, Waiter { key, waker: None });
        self.by_address.extend(key.map(|key| (key, number)));
    }

    fn remove(&mut self, number: u64) -> Option<Waiter> {
        let waiter = self.sockets.remove(&number)?;
        if let Some(key) = waiter.key {
            self.by_address.remove(&(key, number));
        }
        Some(waiter)
    }

    /// The oldest of all, or of this address.
    fn oldest(&self, excess: Excess, key: Option<AddressKey>) -> Option<u64> {
        match (excess, key) {
            (Excess::Node, _) | (_, None) => self.sockets.first_key_value().map(|(number, _)| *number),
            (Excess::Address, Some(key)) => {
                self.by_address.range((key, 0)..=(key, u64::MAX)).next().map(|(_, number)| *number)
            }
        }
    }
}

/// One socket's place among them, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct SilentPlace {
    among: Rc<SilentSockets>,
    admission: Arc<Admission>,
    number: u64,
}

impl SilentPlace {
    /// Counts a socket, and closes another one, or this one, if that is one too many.
    pub(crate) fn enter(among: &Rc<SilentSockets>, admission: &Arc<Admission>, key: Option<AddressKey>) -> Self {
        let mut waiting = among.0.borrow_mut();
        let number = waiting.next;
        waiting.next += 1;
        waiting.insert(number, key);
        if let Some(excess) = admission.silent_sockets().add(key) {
            admission.count_silent();
            // There is at least this one.
            let closed = waiting.oldest(excess, key).and_then(|oldest| waiting.remove(oldest));
            if let Some(Waiter { key, waker }) = closed {
                admission.silent_sockets().remove(key);
                waker.into_iter().for_each(Waker::wake);
            }
        }
        drop(waiting);
        Self { among: Rc::clone(among), admission: Arc::clone(admission), number }
    }

    /// Resolves when this socket is to make room for another.
    pub(crate) fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waiting = self.among.0.borrow_mut();
        let Some(waiter) = waiting.sockets.get_mut(&self.number) else { return Poll::Ready(()) };
        if !waiter.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            waiter.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for SilentPlace {
    fn drop(&mut self) {
        if let Some(waiter) = self.among.0.borrow_mut().remove(self.number) {
            self.admission.silent_sockets().remove(waiter.key);
        }
    }
}
