//! Tells the sessions of a thread that asked how many read their channels, after each round in which the store was asked.

use std::rc::Rc;

use fanfare_protocol::limits::OCCUPANCY_WAKES;

use crate::core::Core;

/// Does so until it is dropped. For each thread of a node that counts readers.
pub(crate) async fn run(core: Rc<Core>) {
    let mut rounds = core.log.occupancy().rounds();
    // The sender lives as long as the thread's logs.
    while rounds.changed().await.is_ok() {
        core.watchers.take_over();
        while core.watchers.wake(OCCUPANCY_WAKES, &core.sessions) {
            tokio::task::yield_now().await;
        }
    }
}
