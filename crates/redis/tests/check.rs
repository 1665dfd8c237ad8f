//! `fanfare redis check`, and the ACLs of the documentation, on a real server.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use fanfare_log::{Archive, FeedEvent, MinLives, PublishRequest, Publisher, ReadRequest};
use fanfare_protocol::{EntryId, Pattern, Position};
use fanfare_redis::{Grade, Options, Report, check};
use redis::Value;
use support::publishing::forms;
use support::*;

/// The ACL rules that docs/redis.md gives to a user, one per word.
fn documented(user: &str) -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/redis.md")).unwrap();
    let text = text.replace("\\\n", " ");
    let command = format!("redis-cli ACL SETUSER {user} ");
    let line = text.lines().find(|line| line.starts_with(&command)).expect("the documentation has this user");
    line["redis-cli ".len()..].split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()
}

/// The same for this server: where there are no functions, scripts stand in for them, as the documentation says.
async fn documented_for(server: &Server, user: &str) -> Vec<String> {
    let mut rules = documented(user);
    if !server.has_functions().await {
        rules.retain(|rule| !["+fcall", "+fcall_ro", "+function|load", "+watch"].contains(&rule.as_str()));
        rules.extend(["+eval", "+evalsha"].map(str::to_owned));
    }
    rules
}

/// How well a good server is found to be.
async fn best(server: &Server) -> Grade {
    if server.has_functions().await { Grade::Ok } else { Grade::Warn }
}

async fn set_user(server: &Server, rules: &[String], without: &str) {
    let words: Vec<&str> = rules.iter().map(String::as_str).filter(|rule| *rule != without).collect();
    server.run::<Value>(&["ACL", "DELUSER", words[2]]).await;
    server.run::<Value>(&words).await;
}

fn found<'a>(report: &'a Report, what: &str) -> &'a fanfare_redis::Line {
    report.lines.iter().find(|line| line.what == what).unwrap_or_else(|| panic!("nothing about {what} in\n{report}"))
}

/// Runs a command as an administrator would. Redis has to be content with it.
fn run_in_a_shell(run: &str) {
    let done = std::process::Command::new("sh").args(["-c", run]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.trim() == "OK", "{run}: {said:?} {done:?}");
}

#[tokio::test]
async fn a_good_server_is_found_good() {
    let server = Server::with(&["--appendonly", "yes", "--notify-keyspace-events", "Kt"]).await;
    server.load_library().await;
    let keys: Vec<String> = server.run(&["KEYS", "*"]).await;
    let report = check(&Options { keyspace_notifications: true, ..server.options() }).await;
    assert_eq!(report.worst(), best(&server).await, "\n{report}");
    assert_eq!(server.run::<Vec<String>>(&["KEYS", "*"]).await, keys, "a check leaves nothing behind");
}

#[tokio::test]
async fn what_weakens_the_guarantee_is_found_with_what_to_run() {
    let arguments = [
        "--maxmemory",
        "50mb",
        "--maxmemory-policy",
        "allkeys-lru",
        "--client-output-buffer-limit",
        "pubsub",
        "1mb",
        "1mb",
        "60",
    ];
    let server = Server::with(&arguments).await;
    let report = check(&Options { keyspace_notifications: true, ..server.options() }).await;
    assert_eq!(report.worst(), Grade::Warn, "\n{report}");
    for what in ["persistence", "eviction", "output buffer", "notifications", "functions"] {
        if what == "functions" && !server.has_functions().await {
            continue;
        }
        let line = found(&report, what);
        assert_eq!(line.grade, Grade::Warn, "{line:?}");
        assert!(line.run.starts_with("redis-cli "), "{line:?}");
    }
    // Doing what it says makes it content.
    for what in ["persistence", "eviction", "output buffer", "notifications"] {
        run_in_a_shell(found(&report, what).run.split(" && ").next().unwrap());
    }
    server.load_library().await;
    let report = check(&Options { keyspace_notifications: true, ..server.options() }).await;
    assert_eq!(report.worst(), best(&server).await, "\n{report}");
}

// Fails when nobody compares the clocks.
#[tokio::test]
async fn a_clock_that_is_not_this_machines_is_found_with_what_follows() {
    let server = Server::with(&["--appendonly", "yes"]).await;
    server.load_library().await;
    let report = check(&server.options()).await;
    assert_eq!(found(&report, "clock").grade, Grade::Ok, "\n{report}");
    let now: Vec<String> = server.run(&["TIME"]).await;
    let hour_ago = (now[0].parse::<u64>().unwrap() - 3_600).to_string();
    server.run::<Value>(&["RPUSH", "$test:time", &hour_ago, "0"]).await;
    let url = disguise::disguised(&server, [("TIME", &["LRANGE", "$test:time", "0", "-1"][..])]).await;
    let report = check(&Options { url, ..server.options() }).await;
    let line = found(&report, "clock");
    assert!(line.grade == Grade::Warn && line.finding.contains("behind this machine's"), "{line:?}");
}

// Seen to fail when INFO is taken for granted: the check was content, and no stream could be read.
#[tokio::test]
async fn a_redis_that_hides_info_works_and_the_check_says_what_stays_unknown() {
    let server = Server::with(&["--rename-command", "INFO", "", "--appendonly", "yes"]).await;
    server.run::<Value>(&["CONFIG", "SET", "maxmemory", "1gb"]).await;
    let node = Node::start(&server.options());
    let request = publish_request("a", "d");
    eventually("the node publishes", async || node.store.publisher.publish(request.clone()).await.is_ok()).await;
    let tip = node.store.archive.tips(vec![name("a")]).await.unwrap()[0].clone().unwrap();
    assert!(!tip.evicts, "the configuration says that nothing is evicted");
    let report = check(&server.options()).await;
    assert_eq!(report.worst(), Grade::Warn, "\n{report}");
    assert!(found(&report, "server").finding.contains("INFO cannot be asked"), "\n{report}");
    assert_eq!((found(&report, "role").grade, found(&report, "eviction").grade), (Grade::Ok, Grade::Ok), "\n{report}");
}

#[tokio::test]
async fn a_redis_without_hello_is_told_what_is_missing() {
    let server = Server::with(&["--rename-command", "HELLO", ""]).await;
    let report = check(&server.options()).await;
    assert_eq!(report.worst(), Grade::Fail);
    assert!(found(&report, "connection").finding.contains("RESP3"), "\n{report}");
}

// Seen to fail when a check at maxmemory finds nothing to say.
#[tokio::test]
async fn a_full_memory_is_found_and_fails_where_a_node_could_not_read() {
    let server = Server::with(&["--appendonly", "yes"]).await;
    server.load_library().await;
    let rules = documented_for(&server, "node").await;
    set_user(&server, &rules, "").await;
    let options = Options { url: server.url_of("node"), ..server.options() };
    assert!(check(&options).await.lines.iter().all(|line| line.what != "memory"));
    server.run::<Value>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let report = check(&options).await;
    assert_eq!(found(&report, "memory").grade, Grade::Warn, "\n{report}");
    let (way, more) = if server.has_functions().await { ("+fcall_ro", "") } else { ("+eval", "+evalsha") };
    let rules: Vec<_> = rules.into_iter().filter(|rule| rule != more).collect();
    set_user(&server, &rules, way).await;
    let report = check(&options).await;
    let refuses = refuses_transactions(server.connection().await).await;
    let expected = if refuses { Grade::Fail } else { Grade::Warn };
    assert_eq!(found(&report, "memory").grade, expected, "\n{report}");
}

/// Redis 7.0 does so when its memory is full; others need not.
async fn refuses_transactions(mut connection: redis::aio::MultiplexedConnection) -> bool {
    let mut refused = false;
    for word in ["MULTI", "TIME", "EXEC"] {
        refused |= redis::cmd(word).query_async::<Value>(&mut connection).await.is_err();
    }
    refused
}

#[tokio::test]
async fn a_database_that_is_empty_beside_one_with_keys_is_found() {
    let server = Server::start().await;
    server.run::<Value>(&["XADD", "sse:a", "*", "data", "d"]).await;
    let report = check(&Options { url: format!("{}/3", server.url()), ..server.options() }).await;
    let line = found(&report, "database");
    assert!(line.grade == Grade::Warn && line.finding.contains("(/0)"), "\n{report}");
    assert_eq!(found(&check(&server.options()).await, "database").grade, Grade::Ok);
}

#[tokio::test]
async fn a_replica_fails_and_its_primary_is_told_to_wait_for_replicas() {
    let primary = Server::with(&["--repl-diskless-sync-delay", "0"]).await;
    let replica = Server::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]).await;
    eventually("the replica is connected", async || {
        primary.run::<String>(&["INFO", "replication"]).await.contains("connected_slaves:1")
    })
    .await;
    assert_eq!(found(&check(&replica.options()).await, "role").grade, Grade::Fail);
    assert_eq!(found(&check(&primary.options()).await, "failover").grade, Grade::Warn);
    primary.run::<Value>(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    assert_eq!(found(&check(&primary.options()).await, "failover").grade, Grade::Ok);
}

#[tokio::test]
async fn an_absent_server_and_wrong_options_are_one_line_without_the_password() {
    let server = Server::absent(&[]);
    let report = check(&Options { url: server.url_of("ada"), ..server.options() }).await;
    assert_eq!((report.lines.len(), report.worst()), (1, Grade::Fail));
    let wrong = check(&Options { url: "rediss://ada:secret@localhost".into(), ..server.options() }).await;
    assert_eq!((wrong.lines.len(), wrong.worst()), (1, Grade::Fail));
    assert!(!format!("{report}{wrong}").contains("secret"), "{report}{wrong}");
}

#[tokio::test]
async fn a_node_works_with_the_documented_rights_and_each_of_them_is_missed() {
    let server = Server::with(&["--notify-keyspace-events", "Kt", "--appendonly", "yes"]).await;
    let rules = documented_for(&server, "node").await;
    set_user(&server, &rules, "").await;
    let promise = (Pattern::parse("*").unwrap(), Duration::from_secs(3_600));
    let min_lives = MinLives::new([promise]);
    let url = server.url_of("node");
    let options = Options { url, keyspace_notifications: true, min_lives, ..server.options() };
    let mut node = Node::start(&options);
    node.desired.insert(&name("a"));
    node.hears("subscribed", |event| matches!(event, FeedEvent::Subscribed(_))).await;
    node.hears("proven", |event| matches!(event, FeedEvent::Probe { .. })).await;
    let status = node.store.status.clone();
    let expected = match server.has_functions().await {
        true => fanfare_redis::Library::Loaded,
        false => fanfare_redis::Library::Unsupported,
    };
    eventually("the library is seen to", async || status.report().library == Some(expected.clone())).await;
    server.publish(&["sse:a", "DATA", "d"]).await;
    node.hears("a notification", |event| matches!(event, FeedEvent::KeyspaceAdd { .. })).await;
    node.hears("a push", |event| matches!(event, FeedEvent::Push { .. })).await;
    let archive = node.store.archive.clone();
    for _ in 0..3 {
        archive.tips(vec![name("a"), name("b")]).await.unwrap()[1].clone().unwrap();
        archive.newest(name("a"), 3).await.unwrap();
        let page = ReadRequest { log: name("a"), after: Position::At(EntryId::ZERO), max_entries: 9, max_bytes: 999 };
        assert_eq!(archive.read(page).await.unwrap().entries.len(), 1);
    }
    let connections: String = server.run(&["CLIENT", "LIST"]).await;
    assert!(
        connections.lines().filter(|line| line.contains("user=node")).count() <= 4,
        "pooled connections are reused"
    );
    // Seen to warn of +xadd, which only a node that publishes needs.
    let report = check(&options).await;
    assert_eq!(report.worst(), best(&server).await, "\n{report}");
    let report = check(&Options { publishes: true, ..options.clone() }).await;
    assert!(found(&report, "rights").finding.contains("without +xadd"), "\n{report}");
    let complaints = |report: &Report| report.lines.iter().filter(|line| line.grade != Grade::Ok).count();
    let at_best = complaints(&check(&options).await);
    assert_eq!(complaints(&report), at_best + 1, "\n{report}");
    drop(node);

    // One that asks for tokens; what it needs to revoke by itself is no part of these.
    let options = Options { revocations: true, ..options };
    let report = check(&options).await;
    assert!(found(&report, "rights").finding.contains("POST /revocations"), "\n{report}");
    let at_best = complaints(&report);
    for rule in rules.iter().filter(|rule| rule.starts_with(['+', '~', '&'])) {
        set_user(&server, &rules, rule).await;
        let report = check(&options).await;
        assert!(complaints(&report) > at_best, "nobody misses {rule}:\n{report}");
    }
}

// Seen to break in a shell: `<user>`, `+xinfo|stream`, `&sse:*` and `~$fanfare:*` stood there bare, and no server was named.
#[tokio::test]
async fn what_it_says_to_run_can_be_run_as_it_stands() {
    let server = Server::with(&["--appendonly", "yes"]).await;
    server.load_library().await;
    server.run::<Value>(&["ACL", "SETUSER", "node", "on", ">secret", "-@all", "+ping"]).await;
    let options = Options { url: server.url_of("node"), publishes: true, ..server.options() };
    let report = check(&options).await;
    assert_eq!(report.worst(), Grade::Fail, "\n{report}");
    // A user who may not run a command is not told of the keys that it may not use it on: that comes next.
    let mut report = report;
    for _ in 0..2 {
        for line in report.lines.iter().filter(|line| !line.run.is_empty() && line.what != "functions") {
            run_in_a_shell(&line.run);
        }
        report = check(&options).await;
    }
    assert!(report.lines.iter().all(|line| line.what != "rights" || line.grade == Grade::Ok), "\n{report}");
}

#[tokio::test]
async fn a_publisher_with_the_documented_rights_can_use_every_option_and_a_node_with_both_can_publish() {
    let server = Server::start().await;
    server.load_library().await;
    set_user(&server, &documented_for(&server, "publisher").await, "").await;
    let mut publisher = connect(&server.url_of("publisher")).await.unwrap();
    let form = forms(&server).await[0];
    for options in [&["EVENT", "e", "MAXLEN", "9", "TTL", "60", "DEDUP", "k"][..], &[], &["DEDUP", "k"]] {
        let mut call = form.command();
        call.arg(&["sse:a", "DATA", "d"]).arg(options).query_async::<Value>(&mut publisher).await.unwrap();
    }
    assert_eq!(server.run::<u64>(&["XLEN", "sse:a"]).await, 2);
    for forbidden in
        [&["XADD", "other", "*", "data", "d"][..], &["PUBLISH", "other", "d"], &["XRANGE", "sse:a", "-", "+"]]
    {
        let refused = command(forbidden).query_async::<Value>(&mut publisher).await;
        assert_eq!(refused.unwrap_err().code(), Some("NOPERM"), "{forbidden:?}");
    }

    let mut both = documented_for(&server, "node").await;
    both.extend(
        documented_for(&server, "publisher").await.into_iter().filter(|rule| rule.starts_with(['+', '~', '&'])),
    );
    set_user(&server, &both, "").await;
    let node = Node::start(&Options { url: server.url_of("node"), ..server.options() });
    let request = PublishRequest {
        channel: name("a").name().clone(),
        event: event(Some("e"), "d"),
        dedup: Some("k2".into()),
        max_len: None,
        ttl: Some(std::time::Duration::from_secs(100).into()),
    };
    eventually("the node publishes", async || node.store.publisher.publish(request.clone()).await.is_ok()).await;
}
