//! What operators see: configuration, health, metrics, reload.

use std::net::TcpListener;
use std::time::Duration;

use fanfare_e2e::{
    Client, ConnectionEnd, Expect, Ledger, Node, Publisher, RedisServer, Signal, Subscribe, eventually, request,
    resume_and_check, run_fanfare,
};

// Seen to fail when unknown keys are accepted.
#[test]
fn a_wrong_configuration_is_refused_by_name_and_with_what_was_expected() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("fanfare.toml");
    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:0\"\nlisten_port = 1\n").expect("a file");
    let path = file.to_str().expect("a path");
    for arguments in [["serve", "--config", path].as_slice(), &["config", "check", "--config", path]] {
        let output = run_fanfare(arguments, &[]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(text.contains("fanfare.toml:3") && text.contains("listen_port"), "{text}");
    }
    let output = run_fanfare(&["config", "check"], &[("FANFARE__DRAIN__WINDOW", "soon")]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("FANFARE__DRAIN__WINDOW"), "{text}");
    let output = run_fanfare(&["config", "check"], &[("FANFARE__DRAIN__WINDO", "1s")]);
    assert!(!output.status.success(), "an unknown key in the environment is refused");
}

// Seen to fail when the listener shares its port.
#[test]
fn a_port_that_is_taken_is_an_error_and_not_a_second_listener() {
    let redis = RedisServer::start();
    let node = Node::start(&redis);
    let (url, listen) = (redis.url(), node.address().to_string());
    let environment = [
        ("FANFARE__REDIS__URL", url.as_str()),
        ("FANFARE__SERVER__LISTEN", &listen),
        ("FANFARE__ADMIN__LISTEN", "127.0.0.1:0"),
    ];
    let output = run_fanfare(&["serve"], &environment);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains(&listen), "the message names the address");
}

/// The value of a metric that the table promises from the start; panics when the series is absent.
#[track_caller]
fn value(node: &Node, name: &str, labels: &str) -> f64 {
    node.metric(name, labels).unwrap_or_else(|| panic!("no {name} with {labels:?}"))
}

/// Waits until a metric has exactly this value.
#[track_caller]
fn becomes(node: &Node, name: &str, labels: &str, expected: f64) {
    eventually(&format!("{name} {labels} to be {expected}"), || {
        (node.metric(name, labels) == Some(expected)).then_some(())
    });
}

// Seen to fail when deliveries are not counted.
#[test]
fn metrics_tell_what_happened() {
    let redis = RedisServer::start();
    let node = Node::builder(&redis).set("redis.reconcile_interval", "1s").set("channel.linger", "0s").start();
    let mut publisher = Publisher::new(&redis, &Ledger::default());
    // The stream exists: the first entry there ever was is not believed without a look at the archive.
    publisher.fcall("c", "before");
    let mut clients: Vec<Client> = (0..3).map(|_| Client::open(node.address(), Subscribe::to("c"))).collect();
    publisher.fcall("c", "c 0");
    clients.iter_mut().for_each(|client| client.read_data("c 0"));
    becomes(&node, "fanfare_deliveries_total", "", 3.0);
    assert_eq!(value(&node, "fanfare_publish_to_write_seconds_count", ""), 3.0);
    assert_eq!(value(&node, "fanfare_feed_events_total", "kind=\"entry\""), 1.0);
    assert_eq!(value(&node, "fanfare_repaired_entries_total", ""), 0.0);
    let differs = "outcome=\"differs\"";
    assert_eq!(value(&node, "fanfare_reconciles_total", differs), 0.0);
    // Nobody is told of this one: the next comparison with the stream finds it.
    publisher.xadd("c", "c 1");
    clients.iter_mut().for_each(|client| client.read_data("c 1"));
    becomes(&node, "fanfare_deliveries_total", "", 6.0);
    assert_eq!(value(&node, "fanfare_repaired_entries_total", ""), 1.0);
    assert_eq!(value(&node, "fanfare_reconciles_total", differs), 1.0);
    assert_eq!(value(&node, "fanfare_archive_reads_total", "purpose=\"head\""), 1.0);
    assert_eq!(value(&node, "fanfare_feed_connects_total", ""), 1.0);
    let same = value(&node, "fanfare_reconciles_total", "outcome=\"same\"");
    eventually("another comparison", || {
        (value(&node, "fanfare_reconciles_total", "outcome=\"same\"") > same).then_some(())
    });
    for (name, expected) in [
        ("fanfare_sessions", 3.0),
        ("fanfare_sessions_opened_total", 3.0),
        ("fanfare_subscriptions", 3.0),
        ("fanfare_channels", 1.0),
        ("fanfare_ready", 1.0),
        ("fanfare_draining", 0.0),
        ("fanfare_gaps_total", 0.0),
        ("fanfare_refusals_total", 0.0),
        ("fanfare_tail_evictions_total", 0.0),
    ] {
        assert_eq!(value(&node, name, ""), expected, "{name}");
    }
    assert!(value(&node, "fanfare_tail_bytes", "") > 0.0);
    assert!(value(&node, "fanfare_sent_bytes_total", "") > 6.0 * "data: c 0\n\n".len() as f64);
    drop(clients);
    becomes(&node, "fanfare_sessions", "", 0.0);
    becomes(&node, "fanfare_channels", "", 0.0);
    assert_eq!(value(&node, "fanfare_sessions_ended_total", "cause=\"client\""), 3.0);
    let text = node.admin("/metrics").expect("metrics").text();
    assert!(text.lines().any(|line| line.starts_with("process_resident_memory_bytes ")), "process metrics");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("fanfare_") || line.starts_with("process_"), "a metric of another name: {line}");
    }
}

#[test]
fn refusals_are_counted_by_reason() {
    let redis = RedisServer::start();
    let refuse_at = |key: &str| {
        let mut node = Node::builder(&redis).set(key, "1").set("drain.window", "10s").start();
        let _first = Client::open(node.address(), Subscribe::to("c"));
        let refused = |node: &Node| {
            let mut client = Client::new(Subscribe::to("c"));
            client.connect(node.address()).expect("the node accepts");
            assert_eq!(client.read_ending(Duration::from_secs(10)), ConnectionEnd::Clean);
        };
        refused(&node);
        refused(&node);
        let counted = |reason: &str| value(&node, "fanfare_refusals_total", &format!("reason=\"{reason}\""));
        let before = (counted("connections"), counted("address"), counted("draining"));
        node.signal(Signal::Term);
        node.wait_unready();
        refused(&node);
        let draining = value(&node, "fanfare_refusals_total", "reason=\"draining\"");
        assert_eq!(value(&node, "fanfare_refusals_total", ""), 3.0, "none is counted twice");
        node.kill();
        (before, draining)
    };
    assert_eq!(refuse_at("admission.max_connections"), ((2.0, 0.0, 0.0), 1.0));
    assert_eq!(refuse_at("admission.per_address"), ((0.0, 2.0, 0.0), 1.0));
}

#[test]
fn evictions_are_counted_and_memory_stays_within_the_budget() {
    let redis = RedisServer::start();
    let node = Node::builder(&redis).set("tail.budget", "1MiB").set("limits.event_bytes", "64KiB").start();
    let mut publisher = Publisher::new(&redis, &Ledger::default());
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    let other = Client::open(node.address(), Subscribe::to("d"));
    let filler = "x".repeat(10_000);
    for channel in ["c", "d"] {
        let data: Vec<String> = (0..100).map(|number| format!("{channel} {number} {filler}")).collect();
        publisher.fcall_all(channel, &data, &[]);
    }
    client.read_data(&format!("c 99 {filler}"));
    // Two channels of 1 MB each: one of them within its own bounds, both of them not.
    eventually("evictions", || (value(&node, "fanfare_tail_evictions_total", "") >= 90.0).then_some(()));
    let (bytes, budget) = (value(&node, "fanfare_tail_bytes", ""), value(&node, "fanfare_tail_budget_bytes", ""));
    assert!(budget == 1024.0 * 1024.0 && bytes <= budget && bytes > budget / 2.0, "{bytes} of {budget}");
    assert_eq!(value(&node, "fanfare_gaps_total", ""), 0.0, "what is evicted is still in the stream");
    drop(other);
}

#[test]
fn the_status_tells_people_and_programs_the_same() {
    let redis = RedisServer::start();
    let node = Node::start(&redis);
    let _client = Client::open(node.address(), Subscribe::to("c"));
    let json = request(node.admin_address(), "GET", "/status", &[("Accept", "application/json")], b"");
    let json = json.expect("an answer");
    assert_eq!(json.status(), 200);
    assert!(json.json().is_object());
    let page = request(node.admin_address(), "GET", "/status", &[("Accept", "text/html")], b"").expect("an answer");
    assert!(page.text().contains('<'), "a page for people");
    assert_eq!(node.get("/metrics").status(), 404, "the public listener does not serve it");
}

// Seen to fail when what waits for a restart is not said.
#[test]
fn a_hangup_reloads_what_can_be_reloaded_and_says_what_cannot() {
    let redis = RedisServer::start();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("fanfare.toml");
    std::fs::write(&file, "[log]\nlevel = \"info\"\n").expect("a file");
    let mut node = Node::builder(&redis).argument("--config").argument(file.to_str().expect("a path")).start();
    let mut client = Client::open(node.address(), Subscribe::to("c"));
    let mut publisher = Publisher::new(&redis, &Ledger::default());
    std::fs::write(&file, "[log]\nlevel = \"debug\"\n[tail]\nbudget = \"8MiB\"\n").expect("a file");
    node.signal(Signal::Hup);
    eventually("the log to say what cannot be reloaded", || node.log().contains("tail.budget").then_some(()));
    std::fs::write(&file, "[log]\nlevle = \"debug\"\n").expect("a file");
    node.signal(Signal::Hup);
    eventually("the log to refuse a wrong file", || node.log().contains("levle").then_some(()));
    publisher.fcall("c", "still here");
    client.read_data("still here");
    assert!(node.runs());
}

// Seen to fail when any key is accepted.
#[test]
fn publishing_over_http_is_off_until_a_key_is_set_and_then_guarded_by_it() {
    let redis = RedisServer::start();
    let closed = Node::start(&redis);
    let post = |node: &Node, headers: &[(&str, &str)], body: &[u8]| {
        request(node.address(), "POST", "/channels/c/events", headers, body).expect("an answer")
    };
    assert!([403, 404].contains(&post(&closed, &[("Authorization", "Bearer ")], b"x").status()));
    let node = Node::builder(&redis).set("publish.key", "a-long-enough-secret-key").start();
    let mut client = Client::open(closed.address(), Subscribe::to("c"));
    assert_eq!(post(&node, &[], b"x").status(), 401);
    assert_eq!(post(&node, &[("Authorization", "Bearer wrong")], b"x").status(), 401);
    let key = ("Authorization", "Bearer a-long-enough-secret-key");
    let reply = post(&node, &[key], b"raw body");
    assert!([200, 201].contains(&reply.status()), "{}", reply.text());
    client.read_data("raw body");
    let json = ("Content-Type", "application/json");
    let body = br#"{"event":"tick","data":"from JSON","dedup":"k"}"#;
    let first = post(&node, &[key, json], body).json();
    let second = post(&node, &[key, json], body).json();
    assert_eq!(first["id"], second["id"], "a repeated dedup key replies with the first id");
    client.read_data("from JSON");
    assert_eq!(client.last_event_id(), first["id"].as_str().expect("an id"));
}

// Seen to fail when `after` is ignored.
#[test]
fn history_is_off_by_default_and_pages_through_what_is_retained() {
    let redis = RedisServer::start();
    let closed = Node::start(&redis);
    assert!([403, 404].contains(&closed.get("/channels/c/history").status()));
    let node = Node::builder(&redis).set("history.enabled", "true").start();
    let mut publisher = Publisher::new(&redis, &Ledger::default());
    let ids = publisher.fcall_many("c", 0..5, &[]);
    let reply = node.get(&format!("/channels/c/history?after={}&limit=2", ids[1]));
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let text = reply.text();
    assert!(text.contains(&ids[2]) && text.contains(&ids[3]), "{text}");
    assert!(!text.contains(&ids[4]) && text.contains("c 2"), "{text}");
}

#[test]
fn a_stream_over_ipv6_resumes_over_ipv4() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("not tried: this machine has no IPv6");
        return;
    }
    let (redis, ledger) = (RedisServer::start(), Ledger::default());
    let node = Node::builder(&redis).listener("", "[[server.listen]]\naddress = \"[::1]:0\"\n").start();
    let address = node.listeners()[1];
    assert!(address.is_ipv6(), "{address}");
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut client = Client::open(address, Subscribe::to("c"));
    publisher.fcall("c", "over IPv6");
    client.read_data("over IPv6");
    node.await_metric("fanfare_accepted_connections_total", &format!("listener=\"{address}\""), 1.0);
    client.disconnect();
    publisher.fcall("c", "over IPv4");
    client.ask(Subscribe::to("c").over(node.transport()));
    resume_and_check(&mut client, node.address(), &ledger, "c", &Expect::everything());
}

// Seen to fail when JSON is not used.
#[test]
fn json_logs_are_one_object_a_line() {
    let redis = RedisServer::start();
    let mut node = Node::builder(&redis).set("log.format", "json").set("drain.window", "0s").start();
    node.signal(Signal::Term);
    node.wait_exit(Duration::from_secs(10));
    let log = node.log();
    assert!(log.lines().count() >= 2, "{log}");
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok_and(|value| value.is_object()), "{line}");
    }
}
