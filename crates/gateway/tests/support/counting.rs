//! Nodes that count readers, over an in-process store that does not always answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fanfare_gateway::config::{ChannelRule, Config};
use fanfare_gateway::node::memory;
use fanfare_log::memory::MemoryStore;
use fanfare_log::{NodeLife, OccupancyAnswer, OccupancyError, OccupancyStore};
use fanfare_protocol::limits::OCCUPANCY_LISTED_TIMEOUT;
use fanfare_protocol::{ChannelName, Pattern};
use tokio::time::sleep;

use super::rig::Rig;

/// A store for several nodes. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountingStore {
    store: MemoryStore,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Whoever asks for numbers is told, late, that there are none.
    pub(crate) hangs: AtomicBool,
    /// Nobody may say any.
    pub(crate) refuses_writes: AtomicBool,
    /// What was asked at once, in order.
    pub(crate) reads: Mutex<Vec<Vec<ChannelName>>>,
}

impl CountingStore {
    /// A node that counts the readers of `chat:*`.
    pub(crate) fn node(&self) -> Rig {
        let rule = ChannelRule { pattern: Pattern::parse("chat:*").unwrap(), min_life: None, occupancy: Some(true) };
        let change = |config: &mut Config| config.channels = vec![rule];
        let own = self.clone();
        Rig::over(change, move |_, desired, sink| {
            let mut store = memory(&own.store, desired, sink);
            store.occupancy = Arc::new(own);
            Ok(store)
        })
    }

    /// What goes wrong.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl OccupancyStore for CountingStore {
    fn begin(&self, life: NodeLife, former: Option<NodeLife>) -> OccupancyAnswer<()> {
        self.store.begin(life, former)
    }

    fn renew(&self, life: NodeLife) -> OccupancyAnswer<bool> {
        self.store.renew(life)
    }

    fn write(&self, life: NodeLife, readers: Vec<(ChannelName, u32)>) -> OccupancyAnswer<()> {
        if self.faults.refuses_writes.load(Ordering::Relaxed) {
            return Box::pin(async { Err(OccupancyError::Denied("NOPERM no hset".to_owned())) });
        }
        self.store.write(life, readers)
    }

    fn keep(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<bool>> {
        self.store.keep(channels)
    }

    fn read(&self, channels: Vec<ChannelName>) -> OccupancyAnswer<Vec<u64>> {
        self.faults.reads.lock().unwrap().push(channels.clone());
        if self.faults.hangs.load(Ordering::Relaxed) {
            return Box::pin(async {
                sleep(OCCUPANCY_LISTED_TIMEOUT * 2).await;
                Err(OccupancyError::Unavailable("it hangs".to_owned()))
            });
        }
        self.store.read(channels)
    }

    fn end(&self, life: NodeLife, channels: Vec<ChannelName>) -> OccupancyAnswer<()> {
        self.store.end(life, channels)
    }
}
