//! The numbers in `/status`.

use std::time::{Duration, Instant};

use fanfare_e2e::{Node, eventually, pace};
use serde_json::json;

use super::{Scene, open};

/// What `/status` of a node says of a channel that it lists.
fn listed(node: &Node, channel: &str) -> Option<serde_json::Value> {
    let status = node.admin("/status")?.json();
    status["channels"].as_array()?.iter().find(|listed| listed["channel"] == channel).cloned()
}

#[track_caller]
fn await_listed(node: &Node, channel: &str, expected: &serde_json::Value) {
    eventually(&format!("{expected} in /status"), || (listed(node, channel).as_ref() == Some(expected)).then_some(()));
}

// Seen to fail with the readers of this node alone.
#[test]
fn the_status_of_a_node_says_how_many_read_a_channel_on_all_nodes() {
    let mut scene = Scene::new();
    let (here, mut there) = (scene.node().start(), scene.node().start());
    let _here = [open(&here, "chat:1"), open(&here, "news")];
    let _there = [open(&there, "chat:1"), open(&there, "chat:1")];
    let counted = |here: u64, all: u64| json!({ "channel": "chat:1", "readers": here, "occupancy": all });
    await_listed(&here, "chat:1", &counted(1, 3));
    await_listed(&there, "chat:1", &counted(2, 3));
    assert_eq!(listed(&here, "news"), Some(json!({ "channel": "news", "readers": 1 })), "it is not counted");
    there.kill();
    await_listed(&here, "chat:1", &counted(1, 1));

    scene.redis.kill();
    let unknown = eventually("a number that is not known", || {
        let channel = listed(&here, "chat:1")?;
        assert!(channel["occupancy"] == 1 || channel["occupancy"].is_null(), "{channel}");
        channel["occupancy"].is_null().then_some(channel)
    });
    let reason = unknown["occupancy_unknown"].as_str().unwrap_or_default();
    assert!(reason.starts_with("the store is unavailable: "), "{unknown}");
    assert_eq!(unknown["readers"], 1, "what the node knows itself stays");
    scene.redis.launch();
    await_listed(&here, "chat:1", &counted(1, 1));
}

// Seen to fail when each look at the status asks, and when the node asks for a list at which nobody looks.
#[test]
fn redis_is_asked_for_the_status_once_in_two_seconds_and_only_while_somebody_looks() {
    let scene = Scene::new();
    let node = scene.node().start();
    let _clients = [open(&node, "chat:1"), open(&node, "chat:2")];
    await_listed(&node, "chat:1", &json!({ "channel": "chat:1", "readers": 1, "occupancy": 1 }));
    let asked = || {
        let text = scene.redis.connection().command(["INFO", "commandstats"]).text();
        let line = text.lines().find_map(|line| line.strip_prefix("cmdstat_hgetall:calls="));
        line.and_then(|line| line.split(',').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    // The node itself asks for each counted channel once in 40 s, to remove what dead nodes have left.
    const OWN: u64 = 2;
    let before = asked();
    pace(Duration::from_secs(6));
    let unlooked = asked() - before;
    assert!(unlooked <= OWN, "asked {unlooked} times for nobody");
    let (before, began) = (asked(), Instant::now());
    for _ in 0..60 {
        assert!(listed(&node, "chat:1").is_some());
        pace(Duration::from_millis(100));
    }
    let (looked, most) = (asked() - before, 2 * (began.elapsed().as_secs() / 2 + 1) + OWN);
    assert!((4..=most).contains(&looked), "asked {looked} times for two channels, and {most} are the most");
}
