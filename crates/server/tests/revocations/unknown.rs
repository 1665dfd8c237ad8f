//! While it is not known what is revoked, nobody gets anything by a grant.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_log::OccupancyStore;
use fanfare_log::memory::{Bell, Fate, MemoryStore};
use fanfare_protocol::limits::REVOCATIONS_PATIENCE;
use fanfare_protocol::{ChannelName, Event, LogName};
use fanfare_server::{Denied, RevocationsUnknown};
use tokio::sync::Semaphore;

use super::scene::{
    KEEP, Scene, SlowArchive, SlowCounts, history_of, json_of, scene, scene_with, scene_within, subject,
};
use super::support::eventually;

// Seen to fail when a stream goes on as soon as its channel is there again.
#[test]
fn while_it_is_not_known_what_was_revoked_meanwhile_who_needs_a_grant_gets_nothing() {
    let scene = scene();
    let (mut bob, mut eve, mut stranger) = (scene.stream("bob", "a"), scene.stream("eve", "a"), scene.stream("", "a"));
    let store = &scene.node.store;
    let event = Event { name: None, data: json_of(&subject("eve"), KEEP).into() };
    let id = store.xadd(LogName::revoked(), event, Bell::Silent);
    store.set_unreadable(LogName::revoked(), id, true);
    store.disconnect_all();
    scene.node.publish("a", "afterwards");
    stranger.until("data: afterwards");
    assert!(matches!(scene.known.unknown(), Some(RevocationsUnknown::Behind(_))));
    assert!(bob.is_quiet_for(Duration::from_millis(200)) && eve.is_quiet_for(Duration::from_millis(1)));
    store.set_unreadable(LogName::revoked(), id, false);
    bob.until("data: afterwards");
    let rest = eve.rest();
    assert!(rest.contains("$revoked") && !rest.contains("afterwards"), "{rest}");
    scene.is_complete();
}

// Fails when only a feed that was away makes sessions wait: the entry is announced, and cannot be read.
#[test]
fn what_is_announced_and_cannot_be_read_makes_everybody_wait_who_needs_a_grant() {
    let scene = scene();
    let before = scene.node.publish("a", "before");
    let (mut bob, mut eve, mut stranger) = (scene.stream("bob", "a"), scene.stream("eve", "a"), scene.stream("", "a"));
    let store = &scene.node.store;
    // No link breaks, and channels are read as ever.
    let event = Event { name: None, data: json_of(&subject("eve"), KEEP).into() };
    let id = store.xadd(LogName::revoked(), event, Bell::Silent);
    store.set_unreadable(LogName::revoked(), id, true);
    store.publish_ephemeral(LogName::revoked(), Bytes::new());
    eventually("that it is not known", || matches!(scene.known.unknown(), Some(RevocationsUnknown::Behind(_))));
    assert!(scene.known.incomplete_for() >= REVOCATIONS_PATIENCE, "from the announcement on");
    scene.node.publish("a", "afterwards");
    stranger.until("data: afterwards");
    for client in [&mut bob, &mut eve] {
        let until_heartbeat = client.until("\n\n");
        assert!(!until_heartbeat.contains("afterwards"), "{until_heartbeat}");
    }
    assert_eq!(scene.known.unknown_to_streams(), None, "who begins waits as well");
    // Seen to fail when the beginning of a stream is written together with its first batch: each reconnect got one event.
    let mut late = scene.node.send(format!(
        "GET /events?channel=a&ready=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer eve\r\nLast-Event-ID: {before}\r\n\r\n"
    ));
    let (head, until_heartbeat) = (late.until("\r\n\r\n"), late.until("\n\n") + &late.until("\n\n"));
    assert!(head.starts_with("HTTP/1.1 200 ") && !until_heartbeat.contains("data:"), "{head}{until_heartbeat}");
    store.set_unreadable(LogName::revoked(), id, false);
    bob.until("data: afterwards");
    for mut client in [eve, late] {
        let rest = client.rest();
        assert!(rest.contains("$revoked") && !rest.contains("afterwards"), "{rest}");
    }
    scene.is_complete();
    assert_eq!(scene.known.incomplete_for(), Duration::ZERO);
}

/// Nothing that is announced in the log of revocations arrives any more, and no probe of the feed, and nothing else is wrong.
fn mute(store: &MemoryStore) {
    store.on_push(|log| if log.is_system() { Fate::Hold } else { Fate::Arrive });
    store.set_unproven(true);
}

/// Everything arrives again, with what did not until now.
fn unmute(store: &MemoryStore) {
    store.set_unproven(false);
    store.heal_pushes();
}

// Fails when only a feed that is away, or an announcement, makes sessions wait; and when who does not need a grant waits as well.
#[test]
fn while_nothing_proves_that_the_feed_brings_what_is_announced_who_needs_a_grant_gets_nothing() {
    let scene = scene();
    let (mut bob, mut eve, mut stranger) = (scene.stream("bob", "a"), scene.stream("eve", "a"), scene.stream("", "a"));
    let store = &scene.node.store;
    mute(store);
    scene.revoke(&subject("eve"));
    eventually("that it is not known", || matches!(scene.known.unknown(), Some(RevocationsUnknown::Behind(_))));
    scene.node.publish("a", "afterwards");
    stranger.until("data: afterwards");
    for client in [&mut bob, &mut eve] {
        let until_heartbeat = client.until("\n\n");
        assert!(!until_heartbeat.contains("afterwards"), "{until_heartbeat}");
    }
    assert!(scene.known.incomplete_for() > Duration::ZERO && scene.known.in_force() == 0);
    unmute(store);
    bob.until("data: afterwards");
    let rest = eve.rest();
    assert!(rest.contains("$revoked") && !rest.contains("afterwards"), "{rest}");
    scene.is_complete();
    assert_eq!(scene.known.incomplete_for(), Duration::ZERO);
}

// Fails when the first proof is enough although something has arrived before it that is not read.
#[test]
fn what_arrives_late_is_read_before_anybody_goes_on_who_needs_a_grant() {
    let scene = scene();
    let (mut bob, mut eve) = (scene.stream("bob", "a"), scene.stream("eve", "a"));
    let store = &scene.node.store;
    mute(store);
    let id = scene.revoke(&subject("eve"));
    store.set_unreadable(LogName::revoked(), id, true);
    // What arrives when less than a second has passed since the last proof is within the second that is promised.
    eventually("the second to be over", || scene.known.incomplete_for() >= REVOCATIONS_PATIENCE);
    scene.node.publish("a", "afterwards");
    store.heal_pushes();
    store.set_unproven(false);
    // The proof comes at once, and patience with what came before it would be over only after a while. The first heartbeat may be older.
    for client in [&mut bob, &mut eve] {
        let until_heartbeat = client.until("\n\n") + &client.until("\n\n");
        assert!(!until_heartbeat.contains("afterwards"), "{until_heartbeat}");
    }
    store.set_unreadable(LogName::revoked(), id, false);
    bob.until("data: afterwards");
    let rest = eve.rest();
    assert!(rest.contains("$revoked") && !rest.contains("afterwards"), "{rest}");
}

// Fails when what is asked for is refused at once, and when it waits for ever.
#[test]
fn what_is_done_at_once_waits_a_second_for_a_proof_that_all_that_is_revoked_is_known() {
    let scene = scene();
    let store = &scene.node.store;
    scene.node.publish("a", "hello");
    let publish = |token: &str| {
        let head = "POST /channels/b/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n";
        format!("{head}Authorization: Bearer {token}\r\n\r\nhi")
    };
    let is_behind = || matches!(scene.known.unknown(), Some(RevocationsUnknown::Behind(_)));
    for (request, created) in [(history_of("a", "bob"), "HTTP/1.1 200 "), (publish("bob"), "HTTP/1.1 201 ")] {
        // On a busy machine the second may be over before the proof comes.
        let is_served = (0..10).any(|_| {
            mute(store);
            eventually("that it is not known", is_behind);
            let mut client = scene.node.send(request.clone());
            let waits = client.is_quiet_for(Duration::from_millis(50));
            unmute(store);
            let is_served = waits && client.response().0.starts_with(created);
            scene.is_complete();
            is_served
        });
        assert!(is_served, "{request}");
    }
    mute(store);
    eventually("that it is not known", is_behind);
    for request in [history_of("a", "bob"), publish("bob")] {
        let (head, body) = scene.node.send(request).response();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}{body}");
    }
    // Seen to fail when a number is judged as a stream, which may begin.
    let count = "GET /channels/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer bob\r\n\r\n";
    let (head, body) = scene.node.send(count).response();
    assert!(head.starts_with("HTTP/1.1 503 ") && body.contains("not known now whether"), "{head}{body}");
    unmute(store);
    scene.is_complete();
    let (head, _) = scene.node.send(count).response();
    assert!(!head.starts_with("HTTP/1.1 401 "), "{head}");
}

/// Makes a node that has a link not know what is revoked: something is announced that cannot be read.
fn make_unknown(scene: &Scene) {
    let store = &scene.node.store;
    let event = Event { name: None, data: json_of(&subject("somebody"), KEEP).into() };
    let id = store.xadd(LogName::revoked(), event, Bell::Silent);
    store.set_unreadable(LogName::revoked(), id, true);
    store.publish_ephemeral(LogName::revoked(), Bytes::new());
    eventually("that it is not known", || scene.known.unknown().is_some());
}

// Fails when a grant is judged before the page is read, and not after.
#[test]
fn a_page_of_history_is_handed_out_only_if_its_grant_is_good_when_it_was_read() {
    let store = MemoryStore::default();
    let pages = Arc::new(Semaphore::new(0));
    let archive = SlowArchive(store.clone(), Arc::clone(&pages));
    let scene = scene_with(store, archive, |known| known.note_may_vanish(false));
    scene.is_complete();
    scene.node.publish("a", "hello");
    let ask = |subject: &str| scene.node.send(history_of("a", subject));
    let [mut bob, mut eve] = ["bob", "eve"].map(ask);
    scene.revoke(&subject("eve"));
    eventually("it to be known", || scene.known.in_force() == 1);
    pages.add_permits(2);
    let (head, body) = eve.response();
    assert!(head.starts_with("HTTP/1.1 401 ") && body.contains(":token-revoked"), "{head}{body}");
    let (head, body) = bob.response();
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("hello"), "{head}{body}");
    let mut late = ask("bob");
    make_unknown(&scene);
    pages.add_permits(1);
    let (head, body) = late.response();
    assert!(head.starts_with("HTTP/1.1 503 ") && !body.contains("hello"), "{head}{body}");
}

// Seen to fail when a grant is judged before the store is asked, and not after.
#[test]
fn a_number_is_told_only_if_the_grant_is_good_when_the_store_has_said_it() {
    let (store, turns) = (MemoryStore::default(), Arc::new(Semaphore::new(0)));
    let counted = Arc::new(SlowCounts(store.clone(), Arc::clone(&turns)));
    let stores: (_, _, Arc<dyn OccupancyStore>) = (store.clone(), store, counted);
    let scene = scene_within(fanfare_log::Options::default(), stores, |known| known.note_may_vanish(false));
    scene.is_complete();
    // Of two channels, so that the store is asked twice.
    let ask = |subject: &str| {
        let head = format!("GET /channels/{subject} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        scene.node.send(format!("{head}Authorization: Bearer {subject}\r\n\r\n"))
    };
    let [mut bob, mut eve] = ["bob", "eve"].map(ask);
    assert!(bob.is_quiet_for(Duration::from_millis(200)) && eve.is_quiet_for(Duration::from_millis(1)));
    scene.revoke(&subject("eve"));
    eventually("the revocation to be known", || scene.known.in_force() == 1);
    turns.add_permits(2);
    let ((bob, _), (eve, body)) = (bob.response(), eve.response());
    assert!(bob.starts_with("HTTP/1.1 200 ") && eve.starts_with("HTTP/1.1 401 "), "{bob}{eve}{body}");
}

// Fails when only what is known to be revoked counts for a body that took its time.
#[test]
fn a_slow_body_is_published_only_if_it_is_known_that_its_grant_is_good() {
    let scene = scene();
    let head = "POST /channels/a/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n";
    let mut bob = scene.node.send(format!("{head}Authorization: Bearer bob\r\n\r\nhel"));
    make_unknown(&scene);
    bob.send("lo");
    let (head, body) = bob.response();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}{body}");
    assert_eq!(scene.node.store.last_id(LogName::from(ChannelName::parse("a").unwrap())), None);
}

// Fails when a store counts for one that keeps everything until it has said what it does.
#[test]
fn until_it_is_known_whether_the_store_evicts_no_grant_is_good() {
    let store = MemoryStore::default();
    let scene = scene_with(store.clone(), store, |_| {});
    scene.revoke(&subject("eve"));
    eventually("the log to be read", || scene.known.in_force() == 1);
    assert_eq!(scene.known.unknown_to_streams(), Some(RevocationsUnknown::NotRead(None)));
    let (head, body) = scene.node.send(history_of("a", "bob")).response();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}{body}");
    scene.known.note_may_vanish(false);
    scene.is_complete();
    let (head, body) = scene.node.send(history_of("a", "bob")).response();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}{body}");
}

// Fails when streams go on that began before it was known that the store may evict.
#[test]
fn on_a_store_that_may_evict_what_is_revoked_nobody_gets_anything_by_a_grant() {
    let scene = scene();
    let (mut bob, mut stranger) = (scene.stream("bob", "a"), scene.stream("", "a"));
    scene.known.note_may_vanish(true);
    assert_eq!(scene.known.unknown_to_streams(), Some(RevocationsUnknown::MayVanish));
    // A session that has been woken since then has been told.
    bob.until("\n\n");
    scene.node.publish("a", "hello");
    stranger.until("data: hello");
    let until_heartbeat = bob.until("\n\n");
    assert!(!until_heartbeat.contains("hello"), "{until_heartbeat}");
    let (head, body) = scene.node.send(history_of("a", "bob")).response();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}{body}");
    scene.known.note_may_vanish(false);
    bob.until("data: hello");
    assert_eq!(scene.known.unknown_to_streams(), None);
    let reasons = [Denied::Revoked, Denied::RevocationsUnknown].map(|denied| denied.as_str());
    assert_eq!(reasons, ["revoked", "revocations_unknown"]);
}
