//! The sockets of one core that have no request under way: they have sent none yet, or only a part of one, or keep their
//! connection for another.
//!
//! Anybody can open such sockets, and they count neither as subscriptions nor by their rate. So there is a bound for the node
//! and one for each address, and where one is reached the *oldest* such socket makes room: a client that has something to say
//! says it at once, and is hardly ever the oldest. Refusing the newest instead would let whoever holds the places keep
//! everybody else out. Only a core can close its own sockets, so it is the oldest of the newcomer's core; sockets are spread
//! evenly over the cores. Where that core has no other, the newcomer is closed.
//!
//! A node may have fewer places than these bounds (few descriptors, a low `admission.max_connections`). So silent sockets have half
//! of the places at most. A crowd that connects at once is not silent, its requests are on their way, and there it would be
//! closed for nothing: this bound is for sockets that have been silent for a while ([`SILENT_YOUNG`]). The core's sweep looks
//! after it ([`SilentSockets::make_room`]): where every place is taken no newcomer would.
//!
//! Who is chosen is asked once more: the runtime looks at its sockets before the choice counts, and one whose request has
//! arrived is served.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future as _;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use fanfare_protocol::limits::SILENT_YOUNG;
use tokio::time::Instant;

use crate::admission::{AddressKey, Admission, Excess};

/// Those of one core.
#[derive(Debug, Default)]
pub(crate) struct SilentSockets(RefCell<Waiting>);

impl SilentSockets {
    /// Closes those that have been silent for a while, the oldest first, until silent sockets have no more than their part of the
    /// node's places.
    pub(crate) fn make_room(&self) {
        let mut waiting = self.0.borrow_mut();
        let Some(admission) = waiting.admission.clone() else { return };
        let now = Instant::now();
        while admission.silent_sockets().is_over_share() && waiting.close_grown(&admission, now) {}
    }
}

#[derive(Debug, Default)]
struct Waiting {
    /// Where they are counted. `None`: there has been none yet.
    admission: Option<Arc<Admission>>,
    /// The number of the next socket: a smaller number is an older socket.
    next: u64,
    sockets: BTreeMap<u64, Waiter>,
    /// The same by address: what one address has is found without a look at the others.
    by_address: BTreeSet<(AddressKey, u64)>,
}

#[derive(Debug)]
struct Waiter {
    key: Option<AddressKey>,
    since: Instant,
    waker: Option<Waker>,
}

impl Waiting {
    fn insert(&mut self, number: u64, key: Option<AddressKey>, now: Instant) {
        self.sockets.insert(number, Waiter { key, since: now, waker: None });
        self.by_address.extend(key.map(|key| (key, number)));
    }

    fn remove(&mut self, number: u64) -> Option<Waiter> {
        let waiter = self.sockets.remove(&number)?;
        if let Some(key) = waiter.key {
            self.by_address.remove(&(key, number));
        }
        Some(waiter)
    }

    /// The oldest of all.
    fn oldest(&self) -> Option<u64> {
        self.sockets.first_key_value().map(|(number, _)| *number)
    }

    /// The oldest of an address.
    fn oldest_of(&self, key: AddressKey) -> Option<u64> {
        self.by_address.range((key, 0)..=(key, u64::MAX)).next().map(|(_, number)| *number)
    }

    /// Closes this one. Returns whether there was one.
    fn close(&mut self, admission: &Admission, number: Option<u64>) -> bool {
        let Some(Waiter { key, waker, .. }) = number.and_then(|number| self.remove(number)) else { return false };
        admission.count_silent();
        admission.silent_sockets().remove(key);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Closes the oldest unless it is young. Returns whether it did.
    fn close_grown(&mut self, admission: &Admission, now: Instant) -> bool {
        let is_grown = |waiter: &Waiter| now.saturating_duration_since(waiter.since) >= SILENT_YOUNG;
        let oldest = self.sockets.first_key_value().filter(|(_, waiter)| is_grown(waiter));
        let number = oldest.map(|(number, _)| *number);
        self.close(admission, number)
    }
}

/// One socket's place among them, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct SilentPlace {
    among: Rc<SilentSockets>,
    admission: Arc<Admission>,
    number: u64,
    /// It was chosen to be closed, and was asked once more.
    chosen: Cell<bool>,
}

impl SilentPlace {
    /// Counts a socket, and closes another one, or this one, if that is one too many.
    pub(crate) fn enter(among: &Rc<SilentSockets>, admission: &Arc<Admission>, key: Option<AddressKey>) -> Self {
        let mut waiting = among.0.borrow_mut();
        let (number, now) = (waiting.next, Instant::now());
        waiting.next += 1;
        waiting.admission.get_or_insert_with(|| Arc::clone(admission));
        waiting.insert(number, key, now);
        // There is at least this one.
        match (admission.silent_sockets().add(key), key) {
            (None, _) => {}
            (Some(Excess::Address), Some(key)) => {
                let oldest = waiting.oldest_of(key);
                waiting.close(admission, oldest);
            }
            (Some(Excess::Address | Excess::Node), _) => {
                let oldest = waiting.oldest();
                waiting.close(admission, oldest);
            }
        }
        drop(waiting);
        Self { among: Rc::clone(among), admission: Arc::clone(admission), number, chosen: Cell::new(false) }
    }

    /// Resolves when this socket is to make room for another. To be asked after the socket whether there is something to read.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.among.0.borrow_mut();
        if let Some(waiter) = waiting.sockets.get_mut(&self.number) {
            if !waiter.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                waiter.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        if self.chosen.replace(true) {
            return Poll::Ready(());
        }
        // Wakes the task once the runtime has looked at its sockets.
        pin!(tokio::task::yield_now()).poll(cx)
    }
}

impl Drop for SilentPlace {
    fn drop(&mut self) {
        if let Some(waiter) = self.among.0.borrow_mut().remove(self.number) {
            self.admission.silent_sockets().remove(waiter.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use fanfare_log::Random;
    use tokio::time::advance;

    use super::*;
    use crate::options::AdmissionOptions;

    fn enter(among: &Rc<SilentSockets>, admission: &Arc<Admission>) -> SilentPlace {
        SilentPlace::enter(among, admission, None)
    }

    fn is_closed(place: &SilentPlace) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let asked_once_more = place.poll_closed(&mut cx);
        assert!(asked_once_more.is_pending());
        place.poll_closed(&mut cx).is_ready()
    }

    fn node(max_connections: usize) -> (Rc<SilentSockets>, Arc<Admission>) {
        let options = AdmissionOptions { max_connections, ..AdmissionOptions::default() };
        (Rc::default(), Arc::new(Admission::new(options, 1, Random::seeded(1), Instant::now())))
    }

    // Seen to fail where only the configured bounds count, and where a crowd that connects at once counts as silent.
    #[tokio::test(start_paused = true)]
    async fn silent_sockets_keep_half_of_the_places_once_they_are_no_newcomers_any_more() {
        let (among, admission) = node(40);
        let places: Vec<_> = (0..30).map(|_| enter(&among, &admission)).collect();
        among.make_room();
        assert_eq!(admission.silent(), 30, "their requests may be on their way");
        advance(SILENT_YOUNG).await;
        let newcomer = enter(&among, &admission);
        assert_eq!(admission.silent(), 31, "whoever asks costs nobody the connection");
        among.make_room();
        assert_eq!(admission.silent(), 20);
        assert!(places[..11].iter().all(is_closed), "the oldest");
        assert!(!places[11..].iter().any(is_closed) && !is_closed(&newcomer));
        assert_eq!(admission.refused(crate::admission::Reason::Silent), 11);
        drop((places, newcomer));
        assert_eq!(admission.silent(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn on_the_smallest_node_some_sockets_may_be_silent() {
        let (among, admission) = node(1);
        let _places: Vec<_> = (0..17).map(|_| enter(&among, &admission)).collect();
        advance(SILENT_YOUNG).await;
        among.make_room();
        assert_eq!(admission.silent(), 16);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_over_its_own_bound_pays_with_its_own_oldest() {
        let options = AdmissionOptions { silent_per_address: Some(1), ..AdmissionOptions::default() };
        let admission = Arc::new(Admission::new(options, 1, Random::seeded(1), Instant::now()));
        let among = Rc::default();
        let of = |last: u8| {
            let permit = admission.open(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))).unwrap();
            SilentPlace::enter(&among, &admission, permit.payer())
        };
        let (other, first, second) = (of(1), of(2), of(2));
        assert!(is_closed(&first) && !is_closed(&other) && !is_closed(&second));
    }
}
