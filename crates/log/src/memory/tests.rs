use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare_protocol::{ChannelName, Decoded, EntryId, Event, LogName, Position, Push};

use super::*;
use crate::archive::{ReadRequest, Snapshot};
use crate::feed::{Desired, FeedEvent, FeedSource, feed};
use crate::publish::{PublishError, PublishRequest, Published, Ttl};

const START: u64 = 1_700_000_000_000;

fn name(text: &str) -> LogName {
    LogName::from(ChannelName::parse(text).unwrap())
}

fn event(text: &str) -> Event {
    Event { name: None, data: Bytes::copy_from_slice(text.as_bytes()) }
}

fn request(text: &str) -> PublishRequest {
    PublishRequest { channel: name("a").name().clone(), event: event(text), dedup: None, max_len: None, ttl: None }
}

fn store() -> (MemoryStore, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(START));
    let clock = Arc::clone(&time);
    let options = MemoryOptions { clock: Arc::new(move || clock.load(Ordering::Relaxed)), ..MemoryOptions::default() };
    (MemoryStore::new(options), time)
}

fn link(store: &MemoryStore) -> (Link, FeedSource) {
    let (sink, source) = feed(1 << 20);
    let desired = Desired::new();
    desired.insert(&name("a"));
    let link = store.link(desired, sink);
    assert!(link.tend());
    (link, source)
}

fn texts(source: &mut FeedSource) -> Vec<String> {
    let text = |event| match event {
        FeedEvent::Push { push: Push::Entry(entry), .. } => String::from_utf8_lossy(&entry.event.data).into_owned(),
        FeedEvent::Push { push: Push::Ephemeral(event), .. } => format!("~{}", String::from_utf8_lossy(&event.data)),
        FeedEvent::Push { push, .. } => format!("{push:?}"),
        FeedEvent::KeyspaceAdd { .. } => "xadd".into(),
        other => format!("{other:?}"),
    };
    source.take().events.into_iter().map(|(_, event)| text(event)).collect()
}

fn read(store: &MemoryStore, after: Position, max_entries: usize) -> Snapshot {
    store.read_now(&ReadRequest { log: name("a"), after, max_entries, max_bytes: 1 << 20 }).unwrap()
}

fn id(ms: u64, seq: u64) -> EntryId {
    EntryId { ms, seq }
}

#[test]
fn an_entry_names_the_one_before_it_and_the_first_one_names_none() {
    let (store, _) = store();
    store.publish_now(&request("one")).unwrap();
    store.publish_now(&request("two")).unwrap();
    let prevs: Vec<_> = store.entries(name("a")).iter().map(|entry| (entry.id, entry.prev)).collect();
    assert_eq!(prevs, [(id(START, 0), Some(EntryId::ZERO)), (id(START, 1), Some(id(START, 0)))]);
}

#[test]
fn prev_is_the_last_generated_id_even_after_that_entry_was_retracted() {
    let (store, _) = store();
    let first = store.publish_now(&request("one")).unwrap().id;
    assert!(store.xdel(name("a"), first));
    store.publish_now(&request("two")).unwrap();
    assert_eq!(store.entries(name("a"))[0].prev, Some(first));
}

#[test]
fn a_repeated_dedup_key_gets_the_first_id_until_its_window_ends() {
    let (store, time) = store();
    let keyed = PublishRequest { dedup: Some("k".into()), ..request("one") };
    let first = store.publish_now(&keyed).unwrap();
    time.fetch_add(599_999, Ordering::Relaxed);
    assert_eq!(store.publish_now(&keyed).unwrap(), Published { id: first.id, duplicate: true });
    time.fetch_add(1, Ordering::Relaxed);
    assert!(!store.publish_now(&keyed).unwrap().duplicate);
    assert_eq!(store.entries(name("a")).len(), 2);
}

#[test]
fn a_refused_publish_writes_nothing() {
    let (store, _) = store();
    let zero = PublishRequest { max_len: Some(0), ..request("one") };
    let long = PublishRequest { dedup: Some("k".repeat(256)), ..request("one") };
    for refused in [zero, long] {
        assert!(matches!(store.publish_now(&refused), Err(PublishError::Rejected(_))));
    }
    assert!(matches!(store.tip_now(name("a")).unwrap().position, Position::Absent { .. }));
}

#[test]
fn a_time_to_live_is_at_least_a_minute_only_extends_and_goes_with_a_publish_that_gives_none() {
    let (store, time) = store();
    let lived = |seconds| PublishRequest { ttl: Some(Duration::from_secs(seconds).into()), ..request("x") };
    store.publish_now(&lived(100)).unwrap();
    store.publish_now(&lived(1)).unwrap();
    time.fetch_add(99_999, Ordering::Relaxed);
    assert_eq!(store.entries(name("a")).len(), 2);
    time.fetch_add(1, Ordering::Relaxed);
    assert_eq!(store.entries(name("a")).len(), 0);
    store.publish_now(&lived(1)).unwrap();
    assert_eq!(store.entries(name("a"))[0].prev, Some(EntryId::ZERO), "the key was created anew");
    time.fetch_add(59_999, Ordering::Relaxed);
    store.publish_now(&request("x")).unwrap();
    time.fetch_add(1_000_000, Ordering::Relaxed);
    assert_eq!(store.entries(name("a")).len(), 2);
}

// Seen to fail when every TTL counts.
#[test]
fn a_permanent_stream_expires_only_if_the_publisher_says_so() {
    let (store, time) = store();
    store.publish_now(&request("for ever")).unwrap();
    let mut ttl = Ttl::from(Duration::from_secs(100));
    store.publish_now(&PublishRequest { ttl: Some(ttl), ..request("x") }).unwrap();
    time.fetch_add(1_000_000, Ordering::Relaxed);
    assert_eq!(store.entries(name("a")).len(), 2);
    ttl.ends_permanence = true;
    store.publish_now(&PublishRequest { ttl: Some(ttl), ..request("x") }).unwrap();
    time.fetch_add(100_000, Ordering::Relaxed);
    assert_eq!(store.entries(name("a")).len(), 0);
}

#[test]
fn a_snapshot_starts_with_the_entry_at_the_position_and_says_whether_it_reached_the_end() {
    let (store, _) = store();
    let ids: Vec<_> = (0..5).map(|n| store.publish_now(&request(&n.to_string())).unwrap().id).collect();
    let part = read(&store, Position::At(ids[1]), 2);
    assert_eq!(part.entries.iter().map(Decoded::id).collect::<Vec<_>>(), ids[1..4]);
    assert!(!part.complete && part.untouched);
    assert!(read(&store, Position::At(ids[1]), 3).complete);
    store.trim(name("a"), 2);
    let rest = read(&store, Position::At(ids[1]), 9);
    assert_eq!(rest.first.map(|first| (first.id, first.prev)), Some((ids[3], Some(ids[2]))));
    assert!(rest.complete && !rest.untouched);
}

#[test]
fn an_event_over_the_limit_is_told_by_its_size() {
    let options = MemoryOptions { max_event_bytes: 3, ..MemoryOptions::default() };
    let store = MemoryStore::new(options);
    let (_link, mut source) = link(&store);
    store.publish_now(&request("four")).unwrap();
    let snapshot = read(&store, store.tip_now(name("none")).unwrap().position, 9);
    assert!(matches!(snapshot.entries[0], Decoded::TooLarge { bytes: 4, prev: Some(EntryId::ZERO), .. }));
    assert_eq!(texts(&mut source).last().unwrap(), "Doorbell");
}

#[test]
fn no_stream_is_a_position_with_the_time_and_the_epoch_which_a_flush_changes() {
    let (store, time) = store();
    let before = store.tip_now(name("a")).unwrap();
    assert_eq!(before.position, Position::Absent { at_ms: START, epoch: before.epoch });
    store.publish_now(&request("one")).unwrap();
    time.fetch_add(1, Ordering::Relaxed);
    store.flush_all();
    let after = store.tip_now(name("a")).unwrap();
    assert_eq!(after.position, Position::Absent { at_ms: START + 1, epoch: after.epoch });
    assert_ne!(before.epoch, after.epoch);
}

#[test]
fn a_link_gets_what_is_published_after_its_acknowledgement_and_nothing_while_it_is_down() {
    let (store, _) = store();
    let (link, mut source) = link(&store);
    assert_eq!(texts(&mut source), ["Connected", "Subscribed([\"a\"])"]);
    store.publish_now(&request("one")).unwrap();
    store.publish_ephemeral(name("a"), Bytes::from_static(b"hi"));
    store.publish_ephemeral(name("b"), Bytes::from_static(b"not for us"));
    link.disconnect();
    store.publish_now(&request("lost")).unwrap();
    assert!(link.tend());
    store.xadd(name("a"), event("plain"), Bell::Keyspace);
    let expected = ["one", "~hi", "Disconnected", "Connected", "Subscribed([\"a\"])", "xadd"];
    assert_eq!(texts(&mut source), expected);
}

#[test]
fn messages_can_be_lost_doubled_and_delayed() {
    let (store, _) = store();
    let (_link, mut source) = link(&store);
    for fate in [Fate::Delay, Fate::Arrive, Fate::Lose, Fate::Double, Fate::Delay] {
        store.next_push(fate);
    }
    for text in ["1", "2", "3", "4", "5"] {
        store.publish_now(&request(text)).unwrap();
    }
    assert_eq!(texts(&mut source)[2..], ["2", "1", "4", "4"]);
    store.heal_pushes();
    assert_eq!(texts(&mut source), ["5"]);
}

#[test]
fn after_a_restore_the_stream_goes_on_from_where_the_copy_ended() {
    let (store, time) = store();
    let kept = store.publish_now(&request("kept")).unwrap().id;
    let copy = store.checkpoint();
    store.publish_now(&request("lost")).unwrap();
    store.restore(&copy);
    time.fetch_add(1, Ordering::Relaxed);
    store.publish_now(&request("new")).unwrap();
    assert_eq!(store.entries(name("a"))[1].prev, Some(kept));
}

#[tokio::test(start_paused = true)]
async fn an_attachment_follows_what_is_desired_and_comes_back_by_itself() {
    let store = MemoryStore::default();
    let (sink, mut source) = feed(1 << 20);
    let desired = Desired::new();
    let running = store.attach(desired.clone(), sink).run();
    let script = async {
        assert!(matches!(source.recv().await.events[0].1, FeedEvent::Connected));
        desired.insert(&name("a"));
        wait_for(&mut source, "Subscribed([\"a\"])").await;
        store.set_offline(true);
        wait_for(&mut source, "Disconnected").await;
        desired.insert(&name("b"));
        tokio::time::sleep(Duration::from_secs(60)).await;
        store.set_offline(false);
        wait_for(&mut source, "Connected").await;
        store.publish_ephemeral(name("b"), Bytes::from_static(b"hi"));
        wait_for(&mut source, "~hi").await;
    };
    tokio::select! {
        () = running => {}
        () = script => {}
    }
}

async fn wait_for(source: &mut FeedSource, wanted: &str) {
    let mut seen = Vec::new();
    while !seen.iter().any(|text| text == wanted) {
        let batch = source.recv().await;
        let text = |event| match event {
            FeedEvent::Push { push: Push::Ephemeral(event), .. } => {
                format!("~{}", String::from_utf8_lossy(&event.data))
            }
            other => format!("{other:?}"),
        };
        seen.extend(batch.events.into_iter().map(|(_, event)| text(event)));
    }
}
