//! Tells the sessions of a thread that asked how many read their channels, after each round in which the store was asked.

use std::rc::Rc;

use fanfare_protocol::limits::{OCCUPANCY_LOOKS, OCCUPANCY_WAKES};
use tokio::task::yield_now;

use crate::core::Core;

/// Does so until it is dropped. For each thread of a node that counts readers. Whom a round concerns is found in turns, and woken in turns:
/// neither ten thousand channels nor as many sessions keep others on the thread waiting.
pub(crate) async fn run(core: Rc<Core>) {
    let rounds = core.log.occupancy().rounds();
    let mut seen = rounds.done();
    loop {
        seen = rounds.after(seen).await;
        core.watchers.begin_round();
        while core.watchers.find(OCCUPANCY_LOOKS) {
            yield_now().await;
        }
        while core.watchers.wake(OCCUPANCY_WAKES, &core.sessions) {
            yield_now().await;
        }
    }
}
