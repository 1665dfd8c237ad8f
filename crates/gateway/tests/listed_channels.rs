//! The channels that the status of a node lists, with their readers here and on all nodes.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use support::counting::CountingStore;
use support::rig::Rig;
use support::{eventually, read_past, subscribe};

fn channels(rig: &Rig) -> Value {
    rig.json("/status").1["channels"].clone()
}

fn await_channels(rig: &Rig, expected: &Value) {
    let mut last = Value::Null;
    eventually(&expected.to_string(), || {
        last = channels(rig);
        (last == *expected).then_some(())
    });
}

fn open(rig: &Rig, channel: &str) -> impl Sized {
    subscribe(rig.node().server().tcp_address().unwrap(), channel)
}

// Seen to fail when a node lists its own readers for all.
#[test]
fn each_node_lists_its_own_readers_and_those_of_all_nodes() {
    let store = CountingStore::default();
    let (here, there) = (store.node(), store.node());
    let mut readers = vec![open(&here, "chat:1"), open(&here, "news"), open(&there, "chat:1"), open(&there, "chat:1")];
    let news = json!({ "channel": "news", "readers": 1 });
    await_channels(&here, &json!([{ "channel": "chat:1", "readers": 1, "occupancy": 3 }, news]));
    await_channels(&there, &json!([{ "channel": "chat:1", "readers": 2, "occupancy": 3 }]));
    readers.pop();
    await_channels(&here, &json!([{ "channel": "chat:1", "readers": 1, "occupancy": 2 }, news]));
}

// Seen to fail with 0 in place of what is not known.
#[test]
fn a_store_that_hangs_makes_a_number_unknown_and_the_rest_of_the_status_stays() {
    let store = CountingStore::default();
    let node = store.node();
    let _readers = [open(&node, "chat:1"), open(&node, "news")];
    await_channels(
        &node,
        &json!([{ "channel": "chat:1", "readers": 1, "occupancy": 1 }, { "channel": "news", "readers": 1 }]),
    );
    store.faults().hangs.store(true, Ordering::Relaxed);
    let unknown = "the store is unavailable: no answer in 2 s";
    let chat = json!({ "channel": "chat:1", "readers": 1, "occupancy": null, "occupancy_unknown": unknown });
    await_channels(&node, &json!([chat, { "channel": "news", "readers": 1 }]));
    store.faults().hangs.store(false, Ordering::Relaxed);
    await_channels(
        &node,
        &json!([{ "channel": "chat:1", "readers": 1, "occupancy": 1 }, { "channel": "news", "readers": 1 }]),
    );
}

// Seen to fail when the store's number is shown whatever the node could tell it: there it is 0.
#[test]
fn while_a_node_cannot_tell_the_store_of_its_readers_the_number_is_unknown() {
    let store = CountingStore::default();
    store.faults().refuses_writes.store(true, Ordering::Relaxed);
    let node = store.node();
    let _reader = open(&node, "chat:1");
    let unknown = "the store refuses: NOPERM no hset";
    let refused = json!({ "channel": "chat:1", "readers": 1, "occupancy": null, "occupancy_unknown": unknown });
    await_channels(&node, &json!([refused]));
    store.faults().refuses_writes.store(false, Ordering::Relaxed);
    await_channels(&node, &json!([{ "channel": "chat:1", "readers": 1, "occupancy": 1 }]));
}

// Seen to fail when all of the list is asked.
#[test]
fn what_rounds_have_found_is_not_asked_again() {
    let store = CountingStore::default();
    let node = store.node();
    let mut watching = subscribe(node.node().server().tcp_address().unwrap(), "chat:watched&occupancy=1");
    read_past(&mut watching, "event: $occupancy");
    let _other = open(&node, "chat:other");
    let one = |channel| json!({ "channel": channel, "readers": 1, "occupancy": 1 });
    await_channels(&node, &json!([one("chat:other"), one("chat:watched")]));
    let reads = store.faults().reads.lock().unwrap();
    let names: Vec<Vec<&str>> =
        reads.iter().map(|read| read.iter().map(|channel| channel.as_str()).collect()).collect();
    assert!(names.contains(&vec!["chat:other"]), "the status asks: {names:?}");
    assert!(names.iter().all(|asked| asked.len() == 1), "the status asks for what is known: {names:?}");
}
