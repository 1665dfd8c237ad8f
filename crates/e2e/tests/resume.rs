//! Resuming: on the same node, on another, with one channel and with several, in every way a client can say where it was.

use std::time::Duration;

use fanfare_e2e::{
    Client, Expect, Ledger, Node, Observed, Publisher, RedisServer, Subscribe, check, pace, resume_and_check,
};

struct Scene {
    redis: RedisServer,
    ledger: Ledger,
    nodes: Vec<Node>,
    publisher: Publisher,
}

fn scene(nodes: usize) -> Scene {
    let redis = RedisServer::start();
    let ledger = Ledger::default();
    let nodes = (0..nodes).map(|_| Node::start(&redis)).collect();
    let publisher = Publisher::new(&redis, &ledger);
    Scene { redis, ledger, nodes, publisher }
}

fn is_primed(unread: &[u8]) -> bool {
    let text = String::from_utf8_lossy(unread);
    text.split_once("\nid: ").is_some_and(|(_, rest)| rest.contains("\n\n"))
}

// Seen to fail when `prev` in the publishing function is wrong.
#[test]
fn an_event_published_between_the_subscription_and_the_first_read_is_delivered() {
    let mut scene = scene(1);
    let mut client = Client::new(Subscribe::to("c"));
    client.connect(scene.nodes[0].address()).expect("the node accepts");
    client.wait_unread("the opening of the stream", is_primed);
    scene.publisher.fcall("c", "c 0");
    client.read_data("c 0");
    check(&client, &scene.ledger, "c", &Expect::everything()).assert_kept();
}

// Seen to fail when `prev` in the publishing function is wrong.
#[test]
fn a_client_that_moves_between_nodes_while_events_are_published_misses_none() {
    let scene = scene(2);
    let mut client = Client::open(scene.nodes[0].address(), Subscribe::to("c"));
    let mut publisher = Publisher::new(&scene.redis, &scene.ledger);
    let publishing = std::thread::spawn(move || {
        for number in 0..1500 {
            publisher.fcall("c", &format!("c {number}"));
            if number % 10 == 0 {
                // A pace, so that the moves below happen during the publishing.
                pace(Duration::from_millis(2));
            }
        }
    });
    for moves in 1.. {
        let target = client.events().count() + 7 * moves;
        client.read_until("some more events", |client| {
            client.events().count() >= target || client.data().last() == Some(&"c 1499")
        });
        if client.data().last() == Some(&"c 1499") {
            assert!(moves > 5, "only {moves} moves");
            break;
        }
        if moves % 2 == 0 {
            client.disconnect();
        } else {
            client.abort();
        }
        client.connect(scene.nodes[moves % 2].address()).expect("the node accepts");
    }
    publishing.join().expect("the publisher finishes");
    check(&client, &scene.ledger, "c", &Expect::everything()).assert_kept();
}

// Seen to fail when the priming id is not sent.
#[test]
fn a_client_that_drops_before_its_first_event_loses_none_on_an_existing_stream() {
    let mut scene = scene(2);
    scene.publisher.fcall_many("c", 0..3, &[]);
    let mut client = Client::open(scene.nodes[0].address(), Subscribe::to("c"));
    assert_eq!(client.last_event_id(), scene.ledger.entries("c")[2].id.to_string(), "primed with the newest id");
    client.disconnect();
    scene.publisher.fcall_many("c", 3..6, &[]);
    resume_and_check(&mut client, scene.nodes[1].address(), &scene.ledger, "c", &Expect::everything());
    assert_eq!(client.data(), ["c 3", "c 4", "c 5"]);
}

// Seen to fail when the first entry of a stream does not say `prev 0-0`.
#[test]
fn a_client_that_drops_before_the_first_event_there_ever_was_loses_none() {
    let mut scene = scene(2);
    let mut client = Client::open(scene.nodes[0].address(), Subscribe::to("c"));
    assert!(client.last_event_id().starts_with('~'), "no stream yet: {:?}", client.last_event_id());
    client.disconnect();
    scene.publisher.fcall_many("c", 0..3, &[]);
    resume_and_check(&mut client, scene.nodes[1].address(), &scene.ledger, "c", &Expect::everything());
    assert_eq!(client.data().len(), 3);
}

// Seen to fail when an event moves the position of every channel of its session.
#[test]
fn five_channels_at_once_resume_where_each_of_them_was() {
    let mut scene = scene(2);
    let channels = ["a", "b", "c", "d", "e"];
    for channel in &channels[..3] {
        scene.publisher.fcall_many(channel, 0..2, &[]);
    }
    let mut client = Client::open(scene.nodes[0].address(), Subscribe::to_all(&channels));
    for round in 0..6 {
        // Some while connected, some in between; not every channel every time.
        for (index, channel) in channels.iter().enumerate().skip(round % 3) {
            let first = 100 * (round + 1) + 10 * index;
            scene.publisher.fcall_many(channel, first..first + 4, &[]);
        }
        let last = format!("e {}", 100 * (round + 1) + 43);
        if round % 2 == 0 {
            client.read_data(&last);
            client.disconnect();
        } else {
            client.connect(scene.nodes[round % 4 / 2].address()).expect("the node accepts");
            client.read_data(&last);
        }
    }
    client.connect(scene.nodes[1].address()).expect("the node accepts");
    for (index, channel) in channels.iter().enumerate() {
        scene.publisher.fcall(channel, &format!("{channel} end"));
        client.read_data(&format!("{channel} end"));
        let before = if index < 3 { 2 } else { 0 };
        check(&client, &scene.ledger, channel, &Expect::everything().starting_after(before)).assert_kept();
    }
    for event in client.events() {
        let id = event.own_id.as_deref().expect("every durable event carries a position");
        let clean = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.~-".contains(&byte));
        assert!(clean && id.len() <= 128, "a position that needs a CORS preflight: {id:?}");
    }
}

// Seen to fail when an event moves the position of every channel of its session.
#[test]
fn the_order_of_channels_in_the_request_is_free_and_removed_ones_are_ignored() {
    let mut scene = scene(2);
    let mut client = Client::open(scene.nodes[0].address(), Subscribe::to_all(&["a", "b", "c"]));
    scene.publisher.fcall("a", "a 0");
    client.read_data("a 0");
    let place = client.last_event_id().to_owned();
    drop(client);
    scene.publisher.fcall("c", "c 0");
    scene.publisher.fcall("a", "a 1");
    let mut client = Client::remembering(Subscribe::to_all(&["c", "a"]), &place);
    client.connect(scene.nodes[1].address()).expect("the node accepts");
    client.read_until("both events", |client| client.events().count() == 2);
    check(&client, &scene.ledger, "c", &Expect::everything().starting_after(0)).assert_kept();
    check(&client, &scene.ledger, "a", &Expect::everything().starting_after(1)).assert_kept();
}

// Seen to fail when an unknown position is taken for none.
#[test]
fn an_added_channel_starts_now_and_says_so() {
    let mut scene = scene(2);
    scene.publisher.fcall("b", "b 0");
    let mut client = Client::open(scene.nodes[0].address(), Subscribe::to_all(&["a", "c"]));
    scene.publisher.fcall("a", "a 0");
    client.read_data("a 0");
    let place = client.last_event_id().to_owned();
    drop(client);
    let mut client = Client::remembering(Subscribe::to_all(&["a", "b", "c"]), &place);
    client.connect(scene.nodes[1].address()).expect("the node accepts");
    client.read_until("a gap", |client| !client.gaps().is_empty());
    assert_eq!((client.gaps()[0].channel.as_str(), client.gaps()[0].reason.as_str()), ("b", "unknown_position"));
    scene.publisher.fcall("b", "b 1");
    client.read_data("b 1");
    assert_eq!(client.data(), ["b 1"]);
    assert_eq!(client.gaps().len(), 1);
}

// Seen to fail when `last` is ignored.
#[test]
fn last_n_gives_the_n_newest_events_and_then_goes_on() {
    let mut scene = scene(1);
    scene.publisher.fcall_many("c", 0..10, &[]);
    let address = scene.nodes[0].address();
    let mut four = Client::new(Subscribe::to("c").query("last", "4"));
    four.connect(address).expect("the node accepts");
    let mut many = Client::new(Subscribe::to("c").query("last", "50"));
    many.connect(address).expect("the node accepts");
    let mut none = Client::open(address, Subscribe::to("c"));
    four.read_data("c 9");
    many.read_data("c 9");
    scene.publisher.fcall("c", "c 10");
    for (client, before) in [(&mut four, 6), (&mut many, 0), (&mut none, 10)] {
        client.read_data("c 10");
        check(client, &scene.ledger, "c", &Expect::everything().starting_after(before)).assert_kept();
    }
    // A place beats `last`: it is what the client has, and `last` is in the URL of every reconnect.
    four.disconnect();
    scene.publisher.fcall("c", "c 11");
    four.connect(address).expect("the node accepts");
    four.read_data("c 11");
    check(&four, &scene.ledger, "c", &Expect::everything().starting_after(6)).assert_kept();
}

// Seen to fail when the first entry of a page is skipped.
#[test]
fn ten_thousand_events_are_replayed_while_live_ones_arrive() {
    let mut scene = scene(2);
    let mut client = Client::open(scene.nodes[0].address(), Subscribe::to("c"));
    client.disconnect();
    scene.publisher.fcall_many("c", 0..10_000, &["MAXLEN", "20000"]);
    client.connect(scene.nodes[1].address()).expect("the node accepts");
    let mut publisher = Publisher::new(&scene.redis, &scene.ledger);
    let publishing = std::thread::spawn(move || {
        for number in 10_000..10_500 {
            publisher.fcall_with("c", &format!("c {number}"), &["MAXLEN", "20000"]);
        }
    });
    client.read_data("c 10499");
    publishing.join().expect("the publisher finishes");
    let verdict = check(&client, &scene.ledger, "c", &Expect::everything());
    verdict.assert_kept();
    assert_eq!(verdict.events, 10_500);
}

// Seen to fail when the query forms are ignored; the priming id is not sent.
#[test]
fn every_way_to_say_the_place_is_understood_and_the_header_wins() {
    let mut scene = scene(1);
    let ids = scene.publisher.fcall_many("c", 0..5, &[]);
    let address = scene.nodes[0].address();
    for name in ["lastEventId", "last_event_id"] {
        let mut client = Client::new(Subscribe::to("c").query(name, &ids[2]));
        client.connect(address).expect("the node accepts");
        client.read_data("c 4");
        assert_eq!(client.data(), ["c 3", "c 4"], "{name}");
        let mut client = Client::remembering(Subscribe::to("c").query(name, &ids[0]), &ids[3]);
        client.connect(address).expect("the node accepts");
        client.read_data("c 4");
        assert_eq!(client.data(), ["c 4"], "the header beats {name}");
    }
    // Some parsers send an empty header after a priming id that they did not understand.
    let mut client = Client::new(Subscribe::to("c").header("Last-Event-ID", ""));
    client.connect(address).expect("the node accepts");
    client.read_until("the priming id", |client| !client.last_event_id().is_empty());
    scene.publisher.fcall("c", "c 5");
    client.read_data("c 5");
    assert_eq!((client.data(), client.gaps().len()), (vec!["c 5"], 0));
}

// Seen to fail when only those are told who ask for it.
#[test]
fn a_client_without_a_position_gets_its_first_one_as_an_event() {
    let mut scene = scene(1);
    let ids = scene.publisher.fcall_many("c", 0..2, &[]);
    let mut client = Client::new(Subscribe::to("c"));
    client.connect(scene.nodes[0].address()).expect("the node accepts");
    let is_ready = |observed: &Observed| matches!(observed, Observed::Control(event) if event.event == "$ready");
    client.read_until("a $ready", |client| client.seen().iter().any(is_ready));
    let ready = client.seen().iter().find(|observed| is_ready(observed)).cloned();
    let Some(Observed::Control(ready)) = ready else { panic!("no $ready") };
    let json: serde_json::Value = serde_json::from_str(&ready.data).expect("JSON");
    assert_eq!((json["position"].as_str(), ready.own_id.as_deref()), (Some(ids[1].as_str()), Some(ids[1].as_str())));
}

// Seen to fail when ephemeral items are skipped.
#[test]
fn an_ephemeral_event_reaches_who_is_connected_and_moves_no_position() {
    let mut scene = scene(2);
    scene.publisher.fcall("c", "c 0");
    let mut client = Client::open(scene.nodes[0].address(), Subscribe::to("c"));
    let place = client.last_event_id().to_owned();
    assert_eq!(scene.publisher.ephemeral("c", "now\nor never"), 1, "only the node with a reader follows the channel");
    client.read_data("now\nor never");
    assert_eq!(client.last_event_id(), place);
    client.disconnect();
    scene.publisher.ephemeral("c", "missed");
    scene.publisher.fcall("c", "c 1");
    resume_and_check(&mut client, scene.nodes[1].address(), &scene.ledger, "c", &Expect::everything());
    assert_eq!(client.data(), ["now\nor never", "c 1"]);
}

// Seen to fail when the first entry of a stream does not say `prev 0-0`.
#[test]
fn a_place_survives_the_death_of_every_node() {
    let mut scene = scene(2);
    let mut client = Client::open(scene.nodes[0].address(), Subscribe::to("c"));
    scene.publisher.fcall("c", "c 0");
    client.read_data("c 0");
    scene.nodes.iter_mut().for_each(Node::kill);
    assert!(matches!(
        client.read_ending(Duration::from_secs(5)),
        fanfare_e2e::ConnectionEnd::Cut { .. } | fanfare_e2e::ConnectionEnd::Reset(_)
    ));
    scene.publisher.fcall("c", "c 1");
    scene.nodes[1].restart();
    resume_and_check(&mut client, scene.nodes[1].address(), &scene.ledger, "c", &Expect::everything());
}
