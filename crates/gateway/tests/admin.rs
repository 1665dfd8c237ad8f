//! The admin listener over a running node.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare_gateway::config::{self, Config, Sources, Span};
use fanfare_gateway::metrics::{Kind, table};
use fanfare_gateway::node::{Store, memory, redis as redis_store};
use fanfare_log::MinLives;
use fanfare_log::memory::MemoryStore;
use fanfare_protocol::ChannelName;
use serde_json::Value;
use support::rig::Rig;
use support::{ask, assert_golden, eventually, get, read_past, status, subscribe};
use tokio::sync::Notify;

#[test]
fn a_node_is_ready_once_a_round_trip_is_proven_and_no_longer_when_the_proof_is_old() {
    let hangs = Arc::new(Notify::new());
    let is_told = Arc::clone(&hangs);
    let change = |config: &mut Config| {
        config.admin.ready_probe_age = Span(Duration::from_millis(500));
        config.redis.probe_interval = Span(Duration::from_millis(100));
    };
    // The feed keeps its connection, and does nothing any more.
    let rig = Rig::over(change, move |_, desired, sink| {
        let mut store = memory(&MemoryStore::default(), desired, sink);
        let mut feed = std::mem::replace(&mut store.feed, Box::pin(pending()));
        store.feed = Box::pin(async move {
            tokio::select! {
                () = &mut feed => {}
                () = is_told.notified() => {}
            }
            pending::<()>().await;
        });
        Ok(store)
    });
    let ready = eventually("readiness", || Some(rig.json("/readyz")).filter(|(status, _)| *status == 200));
    assert_eq!((&ready.1["ready"], ready.1["reasons"].as_array().unwrap().len()), (&Value::Bool(true), 0));

    hangs.notify_one();
    let is_old = |unready: &Value| {
        let reasons = unready["reasons"].as_array().unwrap();
        reasons
            .iter()
            .any(|reason| reason.as_str().unwrap().starts_with("the last round trip through Redis Pub/Sub was "))
    };
    let unready = |(status, body): &(u16, Value)| *status == 503 && is_old(body);
    let (_, unready) = eventually("an old proof", || Some(rig.json("/readyz")).filter(unready));
    assert!(unready["probe_age_seconds"].as_f64().unwrap() > 0.5);
    assert_eq!(get(rig.admin, "/livez").0, 200, "an old proof is no reason to kill the node");
    assert_eq!(get(rig.admin, "/readyz?accept=1").0, 200, "nor to send its clients to others that have no newer one");
    assert!(rig.metric("fanfare_accepting") == 1.0);
    assert!(rig.metric("fanfare_ready") == 0.0 && rig.metric("fanfare_probe_age_seconds") > 0.5);
}

#[test]
fn a_node_without_any_proof_is_not_ready() {
    let rig = Rig::start(|config| config.admin.ready_probe_age = Span(Duration::ZERO));
    let (status, body) = rig.json("/readyz");
    assert_eq!((status, &body["ready"]), (503, &Value::Bool(false)));
}

#[test]
fn a_draining_node_is_not_ready_and_says_so() {
    let rig = Rig::start(|config| config.drain.window = Span(Duration::from_secs(60)));
    eventually("readiness", || (get(rig.admin, "/readyz").0 == 200).then_some(()));
    let _session = subscribe(rig.node().server().tcp_address().unwrap(), "a");
    rig.node().server().drain();
    let (status, body) = rig.json("/readyz");
    assert_eq!((status, &body["reasons"][0]), (503, &Value::from("draining")));
    assert_eq!((get(rig.admin, "/readyz?accept=1").0, get(rig.admin, "/livez").0), (503, 200));
    assert!(rig.metric("fanfare_draining") == 1.0);
}

/// Its feed's thread does nothing any more, and nothing else tells: the last proof counts for ten minutes.
#[test]
fn a_thread_that_is_stuck_is_named_and_is_a_reason_to_start_the_node_again() {
    let change = |config: &mut Config| {
        config.admin.stuck_after = Span(Duration::from_secs(2));
        config.admin.ready_probe_age = Span(Duration::from_secs(600));
    };
    let (release, released) = std::sync::mpsc::channel::<()>();
    let followed = MemoryStore::default();
    let rig = Rig::over(change, move |_, desired, sink| {
        let Store { feed, upkeep, archive, history, publisher, name, report, tickets, occupancy } =
            memory(&followed, desired, sink);
        let hangs = Box::pin(async move {
            drop(tokio::time::timeout(Duration::from_secs(1), feed).await);
            let _ = released.recv();
        });
        Ok(Store { feed: hangs, upkeep, archive, history, publisher, name, report, tickets, occupancy })
    });
    eventually("readiness", || (get(rig.admin, "/readyz").0 == 200).then_some(()));
    let (_, body) = eventually("the stuck thread", || Some(rig.json("/livez")).filter(|(status, _)| *status == 503));
    let reason = body["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("the thread feed has taken no turn for "), "{reason}");
    assert_eq!((get(rig.admin, "/readyz?accept=1").0, get(rig.admin, "/readyz").0), (503, 503));
    assert!(rig.metric("fanfare_thread_silence_seconds{thread=\"feed\"}") >= 2.0);
    assert!(rig.metric("fanfare_thread_silence_seconds{thread=\"core\"}") < 2.0, "an idle thread is not stuck");
    drop(release);
}

#[test]
fn a_scrape_of_an_idle_node_already_has_every_metric() {
    let rig = Rig::start(|_| ());
    let (head, body) = ask(rig.admin, "GET /metrics", "").unwrap();
    assert!(head.to_ascii_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
    // Those of issuers are there where there are issuers, those of certificates where there are certificates.
    let is_of_all = |label: Option<&str>| !matches!(label, Some("issuer" | "certificate"));
    for metric in table::ALL.iter().filter(|metric| is_of_all(metric.label)) {
        let sample = match (metric.kind, metric.label) {
            (Kind::Histogram, _) => format!("\n{}_count ", metric.name),
            (_, Some(label)) => format!("\n{}{{{label}=\"", metric.name),
            (_, None) => format!("\n{} ", metric.name),
        };
        assert!(body.contains(&sample), "no sample of {}", metric.name);
    }
}

#[test]
fn what_a_client_receives_is_counted() {
    let rig = Rig::start(|_| ());
    let mut one = subscribe(rig.node().server().tcp_address().unwrap(), "news");
    let mut two = subscribe(rig.node().server().tcp_address().unwrap(), "news");
    rig.store.publish_ephemeral(ChannelName::parse("news").unwrap(), Bytes::from_static(b"hello"));
    read_past(&mut one, "data: hello");
    read_past(&mut two, "data: hello");

    eventually("two deliveries", || (rig.metric("fanfare_deliveries_total") == 2.0).then_some(()));
    for (name, value) in [
        ("fanfare_connections", 2.0),
        ("fanfare_sessions", 2.0),
        ("fanfare_subscriptions", 2.0),
        ("fanfare_channels", 1.0),
        ("fanfare_sessions_opened_total", 2.0),
        ("fanfare_feed_events_total{kind=\"ephemeral\"}", 1.0),
    ] {
        assert!(rig.metric(name) == value, "{name} is {}", rig.metric(name));
    }
    assert!(rig.metric("fanfare_sent_bytes_total") > 20.0);

    drop(one);
    eventually("one session less", || (rig.metric("fanfare_sessions") == 1.0).then_some(()));
    eventually("its end", || (rig.metric("fanfare_sessions_ended_total{cause=\"client\"}") == 1.0).then_some(()));
}

#[test]
fn status_is_json_for_programs_and_a_page_for_browsers() {
    let rig = Rig::start(|_| ());
    let (code, status_json) = rig.json("/status");
    assert_eq!((code, &status_json["node"]["store"]), (200, &Value::from("in this process")));
    assert_eq!(status_json["metrics"]["fanfare_gaps_total"]["reset"], 0);
    assert_eq!(status_json["node"]["listen"], rig.node().server().tcp_address().unwrap().to_string());

    let (head, page) = ask(rig.admin, "GET /status", "Accept: text/html,*/*;q=0.8\r\n").unwrap();
    assert!(status(&head) == 200 && page.starts_with("<!doctype html>"), "{head}");
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "the page needs nothing from elsewhere");
    let policy = "content-security-policy: default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; ";
    assert!(head.to_ascii_lowercase().contains(policy), "{head}");
}

#[test]
fn status_names_the_channels_with_the_most_readers() {
    let rig = Rig::start(|config| config.server.cores = 2);
    let clients = rig.node().server().tcp_address().unwrap();
    let channels = || rig.json("/status").1["channels"].clone();
    assert_eq!(channels(), serde_json::json!([]));
    let mut readers: Vec<_> = ["few", "many", "many", "many", "few", "one"].map(|name| subscribe(clients, name)).into();
    let expected = [("many", 3), ("few", 2), ("one", 1)];
    let expected = expected.map(|(channel, readers)| serde_json::json!({ "channel": channel, "readers": readers }));
    eventually("the channels by their readers", || (channels() == Value::from(expected.to_vec())).then_some(()));
    // Whoever leaves is no reader any more.
    readers.drain(1..4);
    eventually("the others", || (channels() == Value::from(expected[1..].to_vec())).then_some(()));
}

/// A stream of the status, and the head of its answer.
fn status_stream(admin: SocketAddr) -> (BufReader<TcpStream>, String) {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET /status HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    let (mut reader, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "no answer");
    }
    (reader, head)
}

/// The next value of a stream.
fn next_status(stream: &mut impl BufRead) -> Value {
    let mut line = String::new();
    while !line.starts_with("data: ") {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
    }
    serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap()
}

// Seen to fail when it does not wait between two values.
#[test]
fn the_status_is_a_stream_for_those_who_ask_for_one() {
    let rig = Rig::start(|_| ());
    let mut reader = subscribe(rig.node().server().tcp_address().unwrap(), "news");
    let (mut stream, head) = status_stream(rig.admin);
    let head = head.to_ascii_lowercase();
    assert!(status(&head) == 200 && head.contains("content-type: text/event-stream\r\n"), "{head}");
    let first = next_status(&mut stream);
    assert_eq!(first["metrics"]["fanfare_deliveries_total"], 0);
    assert!(first["metrics"]["process_resident_memory_bytes"].as_u64().unwrap() > 0);
    rig.store.publish_ephemeral(ChannelName::parse("news").unwrap(), Bytes::from_static(b"hello"));
    read_past(&mut reader, "data: hello");
    let uptime = |status: &Value| status["metrics"]["fanfare_uptime_seconds"].as_f64().unwrap();
    let second = next_status(&mut stream);
    assert!(uptime(&second) - uptime(&first) > 0.9, "{} and {}", uptime(&first), uptime(&second));
    eventually("a delivery", || (next_status(&mut stream)["metrics"]["fanfare_deliveries_total"] == 1).then_some(()));
}

// Seen to fail without a bound.
#[test]
fn eight_streams_of_the_status_are_open_at_most_and_the_ninth_is_told_so() {
    let rig = Rig::start(|_| ());
    let mut streams: Vec<_> = (0..8).map(|_| status_stream(rig.admin)).collect();
    assert!(streams.iter().all(|(_, head)| status(head) == 200));
    let (mut refused, head) = status_stream(rig.admin);
    assert_eq!(status(&head), 503);
    let mut said = String::new();
    refused.read_line(&mut said).unwrap();
    assert_eq!(said, "8 streams of this status are open, and no more at a time; ask for JSON\n");
    assert_eq!(rig.json("/status").0, 200);
    streams.pop();
    eventually("the place of one that left", || (status(&status_stream(rig.admin).1) == 200).then_some(()));
}

// Seen to fail when streams are not told of the end.
#[test]
fn a_stream_of_the_status_goes_on_while_the_node_drains_and_ends_with_its_listener() {
    let mut rig = Rig::start(|config| config.drain.window = Span(Duration::from_secs(60)));
    let _session = subscribe(rig.node().server().tcp_address().unwrap(), "a");
    let (mut stream, _) = status_stream(rig.admin);
    rig.node().server().drain();
    eventually("a draining node", || {
        let reasons = next_status(&mut stream)["health"]["reasons"].clone();
        reasons.as_array().unwrap().contains(&Value::from("draining")).then_some(())
    });
    drop(rig.stop.take());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("\r\n0\r\n\r\n"), "no last chunk: {rest:?}");
}

#[test]
fn anything_else_is_refused_clearly() {
    let rig = Rig::start(|_| ());
    assert_eq!(get(rig.admin, "/").0, 404);
    let (head, body) = ask(rig.admin, "POST /readyz", "Content-Length: 0\r\n").unwrap();
    assert_eq!((status(&head), body.as_str()), (405, "only GET and HEAD are understood here\n"));
    let (head, body) = ask(rig.admin, "HEAD /metrics", "").unwrap();
    assert_eq!((status(&head), body.as_str()), (200, ""));
}

/// Name, type and labels of everything in a scrape, a line each. A label's values are part of what alerts ask for; only
/// the version and the addresses of listeners are not said.
fn names_types_and_labels(scrape: &str) -> String {
    let mut types = BTreeMap::new();
    let mut labels: BTreeMap<&str, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for line in scrape.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            assert!(types.insert(name, kind).is_none(), "{name} twice");
        } else if let Some((sample, rest)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let family = types.keys().rfind(|name| sample.starts_with(**name)).unwrap();
            for pair in rest.split_once('}').unwrap().0.split(',') {
                let (label, value) = pair.split_once('=').unwrap();
                let value = if ["version", "listener"].contains(&label) { "*" } else { value.trim_matches('"') };
                labels.entry(family).or_default().entry(label).or_default().push(value);
            }
        }
    }
    let mut out = String::new();
    for (name, kind) in types {
        out += &format!("{name} {kind}");
        for (label, values) in labels.get(name).into_iter().flatten() {
            out += &format!(" {label}={}", values.join("|"));
        }
        out.push('\n');
    }
    out
}

#[test]
fn a_scrape_keeps_its_names_types_and_labels() {
    let rig = Rig::start(|_| ());
    let (_, scrape) = get(rig.admin, "/metrics");
    assert_golden("tests/golden/metrics.txt", &names_types_and_labels(&scrape));
}

/// A redis-server on a socket. Ends when it is dropped.
struct RedisServer(Child);

impl RedisServer {
    fn start(socket: &Path) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(socket).current_dir(socket.parent().unwrap());
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every path of keys with the type of what stands there, without the values.
fn shape(path: &str, value: &Value, out: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            items.iter().for_each(|item| shape(&format!("{path}[]"), item, out));
            "array"
        }
        Value::Object(members) => {
            let dot = if path.is_empty() { "" } else { "." };
            // Their labels are a version and addresses.
            let is_any =
                ["fanfare_build_info", "fanfare_accepted_connections_total"].iter().any(|end| path.ends_with(end));
            let shown = |name| if is_any { "*" } else { name };
            members.iter().for_each(|(name, member)| shape(&format!("{path}{dot}{}", shown(name)), member, out));
            return;
        }
    };
    out.insert(format!("{path}: {kind}\n"));
}

/// The node is there before its Redis, so that every fact has something to say.
#[test]
fn the_status_of_a_node_that_delivers_from_redis_keeps_its_shape() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock");
    let url = format!("unix://{}", socket.display());
    let env = vec![("FANFARE__REDIS__URL".to_owned(), url.clone())];
    let redis = config::load(&Sources { env, ..Sources::default() }).unwrap().config.redis;
    let rig = Rig::over(
        |config| config.redis = redis,
        |config, desired, sink| redis_store(config, desired, sink, MinLives::default()),
    );
    let admin = rig.admin;
    let knows = |facts: &'static [&str]| {
        move || {
            let status: Value = serde_json::from_str(&get(admin, "/status").1).unwrap();
            facts.iter().all(|fact| !status["node"][fact].is_null()).then_some(status)
        }
    };
    eventually("a failure to connect", knows(&["redis_last_error"]));

    let _server = RedisServer::start(&socket);
    eventually("readiness", || (get(rig.admin, "/readyz").0 == 200).then_some(()));
    let mut reader = subscribe(rig.node().server().tcp_address().unwrap(), "news");
    let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
    eventually("a published event", || {
        redis::cmd("FCALL").arg(&["sse_publish", "1", "sse:news", "DATA", "hello"]).query::<String>(&mut redis).ok()
    });
    read_past(&mut reader, "data: hello");
    eventually("its delay", || (rig.metric("fanfare_publish_to_write_seconds_count") == 1.0).then_some(()));
    eventually("its channel", || (!rig.json("/status").1["channels"].as_array().unwrap().is_empty()).then_some(()));
    let status = eventually("what a node asks of Redis", knows(&["redis_version", "redis_may_evict", "redis_library"]));

    let mut lines = BTreeSet::new();
    shape("", &status, &mut lines);
    assert_golden("tests/golden/status.txt", &String::from_iter(lines));
}
