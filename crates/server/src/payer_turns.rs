//! Who is next where few may work at once: reads of history, handshakes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_log::Payer;
use tokio::sync::oneshot;

/// Lets a number work at once. The others wait: payers take turns, and of one payer who came first is next. It has no bound of its own:
/// those who wait hold places elsewhere, so there are no more than those. Who has given up leaves an entry, until its turn or until what it
/// stands in would grow: there is room for twice as many as wait at most, or for a few.
#[derive(Debug)]
pub(crate) struct PayerTurns(Arc<Shared>);

type Shared = Mutex<State>;

#[derive(Debug)]
struct State {
    free: usize,
    /// By payer, in the order of their turns. No queue is empty.
    waiting: VecDeque<(Payer, VecDeque<oneshot::Sender<PayerTurn>>)>,
}

impl State {
    fn wait(&mut self, payer: Payer) -> oneshot::Receiver<PayerTurn> {
        let (sender, receiver) = oneshot::channel();
        match self.waiting.iter_mut().find(|(other, _)| *other == payer) {
            Some((_, queue)) => {
                if queue.len() == queue.capacity() {
                    queue.retain(|waiting| !waiting.is_closed());
                }
                queue.push_back(sender);
            }
            None => {
                if self.waiting.len() == self.waiting.capacity() {
                    self.waiting.retain(|(_, queue)| queue.iter().any(|waiting| !waiting.is_closed()));
                }
                self.waiting.push_back((payer, VecDeque::from([sender])));
            }
        }
        receiver
    }

    fn next(&mut self) -> Option<oneshot::Sender<PayerTurn>> {
        let (payer, mut queue) = self.waiting.pop_front()?;
        let next = queue.pop_front();
        if !queue.is_empty() {
            self.waiting.push_back((payer, queue));
        }
        next
    }
}

impl PayerTurns {
    /// So many may work at once.
    pub(crate) fn new(free: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free, waiting: VecDeque::new() })))
    }

    /// Waits for a turn of this payer. Cancel-safe: a turn that is given to one that does not wait any more goes on to the next.
    pub(crate) async fn take(&self, payer: Payer) -> PayerTurn {
        let turn = {
            let mut state = lock(&self.0);
            if state.free > 0 {
                state.free -= 1;
                return PayerTurn(Some(Arc::clone(&self.0)));
            }
            state.wait(payer)
        };
        turn.await.expect("who waits stands in the queue of `self` until it gets its turn")
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to work, handed on when it is dropped.
#[derive(Debug)]
pub(crate) struct PayerTurn(Option<Arc<Shared>>);

impl Drop for PayerTurn {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = lock(&shared);
                let next = state.next();
                state.free += usize::from(next.is_none());
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(Arc::clone(&shared)))) {
                Ok(()) => return,
                // That one does not wait any more.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::{LocalSet, yield_now};

    use super::*;

    // Seen to fail when who came first reads first, whoever pays.
    #[tokio::test]
    async fn payers_take_turns_and_one_that_asks_once_is_next_whatever_another_has_asked_for() {
        let turns = Rc::new(PayerTurns::new(1));
        let reading = turns.take(Payer::of(1)).await;
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks = LocalSet::new();
        for (payer, name) in [(1, "1a"), (1, "1b"), (1, "1c"), (2, "2a"), (3, "3a"), (2, "2b")] {
            let (turns, order) = (Rc::clone(&turns), Rc::clone(&order));
            tasks.spawn_local(async move {
                let _turn = turns.take(Payer::of(payer)).await;
                order.borrow_mut().push(name);
            });
        }
        tasks.run_until(yield_now()).await;
        drop(reading);
        tasks.await;
        assert_eq!(*order.borrow(), ["1a", "2a", "3a", "1b", "2b", "1c"]);
        assert_eq!(lock(&turns.0).free, 1);
    }

    #[tokio::test]
    async fn the_turn_of_a_request_that_was_given_up_goes_on_to_the_next() {
        let turns = PayerTurns::new(1);
        let reading = turns.take(Payer::of(1)).await;
        let (mut given_up, mut given_up_late) =
            (Box::pin(turns.take(Payer::of(2))), Box::pin(turns.take(Payer::of(3))));
        let mut patient = Box::pin(turns.take(Payer::of(4)));
        assert!(futures_pending(&mut given_up) && futures_pending(&mut given_up_late) && futures_pending(&mut patient));
        drop(given_up);
        drop(reading);
        // It has its turn, and nobody looks.
        drop(given_up_late);
        drop(patient.await);
        assert_eq!(lock(&turns.0).free, 1);
    }

    // Seen to fail when an entry stays until its turn.
    #[tokio::test]
    async fn who_comes_and_gives_up_again_and_again_leaves_little_behind() {
        let turns = PayerTurns::new(1);
        let _reading = turns.take(Payer::of(1)).await;
        let mut patient = Box::pin(turns.take(Payer::of(2)));
        assert!(futures_pending(&mut patient));
        let entries = || lock(&turns.0).waiting.iter().map(|(_, queue)| queue.len()).sum::<usize>();
        for _ in 0..10_000 {
            assert!(futures_pending(&mut Box::pin(turns.take(Payer::of(2)))));
        }
        assert!(entries() <= 8, "{} entries", entries());
        for payer in 3..10_000 {
            assert!(futures_pending(&mut Box::pin(turns.take(Payer::of(payer)))));
        }
        assert!(entries() <= 16, "{} entries", entries());
        assert!(futures_pending(&mut patient));
    }

    fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(future).poll(&mut cx).is_pending()
    }
}
