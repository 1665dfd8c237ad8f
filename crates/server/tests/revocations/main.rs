//! Grants that are revoked: streams end, and none begins, until it is known what is revoked.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

mod log;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod unknown;

use std::time::Instant;

use fanfare_auth::RevocationTarget;
use fanfare_log::memory::MemoryStore;
use fanfare_protocol::ChannelName;
use scene::{SOON, is_revoked, scene, scene_on, subject};
use support::{eventually, header};

// Fails when nobody is looked up, when the farewell has no place, and when a thread ends those of its first turn alone.
#[test]
fn streams_whose_grant_is_revoked_end_within_a_second_and_others_go_on() {
    for target in [
        subject("eve"),
        RevocationTarget::token(Some("a"), "token of eve").unwrap(),
        RevocationTarget::Channel(ChannelName::parse("secret").unwrap()),
    ] {
        let scene = scene();
        // More than each of two threads ends in one turn.
        let mut eve: Vec<_> = (0..130).map(|_| scene.stream("eve", "secret")).collect();
        let mut others = [scene.stream("bob", "a"), scene.stream("late", "a"), scene.stream("", "secret")];
        let since = Instant::now();
        scene.revoke(&target);
        eve.iter_mut().for_each(|client| is_revoked(client, since));
        scene.node.publish("a", "hello");
        scene.node.publish("secret", "hello");
        others.iter_mut().for_each(|client| drop(client.until("data: hello")));
        scene.node.await_sessions(3);
    }
}

// Fails when only what is connected is looked at, and when a later token of the same subject is hit.
#[test]
fn no_stream_begins_with_what_is_revoked_and_one_with_a_later_token_does() {
    let scene = scene();
    scene.revoke(&subject("eve"));
    scene.revoke(&subject("late eve"));
    eventually("both to be known", || scene.known.in_force() == 2);
    let (head, body) = scene.answer("eve", "a");
    assert!(head.starts_with("HTTP/1.1 401 ") && body.contains(":token-revoked"), "{head}{body}");
    assert!(header(&head, "www-authenticate").unwrap().contains("invalid_token"), "{head}");
    scene.stream("late eve", "a");
    scene.stream("bob", "a");
}

// Fails when a node that starts reads only what comes.
#[test]
fn a_node_that_starts_knows_what_was_revoked_before() {
    let store = MemoryStore::default();
    let first = scene_on(store.clone());
    for number in 0..2_000 {
        first.revoke_many(&store, number);
    }
    drop(first);
    let second = scene_on(store);
    second.is_complete();
    assert_eq!(second.known.in_force(), 2_000);
    for name in ["0", "999", "1999"] {
        assert!(second.answer(name, "a").0.starts_with("HTTP/1.1 401 "), "{name}");
    }
}

// Seen to fail when a client that takes nothing is waited for.
#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let scene = scene();
    let mut eve = scene.stream("eve", "a");
    let mut stranger = scene.stream("", "a");
    for _ in 0..64 {
        scene.node.publish("a", &"x".repeat(256 << 10));
    }
    scene.node.publish("a", "the last");
    stranger.skip_past("data: the last");
    let since = Instant::now();
    scene.revoke(&subject("eve"));
    scene.node.await_sessions(1);
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    assert!(!eve.reads_to_an_orderly_end());
}
