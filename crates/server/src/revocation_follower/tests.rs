//! What a follower of the log of revocations tells, on the store of the process and with paused time.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fanfare_auth::{RevocationTarget, Right};
use fanfare_log::memory::{Bell, MemoryOptions, MemoryStore};
use fanfare_protocol::Event;
use fanfare_protocol::limits::{REVOCATIONS_MAX, REVOCATIONS_PROBE_INTERVAL, REVOCATIONS_WAIT_MAX};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber, subscriber};

use super::*;
use crate::clock::Clock;
use crate::known_revocations::RevocationsUnknown;
use crate::scene::{self, until};

fn of(subject: &str) -> RevocationTarget {
    RevocationTarget::subject(None, subject).unwrap()
}

// Fails when a set that is not all counts as all, and when the log is not read again once some are out of force.
#[test]
fn with_more_revocations_than_a_node_holds_nothing_is_known_until_enough_are_out_of_force() {
    scene::run(async {
        tokio::time::pause();
        let store = MemoryStore::default();
        let (core, hub) = scene::core_and_hub(&store, fanfare_log::Options::default());
        let start = Clock::system().wall_ms();
        let wall = Arc::new(AtomicU64::new(start));
        let clock = Arc::clone(&wall);
        let hour = Duration::from_secs(3_600);
        let clock = Clock::from_fn(move || clock.load(Ordering::Relaxed));
        let known = Arc::new(KnownRevocations::new(hub, clock, hour, Duration::ZERO));
        known.note_may_vanish(false);
        for number in 0..REVOCATIONS_MAX {
            let target = of(&number.to_string());
            known.add(Revocation { target, at: UnixSeconds(start / 1_000 - 1_800) }).unwrap();
        }
        let data = Bytes::from(RevocationEntry { target: of("one more"), keep: None }.to_json());
        store.xadd(LogName::revoked(), Event { name: None, data }, Bell::Silent);
        scene::spawn(follow(Rc::clone(&core), Arc::clone(&known)));
        until(|| known.unknown() == Some(RevocationsUnknown::TooMany)).await;
        assert_eq!(known.unknown_to_streams(), Some(RevocationsUnknown::TooMany));
        assert!(known.in_force() == REVOCATIONS_MAX as u64 && known.incomplete_for() > Duration::ZERO);
        assert!(known.unknown().unwrap().to_string().contains("more than 200000 revocations"));
        // It stays so as long as they are in force.
        sleep(3 * REVOCATIONS_REREAD).await;
        assert_eq!(known.unknown(), Some(RevocationsUnknown::TooMany));
        wall.fetch_add(2_400_000, Ordering::Relaxed);
        until(|| known.unknown().is_none()).await;
        assert_eq!((known.in_force(), known.incomplete_for()), (1, Duration::ZERO));
    });
}

// Fails when a proof counts from its arrival on, and when one is good for ever.
#[test]
fn what_is_known_is_known_for_as_long_as_the_last_proof_is_good_and_again_with_the_next() {
    scene::run(async {
        tokio::time::pause();
        let store = MemoryStore::default();
        let known = scene::knowing(&store).await;
        let lapses = known.lapses();
        store.set_unproven(true);
        let since = Instant::now();
        until(|| known.unknown().is_some()).await;
        let (least, most) = (REVOCATIONS_UNPROVEN_PATIENCE - REVOCATIONS_PROBE_INTERVAL, REVOCATIONS_UNPROVEN_PATIENCE);
        let lasted = since.elapsed();
        assert!(lasted >= least && lasted <= most + Duration::from_millis(10), "{lasted:?}");
        store.set_unproven(false);
        until(|| known.unknown().is_none()).await;
        assert!(since.elapsed() <= lasted + REVOCATIONS_PROBE_INTERVAL + Duration::from_millis(20));
        assert_eq!(known.lapses(), lapses + 1);
    });
}

// Fails when nobody waits, when the wait has no end, and when it goes on although the proof has come.
#[test]
fn who_has_to_know_now_what_is_revoked_waits_for_a_proof_for_a_bounded_time() {
    scene::run(async {
        tokio::time::pause();
        let store = MemoryStore::default();
        let known = scene::knowing(&store).await;
        let waited = async |right| {
            let since = Instant::now();
            known.settled(right).await;
            since.elapsed()
        };
        assert_eq!(waited(Right::Publish).await, Duration::ZERO);
        store.set_unproven(true);
        until(|| known.is_worth_a_wait(Right::Publish)).await;
        assert_eq!(waited(Right::Subscribe).await, Duration::ZERO);
        let most = waited(Right::History).await;
        assert!(most >= REVOCATIONS_WAIT_MAX && most < REVOCATIONS_WAIT_MAX + Duration::from_millis(10), "{most:?}");
        store.set_unproven(false);
        let short = waited(Right::Tickets).await;
        assert!(short > Duration::ZERO && short <= REVOCATIONS_PROBE_INTERVAL + Duration::from_millis(10), "{short:?}");
        assert_eq!(known.unknown(), None);
    });
}

/// How often operators are told of lapses.
#[derive(Clone, Default)]
struct Told(Arc<AtomicU64>);

impl Told {
    fn times(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_of_lapses = metadata.fields().field("proof_age_ms").is_some();
        is_of_lapses && *metadata.level() == Level::WARN
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

/// Runs this in paused time, with a store whose revocations are known.
fn watch_lapses(test: impl AsyncFnOnce(MemoryStore, Arc<KnownRevocations>, Told)) {
    let told = Told::default();
    let _guard = subscriber::set_default(told.clone());
    scene::run(async {
        tokio::time::pause();
        let store = MemoryStore::default();
        let known = scene::knowing(&store).await;
        test(store, known, told).await;
    });
}

const SECOND: Duration = Duration::from_secs(1);

// Seen to fail when a lapse has lasted since the feed was lost: it was told of with the first look after an outage, as a matter of distance.
#[test]
fn an_outage_of_the_store_is_no_lapse_that_lasts_unless_reading_on_after_it_does() {
    watch_lapses(async |store, known, told| {
        store.set_offline(true);
        sleep(30 * SECOND).await;
        store.set_offline(false);
        until(|| known.unknown().is_none()).await;
        sleep(5 * SECOND).await;
        assert_eq!(told.times(), 0, "it was over as soon as the store was back");

        store.set_offline(true);
        sleep(30 * SECOND).await;
        store.set_unproven(true);
        store.set_offline(false);
        sleep(8 * SECOND).await;
        assert_eq!(told.times(), 0, "the store is back for 8 seconds");
        sleep(5 * SECOND).await;
        assert_eq!(told.times(), 1);
    });
}

// Seen to fail when the absence of the log proves something for a minute only, as that of a channel's stream does.
#[test]
fn a_log_in_which_nothing_ever_stood_is_the_same_after_an_outage_however_long() {
    let wall = Arc::new(AtomicU64::new(Clock::system().wall_ms()));
    let clock = Arc::clone(&wall);
    let clock: fanfare_log::memory::Clock = Arc::new(move || clock.load(Ordering::Relaxed));
    scene::run(async {
        tokio::time::pause();
        let store = MemoryStore::new(MemoryOptions { clock, ..MemoryOptions::default() });
        let known = scene::knowing(&store).await;
        store.set_offline(true);
        wall.fetch_add(3_600_000, Ordering::Relaxed);
        sleep(3_600 * SECOND).await;
        store.set_offline(false);
        until(|| known.unknown().is_none()).await;
        let data = Bytes::from(RevocationEntry { target: of("eve"), keep: None }.to_json());
        store.xadd(LogName::revoked(), Event { name: None, data }, Bell::Doorbell);
        until(|| known.in_force() == 1).await;
        assert_eq!((known.reset_at(), known.stats.gaps.of(GapReason::Reset).get()), (None, 0));
    });
}

// Seen to fail when every gap of that kind counts: whoever may publish may give the data another name, and would send everybody away by it.
#[test]
fn another_name_of_the_data_puts_no_grant_in_doubt_as_long_as_the_feed_stands_and_nothing_was_written() {
    watch_lapses(async |store, known, _| {
        let lapses = known.lapses();
        store.flush_all();
        until(|| known.lapses() > lapses && known.unknown().is_none()).await;
        assert_eq!((known.reset_at(), known.stats.gaps.of(GapReason::Reset).get()), (None, 0));
        store.set_offline(true);
        sleep(SECOND).await;
        store.flush_all();
        store.set_offline(false);
        until(|| known.reset_at().is_some()).await;
    });
}

// Seen to fail when every name counts: whoever may publish would give one after the other.
#[test]
fn many_names_of_the_data_in_a_row_put_no_grant_in_doubt_while_the_feed_stands() {
    watch_lapses(async |store, known, _| {
        for _ in 0..3_000 {
            store.flush_all();
            sleep(Duration::from_millis(20)).await;
        }
        until(|| known.unknown().is_none()).await;
        assert!(known.lapses() > 3, "names are noticed");
        assert_eq!(known.progress().get().resets, 0);
    });
}

// Seen to fail when only news of the log are a reason to look: where no proof arrives there are none, and nothing was told.
#[test]
fn a_lapse_that_lasts_is_told_although_nothing_happens() {
    watch_lapses(async |store, known, told| {
        store.set_unproven(true);
        until(|| known.unknown().is_some()).await;
        sleep(9 * SECOND).await;
        assert_eq!(told.times(), 0);
        sleep(2 * SECOND).await;
        assert_eq!(told.times(), 1);
        sleep(30 * SECOND).await;
        assert_eq!(told.times(), 1, "once a minute");
        sleep(30 * SECOND).await;
        assert_eq!(told.times(), 2);
        store.set_unproven(false);
        until(|| known.unknown().is_none()).await;
        sleep(120 * SECOND).await;
        assert_eq!(told.times(), 2, "it is over");
    });
}
