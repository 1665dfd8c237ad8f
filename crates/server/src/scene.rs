//! What tests within the crate run on: a connection thread over the in-process store.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::memory::MemoryStore;
use fanfare_log::{Hub, Options, PublishRequest, Random, assemble};
use fanfare_protocol::{ChannelName, EntryId, Event};
use tokio::runtime::{Builder, LocalOptions};

use crate::clock::Clock;
use crate::core::{Core, DeliveryOptions};
use crate::core_stats::CoreStats;
use crate::known_revocations::KnownRevocations;
use crate::revocation_follower;

/// Runs a test on a thread like those of a node.
pub(crate) fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(test);
}

/// A connection thread, within [`run`].
pub(crate) fn core(store: &MemoryStore, options: Options) -> Rc<Core> {
    core_and_hub(store, options).0
}

/// The same, and what it finds its channels by.
pub(crate) fn core_and_hub(store: &MemoryStore, options: Options) -> (Rc<Core>, Arc<Hub>) {
    core_with(store, options, DeliveryOptions::default())
}

/// The same with other ways of delivery.
pub(crate) fn core_with(store: &MemoryStore, options: Options, delivery: DeliveryOptions) -> (Rc<Core>, Arc<Hub>) {
    let log = assemble(options, 1, Random::seeded(1));
    let hub = Arc::clone(&log.hub);
    spawn(store.attach(log.desired, log.sink).run());
    spawn(log.ingest.run(store.clone(), std::future::pending()));
    let (stats, random) = (Arc::new(CoreStats::default()), Random::seeded(2));
    let core = Core::new(log.hub, 0, delivery, stats, Clock::system(), random);
    spawn(Rc::clone(&core).run());
    (core, hub)
}

#[expect(clippy::disallowed_methods, reason = "tasks end with the test's runtime")]
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    drop(tokio::task::spawn_local(task));
}

pub(crate) fn publish(store: &MemoryStore, channel: &ChannelName, data: String) -> EntryId {
    let event = Event { name: None, data: Bytes::from(data) };
    let request = PublishRequest { channel: channel.clone(), event, dedup: None, max_len: None, ttl: None };
    store.publish_now(&request).unwrap().id
}

/// What a node knows that knows what is revoked, within [`run`].
pub(crate) async fn knowing(store: &MemoryStore) -> Arc<KnownRevocations> {
    let (core, hub) = core_and_hub(store, Options::default());
    let hour = Duration::from_secs(3_600);
    let known = Arc::new(KnownRevocations::new(hub, Clock::system(), hour, Duration::ZERO));
    known.note_may_vanish(false);
    spawn(revocation_follower::follow(core, Arc::clone(&known)));
    until(|| known.unknown().is_none()).await;
    known
}

/// Waits until it is so. Where time is paused it passes meanwhile.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain");
}
