//! `/readyz` of `fanfare serve` on a real Redis that refuses what streams need: alerts hear of it in Redis's own words, balancers
//! leave the node its clients.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use redis::Connection;
use serde_json::Value;
use support::{Process, eventually, get};

/// A node's rights, as docs/redis.md gives them.
const NODE: &str = "resetkeys ~sse:* ~$fanfare:* resetchannels &sse:* &__keyspace@*__:sse:* -@all +subscribe +unsubscribe +publish \
                    +ping +info +config|get +multi +exec +unwatch +xinfo|stream +memory|usage +xrange +xrevrange +time +get +set \
                    +watch +fcall_ro +function|load";

struct RedisServer {
    child: Child,
    url: String,
}

impl RedisServer {
    fn start(directory: &Path, name: &str, arguments: &[&str]) -> Self {
        let socket = directory.join(format!("{name}.sock"));
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket).current_dir(directory).args(arguments);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { child, url: format!("unix://{}", socket.display()) }
    }

    fn connection(&self) -> Connection {
        let client = redis::Client::open(&*self.url).unwrap();
        eventually("Redis", || client.get_connection().ok())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(redis: &mut Connection, words: &str) {
    let mut words = words.split_whitespace();
    redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).query::<redis::Value>(redis).unwrap();
}

/// A node that probes five times a second, as the user `node`.
fn node(url: &str) -> (Process, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.env_clear().arg("serve").args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.env("FANFARE__REDIS__URL", format!("{url}?user=node&pass=secret"));
    for (key, value) in [
        ("redis.probe_interval", "200ms"),
        ("redis.probe_timeout", "500ms"),
        ("redis.command_timeout", "500ms"),
        ("admin.ready_probe_age", "1s"),
    ] {
        command.args(["--set", &format!("{key}={value}")]);
    }
    let node = Process::start(&mut command);
    let admin = node.address("listening for operators");
    (node, admin)
}

fn uptime(admin: SocketAddr) -> f64 {
    let (_, metrics) = get(admin, "/metrics");
    metrics.lines().find_map(|line| line.strip_prefix("fanfare_uptime_seconds ")).unwrap().parse().unwrap()
}

fn becomes_ready(admin: SocketAddr) {
    eventually("readiness", || (get(admin, "/readyz").0 == 200).then_some(()));
}

/// Waits until the node is not ready, with a reason that has these words. Balancers still send clients.
fn becomes_unready(admin: SocketAddr, words: &str) {
    let mut last = String::new();
    eventually(words, || {
        let (status, body) = get(admin, "/readyz");
        last.clone_from(&body);
        (status == 503 && body.contains(words)).then_some(())
    });
    let body: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&body["ready"], &body["accepts"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!((get(admin, "/readyz?accept=1").0, get(admin, "/livez").0), (200, 200));
}

fn server_with_user(directory: &Path, arguments: &[&str]) -> (RedisServer, Connection) {
    let server = RedisServer::start(directory, "redis", arguments);
    let mut admin = server.connection();
    run(&mut admin, &format!("ACL SETUSER node on >secret {NODE}"));
    (server, admin)
}

// Seen to stay ready with each of these refused: only the Pub/Sub path was asked.
#[test]
fn a_right_that_streams_need_makes_the_node_unready_in_the_words_of_redis_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let (server, mut redis) = server_with_user(directory.path(), &[]);
    let (_node, admin) = node(&server.url);
    becomes_ready(admin);
    // Some rights can be done without by functions, but not these.
    for right in ["multi", "time", "xinfo|stream", "get"] {
        run(&mut redis, &format!("ACL SETUSER node -{right}"));
        becomes_unready(admin, "NOPERM");
        run(&mut redis, &format!("ACL SETUSER node +{right}"));
        becomes_ready(admin);
    }
}

#[test]
fn a_stream_of_the_prefix_that_may_not_be_read_makes_the_node_unready() {
    let directory = tempfile::tempdir().unwrap();
    let (server, mut redis) = server_with_user(directory.path(), &[]);
    let (_node, admin) = node(&server.url);
    becomes_ready(admin);
    run(&mut redis, "ACL SETUSER node resetkeys ~other:*");
    becomes_unready(admin, "NOPERM");
    run(&mut redis, "ACL SETUSER node ~sse:*");
    becomes_ready(admin);
}

// Redis 7.0 refuses transactions at maxmemory. Functions read on; a user who may run none reads nothing.
#[test]
fn a_full_redis_makes_only_those_nodes_unready_that_cannot_read_on() {
    let directory = tempfile::tempdir().unwrap();
    let (server, mut redis) = server_with_user(directory.path(), &[]);
    // Before the node: one that has not found them looks again after ten seconds.
    let library = include_str!("../../redis/src/functions/fanfare.lua");
    redis::cmd("FUNCTION").arg(&["LOAD", library]).query::<()>(&mut redis).unwrap();
    let (_node, admin) = node(&server.url);
    becomes_ready(admin);
    let version: String = redis::cmd("INFO").arg("server").query(&mut redis).unwrap();
    if !version.contains("redis_version:7.0.") {
        return;
    }
    run(&mut redis, "CONFIG SET maxmemory 1");
    let until = uptime(admin) + 2.0;
    eventually("several probes", || (uptime(admin) > until).then_some(()));
    assert_eq!(get(admin, "/readyz").0, 200, "functions read on: {}", get(admin, "/readyz").1);
    run(&mut redis, "ACL SETUSER node -fcall_ro");
    becomes_unready(admin, "OOM");
    run(&mut redis, "CONFIG SET maxmemory 0");
    becomes_ready(admin);
}

#[test]
fn a_primary_that_becomes_a_replica_is_named_and_the_node_keeps_its_clients() {
    let directory = tempfile::tempdir().unwrap();
    let (server, mut redis) = server_with_user(directory.path(), &[]);
    let (_node, admin) = node(&server.url);
    becomes_ready(admin);
    run(&mut redis, "REPLICAOF 127.0.0.1 1");
    run(&mut redis, "CLIENT KILL TYPE normal");
    let mut redis = server.connection();
    run(&mut redis, "CLIENT KILL TYPE pubsub");
    becomes_unready(admin, "replica");
    run(&mut redis, "REPLICAOF NO ONE");
    becomes_ready(admin);
}

#[test]
fn a_redis_that_hangs_makes_the_node_unready_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let (server, mut redis) = server_with_user(directory.path(), &[]);
    let (_node, admin) = node(&server.url);
    becomes_ready(admin);
    support::signal(&server.child, "STOP");
    becomes_unready(admin, "s ago");
    support::signal(&server.child, "CONT");
    becomes_ready(admin);
    run(&mut redis, "PING");
}

#[test]
fn what_the_probe_reads_and_every_turn_of_the_ingest_is_timed() {
    let directory = tempfile::tempdir().unwrap();
    let (server, _redis) = server_with_user(directory.path(), &[]);
    let (_node, admin) = node(&server.url);
    becomes_ready(admin);
    let (_, metrics) = get(admin, "/metrics");
    for name in ["fanfare_archive_command_seconds", "fanfare_archive_wait_seconds", "fanfare_ingest_turn_seconds"] {
        let count = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("_count "));
        assert!(count.unwrap().parse::<f64>().unwrap() > 1.0, "{name}: {count:?}");
    }
}
