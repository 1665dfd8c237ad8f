use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fanfare_protocol::{Decoded, EntryId, Event, Position};

use super::*;
use crate::feed::{FeedSource, feed};

const START: u64 = 1_700_000_000_000;

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn event(text: &str) -> Event {
    Event { name: None, data: Bytes::copy_from_slice(text.as_bytes()) }
}

fn request(text: &str) -> PublishRequest {
    PublishRequest { channel: name("a"), event: event(text), dedup: None, max_len: None, ttl: None }
}

fn backend() -> (MemoryBackend, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(START));
    let clock = Arc::clone(&time);
    let options = MemoryOptions { clock: Arc::new(move || clock.load(Ordering::Relaxed)), ..MemoryOptions::default() };
    (MemoryBackend::new(options), time)
}

fn link(backend: &MemoryBackend) -> (Link, FeedSource) {
    let (sink, source) = feed(1 << 20);
    let desired = Desired::new();
    desired.insert(&name("a"));
    let link = backend.link(desired, sink);
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
    source.take().events.into_iter().map(text).collect()
}

fn read(backend: &MemoryBackend, after: Position, max_entries: usize) -> Snapshot {
    backend.read_now(&ReadRequest { channel: name("a"), after, max_entries, max_bytes: 1 << 20 }).unwrap()
}

fn id(ms: u64, seq: u64) -> EntryId {
    EntryId { ms, seq }
}

#[test]
fn an_entry_names_the_one_before_it_and_the_first_one_names_none() {
    let (backend, _) = backend();
    backend.publish_now(&request("one")).unwrap();
    backend.publish_now(&request("two")).unwrap();
    let prevs: Vec<_> = backend.entries(&name("a")).iter().map(|entry| (entry.id, entry.prev)).collect();
    assert_eq!(prevs, [(id(START, 0), Some(EntryId::ZERO)), (id(START, 1), Some(id(START, 0)))]);
}

#[test]
fn prev_is_the_last_generated_id_even_after_that_entry_was_retracted() {
    let (backend, _) = backend();
    let first = backend.publish_now(&request("one")).unwrap().id;
    assert!(backend.xdel(&name("a"), first));
    backend.publish_now(&request("two")).unwrap();
    assert_eq!(backend.entries(&name("a"))[0].prev, Some(first));
}

#[test]
fn a_repeated_dedup_key_gets_the_first_id_until_its_window_ends() {
    let (backend, time) = backend();
    let keyed = PublishRequest { dedup: Some("k".into()), ..request("one") };
    let first = backend.publish_now(&keyed).unwrap();
    time.fetch_add(599_999, Ordering::Relaxed);
    assert_eq!(backend.publish_now(&keyed).unwrap(), Published { id: first.id, duplicate: true });
    time.fetch_add(1, Ordering::Relaxed);
    assert!(!backend.publish_now(&keyed).unwrap().duplicate);
    assert_eq!(backend.entries(&name("a")).len(), 2);
}

#[test]
fn a_refused_publish_writes_nothing() {
    let (backend, _) = backend();
    let zero = PublishRequest { max_len: Some(0), ..request("one") };
    let long = PublishRequest { dedup: Some("k".repeat(256)), ..request("one") };
    for refused in [zero, long] {
        assert!(matches!(backend.publish_now(&refused), Err(PublishError::Rejected(_))));
    }
    assert!(matches!(backend.tip_now(&name("a")).unwrap().position, Position::Empty { .. }));
}

#[test]
fn a_time_to_live_is_at_least_a_minute_only_extends_and_goes_with_a_publish_that_gives_none() {
    let (backend, time) = backend();
    let lived = |seconds| PublishRequest { ttl: Some(Duration::from_secs(seconds)), ..request("x") };
    backend.publish_now(&lived(100)).unwrap();
    backend.publish_now(&lived(1)).unwrap();
    time.fetch_add(99_999, Ordering::Relaxed);
    assert_eq!(backend.entries(&name("a")).len(), 2);
    time.fetch_add(1, Ordering::Relaxed);
    assert_eq!(backend.entries(&name("a")).len(), 0);
    backend.publish_now(&lived(1)).unwrap();
    assert_eq!(backend.entries(&name("a"))[0].prev, Some(EntryId::ZERO), "the key was created anew");
    time.fetch_add(59_999, Ordering::Relaxed);
    backend.publish_now(&request("x")).unwrap();
    time.fetch_add(1_000_000, Ordering::Relaxed);
    assert_eq!(backend.entries(&name("a")).len(), 2);
}

#[test]
fn a_snapshot_starts_with_the_entry_at_the_position_and_says_whether_it_reached_the_end() {
    let (backend, _) = backend();
    let ids: Vec<_> = (0..5).map(|n| backend.publish_now(&request(&n.to_string())).unwrap().id).collect();
    let part = read(&backend, Position::At(ids[1]), 2);
    assert_eq!(part.entries.iter().map(Decoded::id).collect::<Vec<_>>(), ids[1..4]);
    assert!(!part.complete && part.untouched);
    assert!(read(&backend, Position::At(ids[1]), 3).complete);
    backend.trim(&name("a"), 2);
    let rest = read(&backend, Position::At(ids[1]), 9);
    assert_eq!(rest.first.map(|first| (first.id, first.prev)), Some((ids[3], Some(ids[2]))));
    assert!(rest.complete && !rest.untouched);
}

#[test]
fn an_event_over_the_limit_is_told_by_its_size() {
    let options = MemoryOptions { max_event_bytes: 3, ..MemoryOptions::default() };
    let backend = MemoryBackend::new(options);
    let (_link, mut source) = link(&backend);
    backend.publish_now(&request("four")).unwrap();
    let snapshot = read(&backend, backend.tip_now(&name("none")).unwrap().position, 9);
    assert!(matches!(snapshot.entries[0], Decoded::TooLarge { bytes: 4, prev: Some(EntryId::ZERO), .. }));
    assert_eq!(texts(&mut source).last().unwrap(), "Doorbell");
}

#[test]
fn no_stream_is_a_position_with_the_time_and_the_epoch_which_a_flush_changes() {
    let (backend, time) = backend();
    let before = backend.tip_now(&name("a")).unwrap();
    assert_eq!(before.position, Position::Empty { at_ms: START, epoch: before.epoch });
    backend.publish_now(&request("one")).unwrap();
    time.fetch_add(1, Ordering::Relaxed);
    backend.flush_all();
    let after = backend.tip_now(&name("a")).unwrap();
    assert_eq!(after.position, Position::Empty { at_ms: START + 1, epoch: after.epoch });
    assert_ne!(before.epoch, after.epoch);
}

#[test]
fn a_link_gets_what_is_published_after_its_acknowledgement_and_nothing_while_it_is_down() {
    let (backend, _) = backend();
    let (link, mut source) = link(&backend);
    assert_eq!(texts(&mut source), ["Connected", "Subscribed([\"a\"])"]);
    backend.publish_now(&request("one")).unwrap();
    backend.publish_ephemeral(&name("a"), Bytes::from_static(b"hi"));
    backend.publish_ephemeral(&name("b"), Bytes::from_static(b"not for us"));
    link.disconnect();
    backend.publish_now(&request("lost")).unwrap();
    assert!(link.tend());
    backend.xadd(&name("a"), event("plain"), Bell::Keyspace);
    let expected = ["one", "~hi", "Disconnected", "Connected", "Subscribed([\"a\"])", "xadd"];
    assert_eq!(texts(&mut source), expected);
}

#[test]
fn messages_can_be_lost_doubled_and_delayed() {
    let (backend, _) = backend();
    let (_link, mut source) = link(&backend);
    for fate in [Fate::Delay, Fate::Arrive, Fate::Lose, Fate::Double, Fate::Delay] {
        backend.next_push(fate);
    }
    for text in ["1", "2", "3", "4", "5"] {
        backend.publish_now(&request(text)).unwrap();
    }
    assert_eq!(texts(&mut source)[2..], ["2", "1", "4", "4"]);
    backend.heal_pushes();
    assert_eq!(texts(&mut source), ["5"]);
}

#[test]
fn after_a_restore_the_stream_goes_on_from_where_the_copy_ended() {
    let (backend, time) = backend();
    let kept = backend.publish_now(&request("kept")).unwrap().id;
    let copy = backend.checkpoint();
    backend.publish_now(&request("lost")).unwrap();
    backend.restore(&copy);
    time.fetch_add(1, Ordering::Relaxed);
    backend.publish_now(&request("new")).unwrap();
    assert_eq!(backend.entries(&name("a"))[1].prev, Some(kept));
}

#[tokio::test(start_paused = true)]
async fn an_attachment_follows_what_is_desired_and_comes_back_by_itself() {
    let backend = MemoryBackend::default();
    let (sink, mut source) = feed(1 << 20);
    let desired = Desired::new();
    let running = backend.attach(desired.clone(), sink).run();
    let script = async {
        assert!(matches!(source.recv().await.events[0], FeedEvent::Connected));
        desired.insert(&name("a"));
        wait_for(&mut source, "Subscribed([\"a\"])").await;
        backend.set_offline(true);
        wait_for(&mut source, "Disconnected").await;
        desired.insert(&name("b"));
        tokio::time::sleep(Duration::from_secs(60)).await;
        backend.set_offline(false);
        wait_for(&mut source, "Connected").await;
        backend.publish_ephemeral(&name("b"), Bytes::from_static(b"hi"));
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
        seen.extend(batch.events.into_iter().map(text));
    }
}
