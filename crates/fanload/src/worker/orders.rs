//! Orders come on standard input. A thread of its own waits for them, because a pipe is not always a thing that a
//! readiness loop can wait for (it may be a file).

use std::io::BufRead;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use anyhow::{Context, Result};
use mio::Waker;

use crate::fleet::{Order, Plan};

/// Orders that wait. The conductor sends few and mostly waits for the answer.
const WAITING: usize = 16;

/// Orders in the order in which they came.
#[derive(Debug)]
pub(crate) struct Orders {
    receiver: Receiver<Result<Order>>,
}

/// Reads the first line of standard input.
pub(crate) fn plan() -> Result<Plan> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("standard input cannot be read")?;
    serde_json::from_str(&line).context("the first line is no plan: `fanload worker` is started by other commands only")
}

impl Orders {
    /// Reads standard input from now on and wakes `waker` for every order and at the end.
    pub(crate) fn listen(waker: Waker) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        // The thread ends with standard input or with the process, whichever is first, so it is not joined.
        std::thread::spawn(move || read_all(sender, &waker));
        Self { receiver }
    }

    /// The next order; `Ok(None)` when there is none now; `Err(None)` when there will be none any more.
    pub(crate) fn next(&self) -> Result<Option<Order>, Option<anyhow::Error>> {
        match self.receiver.try_recv() {
            Ok(order) => order.map(Some).map_err(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(None),
        }
    }
}

fn read_all(sender: SyncSender<Result<Order>>, waker: &Waker) {
    // Wakes the loop when this thread ends, so that it sees the closed queue.
    struct WakeAtEnd<'a>(&'a Waker);
    impl Drop for WakeAtEnd<'_> {
        fn drop(&mut self) {
            let _ = self.0.wake();
        }
    }
    let _wake = WakeAtEnd(waker);
    // Dropped before the guard, so that the queue is closed when the loop wakes.
    let sender = sender;
    for line in std::io::stdin().lock().lines() {
        let order = line.context("standard input cannot be read");
        let order = order.and_then(|line| serde_json::from_str(&line).context("an order that nobody understands"));
        let failed = order.is_err();
        if sender.send(order).is_err() || waker.wake().is_err() || failed {
            return;
        }
    }
}
