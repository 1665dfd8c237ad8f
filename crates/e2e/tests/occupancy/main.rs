//! How many read a channel, on the real binary: counted over all nodes, by nobody twice, and by nobody who is dead.

mod failover;
mod status;

use std::time::{Duration, Instant};

use fanfare_e2e::{
    Certificate, Client, Expect, Issuer, Ledger, Node, NodeBuilder, Observed, PATIENCE, Publisher, RedisServer,
    Response, Signal, Subscribe, Transport, check, eventually, pace, request, request_over,
};
use tempfile::NamedTempFile;

const COUNTED: &str = "[[channels]]\nmatch = \"chat:*\"\noccupancy = true\n";

/// A Redis, and a configuration with which nodes count readers.
struct Scene {
    redis: RedisServer,
    file: NamedTempFile,
}

impl Scene {
    fn new() -> Self {
        Self::with(COUNTED)
    }

    fn with(configuration: &str) -> Self {
        let file = NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), configuration).expect("written");
        Self { redis: RedisServer::start(), file }
    }

    fn node(&self) -> NodeBuilder {
        Node::builder(&self.redis).argument(&format!("--config={}", self.file.path().display()))
    }
}

/// The gateway's own keys that are about readers.
fn keys(redis: &RedisServer) -> Vec<String> {
    let keys = redis.connection().command(["KEYS", "$fanfare:*"]);
    keys.array()
        .iter()
        .map(fanfare_oracle::resp::Reply::text)
        .filter(|key| key.contains("}:readers:") || key.contains("}:node:"))
        .collect()
}

fn open(node: &Node, channel: &str) -> Client {
    Client::open(node.address(), Subscribe::to(channel))
}

fn watch(node: &Node, channel: &str) -> Client {
    Client::open(node.address(), Subscribe::to(channel).query("occupancy", "1"))
}

/// What `GET /channels/{channel}` says.
fn count(node: &Node, channel: &str) -> Option<u64> {
    let answer = node.get(&format!("/channels/{channel}"));
    (answer.status() == 200).then(|| answer.json()["readers"].as_u64()).flatten()
}

#[track_caller]
fn await_count(node: &Node, channel: &str, readers: u64) {
    eventually(&format!("{readers} readers of {channel}"), || (count(node, channel)? == readers).then_some(()));
}

/// What `$occupancy` has said, in order. It never has an id.
fn told(client: &Client) -> Vec<u64> {
    let occupancy = |observed: &Observed| match observed {
        Observed::Control(event) if event.event == "$occupancy" => {
            assert_eq!(event.own_id, None, "it moves no place");
            serde_json::from_str::<serde_json::Value>(&event.data).ok()?["readers"].as_u64()
        }
        _ => None,
    };
    client.seen().iter().filter_map(occupancy).collect()
}

#[track_caller]
fn read_told(client: &mut Client, readers: u64) {
    client.read_until(&format!("$occupancy of {readers}"), |client| told(client).last() == Some(&readers));
}

/// What is promised, three seconds, and half of one for the way here.
const SOON_AFTER: Duration = Duration::from_millis(3_500);

/// Kills a node, and says after what time who watches is told that one reader is left.
#[track_caller]
fn kill_and_read_told(node: &mut Node, watching: &mut Client) -> Duration {
    let killed = Instant::now();
    node.kill();
    read_told(watching, 1);
    killed.elapsed()
}

// Seen to fail when the life of a node lasts for 7 s, when numbers of dead lives are added up, and when a node tells its own readers only.
#[test]
fn two_nodes_count_together_and_a_killed_one_is_gone_soon() {
    let scene = Scene::new();
    let (here, mut there) = (scene.node().start(), scene.node().start());
    let mut watching = watch(&here, "chat:1");
    let _others = [open(&there, "chat:1"), open(&there, "chat:1")];
    let _several = Client::open(there.address(), Subscribe::to_all(&["chat:1", "chat:2"]));
    read_told(&mut watching, 4);
    await_count(&here, "chat:1", 4);
    await_count(&there, "chat:2", 1);
    let head = here.get("/channels/chat%3A1").head;
    assert_eq!(head.header("cache-control"), Some("no-store"));

    let mut told_after = kill_and_read_told(&mut there, &mut watching);
    await_count(&here, "chat:1", 1);
    await_count(&here, "chat:2", 0);
    // Three seconds are promised. A machine that is busy with something else may have two more tries.
    for _ in 0..2 {
        if told_after <= SOON_AFTER {
            break;
        }
        there.restart();
        let _reader = open(&there, "chat:1");
        read_told(&mut watching, 2);
        told_after = kill_and_read_told(&mut there, &mut watching);
    }
    assert!(told_after <= SOON_AFTER, "told of a killed node after {told_after:?}");
    assert_eq!(here.metric("fanfare_occupancy_channels", "counted"), Some(1.0));
}

// Seen to fail when a node goes on under the name that has lapsed: it is not counted then.
#[test]
fn a_frozen_node_is_not_counted_and_is_counted_once_when_it_comes_back() {
    let scene = Scene::new();
    let (here, there) = (scene.node().start(), scene.node().start());
    let mut watching = watch(&here, "chat:1");
    let _frozen = open(&there, "chat:1");
    read_told(&mut watching, 2);
    there.signal(Signal::Stop);
    read_told(&mut watching, 1);
    // It stands still for longer than its life lasts, whatever else the machine does.
    pace(Duration::from_secs(4));
    there.signal(Signal::Cont);
    read_told(&mut watching, 2);
    pace(Duration::from_secs(3));
    await_count(&here, "chat:1", 2);
    assert!(told(&watching).iter().all(|readers| *readers <= 2), "counted twice: {:?}", told(&watching));
    assert_eq!(there.metric("fanfare_occupancy_lives_total", ""), Some(2.0));
}

#[test]
fn a_flushed_redis_is_told_again_and_a_drained_node_takes_its_readers_along() {
    let scene = Scene::new();
    let (here, mut there) = (scene.node().start(), scene.node().set("drain.window", "0s").start());
    let _here = open(&here, "chat:1");
    let there_client = open(&there, "chat:1");
    await_count(&here, "chat:1", 2);
    scene.redis.connection().command(["FLUSHALL"]);
    await_count(&here, "chat:1", 2);
    there.signal(Signal::Term);
    there.wait_exit(Duration::from_secs(20));
    // It has said so itself: its life would last longer.
    assert_eq!(count(&here, "chat:1"), Some(1));
    drop((there_client, here));
}

#[test]
fn a_channel_that_is_not_counted_costs_nothing_and_is_refused_clearly() {
    let scene = Scene::with(&format!("[[channels]]\nmatch = \"chat:quiet\"\noccupancy = false\n{COUNTED}"));
    let node = scene.node().start();
    let _open = (open(&node, "news"), open(&node, "chat:quiet"));
    for path in ["/channels/news", "/channels/chat:quiet"] {
        let answer = node.get(path);
        assert_eq!(answer.status(), 404, "{}", answer.text());
        assert_eq!(answer.json()["type"], "urn:fanfare:problem:not-counted");
    }
    let answer = node.get("/events?channel=chat:1&channel=news&occupancy=1");
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("channel `news` are not counted"), "{}", answer.text());
    pace(Duration::from_secs(2));
    assert_eq!(keys(&scene.redis), Vec::<String>::new());
    // Where a channel is, there is one hash and one life; and nothing once nobody reads it.
    let client = open(&node, "chat:1");
    await_count(&node, "chat:1", 1);
    assert_eq!(keys(&scene.redis).len(), 2, "{:?}", keys(&scene.redis));
    drop(client);
    eventually("nothing to be left", || keys(&scene.redis).is_empty().then_some(()));
    let everything_off = Node::start(&scene.redis);
    assert_eq!(everything_off.get("/channels/chat:1").status(), 404);
}

// Fails when each change is told.
#[test]
fn occupancy_is_told_once_a_second_at_most_and_moves_no_place() {
    let scene = Scene::new();
    let node = scene.node().start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&scene.redis, &ledger);
    let mut watching = watch(&node, "chat:1");
    let mut silent = open(&node, "chat:1");
    read_told(&mut watching, 2);
    let (began, mut others) = (Instant::now(), Vec::new());
    for number in 0..60 {
        others.push(open(&node, "chat:1"));
        publisher.fcall_many("chat:1", number..number + 1, &[]);
        pace(Duration::from_millis(50));
    }
    watching.read_data("chat:1 59");
    silent.read_data("chat:1 59");
    read_told(&mut watching, 62);
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap_or(usize::MAX);
    // One more for the beginning, and one for a second that is not over.
    assert!(told(&watching).len() <= seconds + 3, "{} in {seconds} s", told(&watching).len());
    assert!(told(&silent).is_empty(), "nobody is told who did not ask");
    // It resumes, and the verdict is that of any client.
    watching.disconnect();
    publisher.fcall_many("chat:1", 60..80, &[]);
    watching.connect(node.address()).expect("the node accepts");
    watching.read_data("chat:1 79");
    check(&watching, &ledger, "chat:1", &Expect::everything()).assert_kept();
}

// Seen to fail when a stream of HTTP/2 is told nothing.
#[test]
fn streams_that_share_a_connection_are_counted_and_told_each_for_itself() {
    let (scene, ledger, certificate) = (Scene::new(), Ledger::default(), Certificate::new());
    let mut publisher = Publisher::new(&scene.redis, &ledger);
    let secured = scene.node().tls_with(&certificate).start();
    for (channel, node, transport) in [
        ("chat:plain", scene.node().start(), Transport::http2()),
        ("chat:tls", secured, Transport::http2_over_tls(&[&certificate])),
    ] {
        let subscribe = Subscribe::to(channel).over(&transport);
        let watching = || Client::open(node.address(), subscribe.clone().query("occupancy", "1"));
        let (mut first, mut second) = (watching(), watching());
        let mut silent = Client::open(node.address(), subscribe.clone());
        for client in [&mut first, &mut second] {
            read_told(client, 3);
        }
        let mut other = Client::open(node.address(), subscribe.clone());
        read_told(&mut first, 4);
        let answer =
            request_over(&transport, PATIENCE, node.address(), "GET", &format!("/channels/{channel}"), &[], b"");
        assert_eq!(answer.expect("an answer").json()["readers"], 4);
        // It resets its stream, and the connection goes on.
        other.disconnect();
        for client in [&mut first, &mut second] {
            read_told(client, 3);
        }
        publisher.fcall(channel, "the end");
        for client in [&mut first, &mut second, &mut silent] {
            client.read_data("the end");
            check(client, &ledger, channel, &Expect::everything()).assert_kept();
        }
        assert!(told(&silent).is_empty(), "nobody is told who did not ask");
        // All streams had one, and the request another.
        assert_eq!(node.metric("fanfare_http2_connections_total", ""), Some(2.0));
    }
}

fn ask_with(node: &Node, token: &str, channel: &str) -> Response {
    let path = format!("/channels/{channel}");
    request(node.address(), "GET", &path, &[("Authorization", token)], b"").expect("an answer")
}

#[test]
fn only_who_may_follow_a_channel_may_know_how_many_do() {
    let issuer = Issuer::new();
    let scene = Scene::with(&format!("{COUNTED}{}", issuer.table(&issuer.secret_file())));
    let node = scene.node().set("auth.enabled", "true").start();
    assert_eq!(node.get("/channels/chat:1").status(), 401);
    let other = issuer.bearer(&["--subscribe", "chat:2"]);
    assert_eq!(ask_with(&node, &other, "chat:1").status(), 403);
    let own = issuer.bearer(&["--subscribe", "chat:1"]);
    let answer = ask_with(&node, &own, "chat:1");
    assert_eq!((answer.status(), answer.json()["readers"].as_u64()), (200, Some(0)), "{}", answer.text());
}

// Seen to fail without the rate, and when it is everybody's.
#[test]
fn who_has_redis_asked_without_end_is_refused_and_others_are_answered() {
    let issuer = Issuer::new();
    let scene = Scene::with(&format!("{COUNTED}{}", issuer.table(&issuer.secret_file())));
    let node = scene.node().set("auth.enabled", "true").start();
    let token = |subject: &str| issuer.bearer(&["--subject", subject, "--subscribe", "chat:*"]);
    let (greedy, modest) = (token("greedy"), token("modest"));
    // Other channels each time: nobody could say that it is the same question.
    let mut answers = (0..20_000).map(|number| ask_with(&node, &greedy, &format!("chat:{number}")));
    let refused = answers.find(|answer| answer.status() != 200).expect("a refusal");
    assert_eq!(refused.status(), 429, "{}", refused.text());
    assert_eq!(refused.json()["type"], "urn:fanfare:problem:too-many-counts");
    assert_eq!(refused.head.header("retry-after"), Some("1"));
    assert!(node.metric("fanfare_counts_refused_total", "") >= Some(1.0));
    assert_eq!(ask_with(&node, &modest, "chat:1").status(), 200);
    // What the node knows itself it tells whoever may know it.
    let subscribe = Subscribe::to("chat:1").query("occupancy", "1").header("Authorization", &modest);
    let mut watching = Client::open(node.address(), subscribe);
    read_told(&mut watching, 1);
    for _ in 0..300 {
        assert_eq!(ask_with(&node, &greedy, "chat:1").status(), 200);
    }
}

#[test]
fn while_redis_is_away_the_count_is_503_and_streams_that_ask_go_on() {
    let mut scene = Scene::new();
    let node = scene.node().start();
    let mut watching = watch(&node, "chat:1");
    read_told(&mut watching, 1);
    scene.redis.kill();
    eventually("a request for a count to fail", || (node.get("/channels/chat:1").status() == 503).then_some(()));
    assert_eq!(node.get("/channels/chat:1").json()["type"], "urn:fanfare:problem:store-unavailable");
    scene.redis.launch();
    let _other = open(&node, "chat:1");
    read_told(&mut watching, 2);
}

#[test]
fn a_node_without_the_rights_says_so_once_and_delivers() {
    let scene = Scene::new();
    let mut redis = scene.redis.connection();
    redis.command(["ACL", "SETUSER", "default", "-hset", "-hgetall"]);
    let node = scene.node().start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&scene.redis, &ledger);
    let mut watching = watch(&node, "chat:1");
    let answer = node.get("/channels/chat:1");
    assert_eq!(answer.status(), 502, "{}", answer.text());
    eventually("the log to say so", || {
        node.log().contains("Redis refuses what this node does to count readers").then_some(())
    });
    publisher.fcall_many("chat:1", 0..5, &[]);
    watching.read_data("chat:1 4");
    pace(Duration::from_secs(3));
    assert_eq!(node.log().matches("Redis refuses what this node does to count readers").count(), 1);
    assert!(node.metric("fanfare_occupancy_rounds_total", "failed") >= Some(1.0));
    redis.command(["ACL", "SETUSER", "default", "+@all"]);
    read_told(&mut watching, 1);
}

/// Counts, watches and measures: `cargo test -p fanfare-e2e --test occupancy -- --ignored --nocapture`.
#[test]
#[ignore = "measures for half a minute"]
fn ten_thousand_channels_are_counted_and_watched() {
    const CHANNELS: usize = 10_000;
    let scene = Scene::new();
    let off = |node: NodeBuilder| {
        let node =
            node.set("limits.channels_per_connection", "200").set("admission.address_channels_per_second", "off");
        node.set("admission.address_connects_per_second", "off").set("limits.url_bytes", "16KiB")
    };
    let node = off(scene.node()).start();
    let measure = |what: &str| {
        let look = || (calls(&scene.redis), cpu(scene.redis.pid()), cpu(node.pid()));
        let (began, before) = (Instant::now(), look());
        pace(Duration::from_secs(10));
        let (seconds, after) = (began.elapsed().as_secs_f64(), look());
        let grown = |before: f64, after: f64| (after - before) / seconds;
        println!(
            "{what}: {:.0} commands/s for counting, {:.0} in all; Redis {:.1} % of a core, node {:.1} %",
            grown(before.0.0, after.0.0),
            grown(before.0.1, after.0.1),
            100.0 * grown(before.1, after.1),
            100.0 * grown(before.2, after.2)
        );
    };
    measure("nobody");
    let names: Vec<String> = (0..CHANNELS).map(|number| format!("chat:{number}")).collect();
    let clients = |occupancy: &str| -> Vec<Client> {
        names
            .chunks(200)
            .map(|names| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                Client::open(node.address(), Subscribe::to_all(&names).query("occupancy", occupancy))
            })
            .collect()
    };
    let counted = clients("0");
    await_count(&node, "chat:9999", 1);
    pace(Duration::from_secs(5));
    measure("10,000 followed and counted");
    let watching = clients("1");
    await_count(&node, "chat:9999", 2);
    pace(Duration::from_secs(5));
    measure("the same, and watched");
    assert_eq!(node.metric("fanfare_occupancy_channels", "watched"), Some(CHANNELS as f64));
    for metric in ["fanfare_occupancy_round_seconds_sum", "fanfare_occupancy_round_seconds_count"] {
        println!("{metric}: {:?}", node.metric(metric, ""));
    }
    println!("lag: {:?} s", node.metric("fanfare_occupancy_lag_seconds", ""));
    drop((counted, watching));
}

/// Commands that Redis has carried out on hashes, and in all.
fn calls(redis: &RedisServer) -> (f64, f64) {
    let text = redis.connection().command(["INFO", "commandstats"]).text();
    let of = |line: &str| Some(line.split_once("calls=")?.1.split(',').next()?.parse::<f64>().unwrap_or(0.0));
    let counting = ["cmdstat_hgetall:", "cmdstat_hset:", "cmdstat_hdel:", "cmdstat_pexpire:"];
    let is_counting = |line: &&str| counting.iter().any(|name| line.starts_with(name));
    (text.lines().filter(is_counting).filter_map(of).sum(), text.lines().filter_map(of).sum())
}

/// Seconds of processor time that a process has had.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
