//! How much a node logs when the histories of many channels break at once.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fanfare_protocol::{ChannelName, Event, GapReason, LogName};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber, subscriber};

use super::super::log_limit::LOGGED_MAX;
use super::super::*;
use super::back_off::{behind_and_live, fail};
use super::scene::name;
use crate::core_log::CoreLog;
use crate::feed::feed;
use crate::memory::MemoryStore;
use crate::payer::Payer;
use crate::publish::PublishRequest;

const CHANNELS: usize = 300;

/// Counts warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicU64>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

// Seen to fail, with a warning for each channel, when every broken history is logged.
#[test]
fn a_flush_of_many_followed_streams_makes_a_few_warnings_and_one_that_counts_the_others() {
    let (store, now) = (MemoryStore::default(), Instant::now());
    let (hub, desired, (sink, mut source)) = (Arc::new(Hub::new(1)), Desired::new(), feed(1 << 20));
    let link = store.link(desired.clone(), sink);
    let stats = Arc::new(IngestStats::default());
    let options = Options::default();
    let interval = options.reconcile_interval;
    let mut registry =
        Registry::new(options, Arc::clone(&hub), vec![desired], Arc::clone(&stats), Random::seeded(1), now);
    let core = CoreLog::new(Arc::clone(&hub), 0);
    for number in 0..CHANNELS {
        let channel = LogName::from(ChannelName::parse(&format!("c{number}")).unwrap());
        let event = Event { name: None, data: Bytes::from_static(b"x") };
        let request = PublishRequest { channel: channel.name().clone(), event, dedup: None, max_len: None, ttl: None };
        store.publish_now(&request).unwrap();
        core.open(&channel, None, 0, Payer::NODE).unwrap();
    }
    let mut rest = |now: Instant| {
        let mut idle = 0;
        while idle < 3 {
            link.tend();
            registry.on_feed(source.take(), now);
            let mut touched = Vec::new();
            hub.take_touched(&mut touched);
            registry.on_touched(&touched, now);
            registry.on_time(now);
            let commands = registry.end_turn(now);
            idle = if commands.is_empty() { idle + 1 } else { 0 };
            for command in commands {
                match command {
                    Command::Tips { keys, names } => {
                        let tips = names.iter().map(|name| store.tip_now(name)).collect();
                        registry.on_tips(&keys, Ok(tips), now);
                    }
                    Command::Head { key, request } => registry.on_head(key, store.read_now(&request), now),
                    other => panic!("nobody asked for {other:?}"),
                }
            }
        }
    };
    let warnings = Warnings::default();
    subscriber::with_default(warnings.clone(), || {
        rest(now);
        assert_eq!(warnings.0.load(Ordering::Relaxed), 0);
        // As after a restart of the store without its data.
        store.flush_all();
        link.disconnect();
        rest(now);
        assert_eq!(stats.seams.of(GapReason::Reset).get(), CHANNELS as u64);
        rest(now + interval);
        assert_eq!(warnings.0.load(Ordering::Relaxed), LOGGED_MAX + 1);
    });
}

// Seen to fail, with five, when each read that fails during the third wait tells.
#[test]
fn operators_are_told_once_of_a_channel_of_which_no_read_succeeds() {
    let warnings = Warnings::default();
    subscriber::with_default(warnings.clone(), || {
        let (mut scene, mut readers) = behind_and_live();
        for _ in 0..20 {
            scene.core.sync(|_, _| {}, |_| {});
            readers.iter_mut().for_each(|reader| scene.read(reader));
            scene.ring(&name("c0"));
            let commands = scene.turn();
            fail(&mut scene, commands);
            // The link is made anew: comparisons go on while others are in flight.
            scene.lose_link();
            scene.now += std::time::Duration::from_secs(2);
        }
    });
    assert_eq!(warnings.0.load(Ordering::Relaxed), 1);
}
