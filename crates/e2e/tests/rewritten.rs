//! Streams that were lost, rolled back, evicted, expired: every reader is told, and nobody is told without need.

use fanfare_e2e::{Client, Expect, RedisServer, Subscribe, TwoNodes, check, eventually, request};

// Seen to fail when `prev` need only be below the position.
#[test]
fn a_stream_that_was_deleted_and_created_again_is_a_reset() {
    let mut scene = TwoNodes::start();
    let mut client = scene.left(2);
    scene.publisher.on_key("DEL", "c", &[]);
    scene.ledger.replace("c", 0);
    scene.publisher.next_millisecond();
    scene.publisher.fcall("c", "c 2");
    scene.resumes(&mut client, &["reset"]);
    assert_eq!(client.data(), ["c 0", "c 1", "c 2"]);
}

// Seen to fail when the first entry of a stream does not say `prev 0-0`.
#[test]
fn a_stream_that_is_gone_is_a_reset_and_the_next_event_arrives() {
    let mut scene = TwoNodes::start();
    let mut client = scene.left(2);
    scene.publisher.on_key("DEL", "c", &[]);
    scene.ledger.replace("c", 0);
    scene.publisher.next_millisecond();
    client.connect(scene.far.address()).expect("the node accepts");
    client.read_until("the gap", |client| client.gaps().len() == 1);
    assert!(client.last_event_id().starts_with('~'), "a new place: {:?}", client.last_event_id());
    scene.publisher.fcall("c", "c 2");
    client.read_data("c 2");
    check(&client, &scene.ledger, "c", &Expect::everything().with_gaps(&["reset"])).assert_kept();
}

// Seen to fail when the first entry of a stream does not say `prev 0-0`.
#[test]
fn absence_is_a_position_that_proves_the_first_event_of_a_new_stream() {
    let mut scene = TwoNodes::start();
    let mut client = Client::open(scene.near.address(), Subscribe::to("c"));
    client.disconnect();
    scene.publisher.fcall_many("c", 0..2, &[]);
    scene.resumes(&mut client, &[]);
}

// Seen to fail when any first entry counts as the one that created the key.
#[test]
fn absence_proves_nothing_once_the_first_entries_are_trimmed() {
    let mut scene = TwoNodes::start();
    let mut client = Client::open(scene.near.address(), Subscribe::to("c"));
    client.disconnect();
    scene.publisher.fcall_many("c", 0..3, &[]);
    scene.publisher.on_key("XTRIM", "c", &["MAXLEN", "=", "2"]);
    scene.ledger.trim_oldest("c", 1);
    scene.resumes(&mut client, &["trimmed"]);
}

// Seen to fail when no stream counts as expired.
#[test]
fn a_followed_key_that_expires_and_is_created_again_raises_no_false_gap() {
    let mut scene = TwoNodes::start();
    // Ten minutes old: no stream expires before the floor of 60 s, so a younger one that vanished was deleted.
    let id = format!("{}-0", scene.publisher.clock_ms() - 600_000);
    scene.publisher.on_key("XADD", "c", &[&id, "data", "c 0"]);
    scene.ledger.record("c", &id, "c 0");
    let mut client = Client::open(scene.near.address(), Subscribe::to("c"));
    assert_eq!(client.last_event_id(), id);
    scene.publisher.on_key("PEXPIRE", "c", &["1"]);
    eventually("the key to expire", || (scene.publisher.on_key("EXISTS", "c", &[]).integer() == 0).then_some(()));
    client.read_until("a place that says that there is no stream", |client| client.last_event_id().starts_with('~'));
    client.disconnect();
    scene.publisher.fcall("c", "c 1");
    // It expired after everything had been seen, so both entries are one run.
    scene.resumes(&mut client, &[]);
    assert_eq!(client.data(), ["c 1"]);
}

// Seen to fail when a stream of any age counts as expired.
#[test]
fn a_followed_key_that_vanishes_young_is_a_reset() {
    let mut scene = TwoNodes::start();
    let mut client = Client::open(scene.near.address(), Subscribe::to("c"));
    scene.publisher.fcall("c", "c 0");
    client.read_data("c 0");
    // So well proven that only its youth speaks against an expiry.
    let same = || scene.near.metric("fanfare_reconciles_total", "same").unwrap_or_default();
    let before = same();
    eventually("some comparisons with the stream", || (same() >= before + 3.0).then_some(()));
    scene.publisher.on_key("DEL", "c", &[]);
    scene.ledger.replace("c", 0);
    scene.publisher.next_millisecond();
    client.read_until("the gap", |client| client.gaps().len() == 1);
    scene.publisher.fcall("c", "c 1");
    client.read_data("c 1");
    check(&client, &scene.ledger, "c", &Expect::everything().with_gaps(&["reset"])).assert_kept();
}

// Seen to fail when the eviction policy is not considered.
#[test]
fn an_evicted_key_is_a_reset_even_for_a_client_that_knew_no_stream() {
    let mut scene = TwoNodes::on(RedisServer::start_with(&["--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"]));
    let mut client = Client::open(scene.near.address(), Subscribe::to("c"));
    client.disconnect();
    scene.publisher.fcall("c", "c 0");
    // Eviction removes a key like DEL, and nothing in Redis remembers it.
    scene.publisher.on_key("DEL", "c", &[]);
    scene.ledger.replace("c", 0);
    scene.publisher.next_millisecond();
    scene.publisher.fcall("c", "c 1");
    scene.resumes(&mut client, &["reset"]);
}

// Seen to fail when every position continues.
#[test]
fn a_key_thatredis_itself_evicts_is_a_reset() {
    let mut scene = TwoNodes::on(RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]));
    let mut client = scene.left(2);
    scene.publisher.redis.command(["CONFIG", "SET", "maxmemory", "1"]);
    eventually("the eviction", || (scene.publisher.on_key("EXISTS", "c", &[]).integer() == 0).then_some(()));
    scene.publisher.redis.command(["CONFIG", "SET", "maxmemory", "1gb"]);
    scene.ledger.replace("c", 0);
    scene.publisher.next_millisecond();
    scene.publisher.fcall("c", "c 2");
    scene.resumes(&mut client, &["reset"]);
}

// Seen to fail when `prev` need only be below the position.
#[test]
fn flushall_is_a_reset_for_a_client_that_comes_back() {
    let mut scene = TwoNodes::start();
    let mut client = scene.left(2);
    scene.publisher.redis.command(["FLUSHALL"]);
    scene.ledger.replace("c", 0);
    scene.publisher.next_millisecond();
    scene.publisher.fcall("c", "c 2");
    scene.resumes(&mut client, &["reset"]);
}

// Seen to fail when `prev` need only be below the position.
#[test]
fn flushall_is_a_reset_for_a_client_that_is_connected() {
    let mut scene = TwoNodes::start();
    let mut client = Client::open(scene.near.address(), Subscribe::to("c"));
    scene.publisher.fcall_many("c", 0..2, &[]);
    client.read_data("c 1");
    scene.publisher.redis.command(["FLUSHALL"]);
    scene.ledger.replace("c", 0);
    scene.publisher.next_millisecond();
    scene.publisher.fcall("c", "c 2");
    client.read_data("c 2");
    check(&client, &scene.ledger, "c", &Expect::everything().with_gaps(&["reset"])).assert_kept();
}

// Seen to fail when the epoch is not compared.
#[test]
fn flushall_between_a_place_without_a_stream_and_the_first_event_is_a_reset() {
    let mut scene = TwoNodes::start();
    let mut client = Client::open(scene.near.address(), Subscribe::to("c"));
    client.disconnect();
    scene.publisher.fcall("c", "c 0");
    scene.publisher.redis.command(["FLUSHALL"]);
    scene.ledger.replace("c", 0);
    scene.publisher.next_millisecond();
    scene.publisher.fcall("c", "c 1");
    scene.resumes(&mut client, &["reset"]);
}

// Seen to fail when `prev` need only be below the position.
#[test]
fn a_failover_that_lost_the_tail_is_told_even_after_a_write_before_the_resume() {
    let mut scene = TwoNodes::start();
    let mut behind = scene.left(3);
    let dump = match scene.publisher.on_key("DUMP", "c", &[]) {
        fanfare_e2e::Reply::Text(bytes) => bytes,
        other => panic!("no dump: {other:?}"),
    };
    let mut ahead = Client::remembering(Subscribe::to("c"), behind.last_event_id());
    let mut live = Client::remembering(Subscribe::to("c"), behind.last_event_id());
    ahead.connect(scene.near.address()).expect("the node accepts");
    live.connect(scene.near.address()).expect("the node accepts");
    scene.publisher.fcall_many("c", 3..5, &[]);
    ahead.read_data("c 4");
    live.read_data("c 4");
    ahead.disconnect();
    // The new primary has entries 0 to 2 and is written to at once.
    scene.publisher.redis.command([b"RESTORE".as_slice(), b"sse:c", b"0", &dump, b"REPLACE"]);
    scene.ledger.replace("c", 3);
    scene.publisher.next_millisecond();
    scene.publisher.fcall("c", "c 5");
    scene.resumes(&mut behind, &[]);
    assert_eq!(behind.data(), ["c 0", "c 1", "c 2", "c 5"]);
    scene.resumes(&mut ahead, &["unknown_position"]);
    assert_eq!(ahead.data(), ["c 3", "c 4", "c 5"]);
    live.read_data("c 5");
    assert_eq!(live.gaps().len(), 1, "a connected client is told too: {:?}", live.gaps());
}

// Seen to fail when a key of another type is a read that failed and nothing more.
#[test]
fn a_key_that_turns_into_another_type_is_told_to_its_readers_who_get_on_when_it_is_a_stream_again() {
    let mut scene = TwoNodes::start();
    let mut away = scene.left(2);
    let mut client = Client::remembering(Subscribe::to("c"), away.last_event_id());
    client.connect(scene.near.address()).expect("the node accepts");
    let place = away.last_event_id().to_owned();
    scene.publisher.on_key("SET", "c", &["not a stream"]);
    scene.ledger.replace("c", 0);
    client.read_until("the gap", |client| client.gaps().len() == 1);
    let gap = client.gaps()[0];
    assert_eq!((gap.reason.as_str(), gap.after.as_deref(), gap.next.as_deref()), ("reset", Some(place.as_str()), None));
    assert_eq!(client.last_event_id(), place, "whoever drops here is compared with the same place again");
    let refused = scene.publisher.try_fcall("c", "refused", &[]);
    assert!(refused.error().is_some_and(|error| error.contains("not a stream")), "{refused:?}");

    scene.publisher.on_key("DEL", "c", &[]);
    scene.publisher.next_millisecond();
    scene.publisher.fcall("c", "c 2");
    client.read_data("c 2");
    let reasons: Vec<&str> = client.gaps().iter().map(|gap| gap.reason.as_str()).collect();
    assert_eq!(reasons, ["reset", "reset"], "{:?}", client.seen());
    assert_eq!(client.data(), ["c 2"]);
    scene.resumes(&mut away, &["reset"]);
}

// Seen to fail when a key of another type is a read that failed and nothing more.
#[test]
fn a_stream_that_a_key_of_another_type_had_hidden_goes_on_where_its_readers_are() {
    let mut scene = TwoNodes::start();
    let mut client = Client::open(scene.near.address(), Subscribe::to("c"));
    scene.publisher.fcall_many("c", 0..2, &[]);
    client.read_data("c 1");
    // In one step: a node that looks in between finds no stream, which is another story.
    let hide = "redis.call('RENAME', KEYS[1], 'hidden') redis.call('SET', KEYS[1], 'not a stream')";
    scene.publisher.redis.command(["EVAL", hide, "1", "sse:c"]);
    client.read_until("the gap", |client| client.gaps().len() == 1);
    scene.publisher.redis.command(["RENAME", "hidden", "sse:c"]);
    scene.publisher.fcall("c", "c 2");
    client.read_data("c 2");
    assert_eq!(client.data(), ["c 0", "c 1", "c 2"]);
    assert_eq!(client.gaps().len(), 1, "{:?}", client.gaps());
}

// Seen to be told `200 retry:` for ever.
#[test]
fn a_channel_whose_key_is_no_stream_is_named_and_its_client_told_for_good() {
    let mut scene = TwoNodes::start();
    scene.publisher.fcall("c", "c 0");
    scene.publisher.redis.command(["SET", "sse:text", "not a stream"]);
    for path in ["/events?channel=c&channel=text", "/events?channel=text"] {
        let refused = request(scene.far.address(), "GET", path, &[("Accept", "text/event-stream")], b"");
        let refused = refused.expect("an answer");
        assert_eq!(refused.status(), 409, "{path}: {}", refused.text());
        let problem = refused.json();
        assert_eq!(problem["type"], "urn:fanfare:problem:not-a-stream");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("`text`")), "{problem}");
    }
    scene.publisher.redis.command(["DEL", "sse:text"]);
    Client::open(scene.near.address(), Subscribe::to("text"));
}
