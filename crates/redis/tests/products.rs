//! What a check says of products and services, and what a node refuses: real servers, some of them under a disguise.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_log::{Archive, Publisher};
use fanfare_protocol::{EntryId, Position};
use fanfare_redis::{Grade, Line, Options, Report, check};
use support::disguise::{disguised, that_says};
use support::*;

fn found<'a>(report: &'a Report, what: &str) -> &'a Line {
    report.lines.iter().find(|line| line.what == what).unwrap_or_else(|| panic!("nothing about {what} in\n{report}"))
}

fn at(server: &Server, url: String) -> Options {
    Options { url, ..server.options() }
}

const ENTERPRISE: &str =
    "# Server\r\nredis_version:7.4.3\r\nrlec_version:7.22.0-28\r\nrun_id:a\r\n# Replication\r\nrole:master\r\n";

#[tokio::test]
async fn the_server_is_called_by_its_name_and_version() {
    let server = Server::start().await;
    let info: String = server.run(&["INFO", "server"]).await;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let expected = match field("valkey_version") {
        Some(version) => format!("Valkey {version} "),
        None => format!("Redis {}", field("redis_version").unwrap()),
    };
    let report = check(&server.options()).await;
    assert!(found(&report, "version").finding.starts_with(&expected), "{expected}\n{report}");
    assert_eq!(found(&report, "version").grade, if server.has_functions().await { Grade::Ok } else { Grade::Warn });
}

#[tokio::test]
async fn a_product_that_nobody_has_tried_is_named_and_warned_about() {
    let server = Server::start().await;
    let info = "# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.30.0\r\n# Memory\r\nmaxmemory:0\r\n";
    let report = check(&at(&server, that_says(&server, info, &[]).await)).await;
    let line = found(&report, "version");
    assert!(line.grade == Grade::Warn && line.finding.starts_with("dragonfly df-v1.30.0"), "{line:?}");
}

#[tokio::test]
async fn what_a_service_does_not_have_is_not_what_a_user_may_not_do_and_is_never_advised() {
    let without = ["CONFIG", "ACL", "FUNCTION", "FCALL_RO", "MEMORY"].map(|command| (command, &["NOSUCH"][..]));
    let server = Server::with(&["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let options = Options { keyspace_notifications: true, ..at(&server, disguised(&server, without).await) };
    let report = check(&options).await;
    assert_eq!(report.worst(), Grade::Warn, "\n{report}");
    for line in &report.lines {
        assert!(!["CONFIG", "ACL", "FUNCTION"].iter().any(|lacking| line.run.contains(lacking)), "{line:?}");
    }
    assert!(found(&report, "eviction").finding.contains("this service has no CONFIG"), "\n{report}");
    assert!(found(&report, "functions").finding.contains("EVAL"), "\n{report}");
    assert!(report.lines.iter().all(|line| line.what != "rights" || !line.finding.contains("fcall_ro")), "\n{report}");

    server.run::<redis::Value>(&["ACL", "SETUSER", "node", "on", ">secret", "~*", "&*", "+@all", "-time"]).await;
    let report = check(&at(&server, server.url_of("node"))).await;
    let denied = found(&report, "rights");
    assert!(denied.grade == Grade::Fail && denied.run.ends_with("ACL SETUSER node +time"), "{denied:?}");
    let timeless = disguised(&server, [("TIME", &["NOSUCH"][..])]).await;
    let report = check(&at(&server, timeless)).await;
    let absent = found(&report, "rights");
    assert!(
        absent.grade == Grade::Fail && absent.finding.contains("TIME, which this service does not have"),
        "{absent:?}"
    );
    assert_eq!(absent.run, "", "no right would help");
}

// Fails if it counts as a right that is missing, with a command that grants it.
#[tokio::test]
async fn a_connection_that_breaks_while_the_check_subscribes_says_nothing_of_rights() {
    let server = Server::start().await;
    let breaking = disguised(&server, [("SUBSCRIBE", &["QUIT"][..])]).await;
    let report = check(&at(&server, breaking)).await;
    let broken = found(&report, "rights");
    assert!(broken.grade == Grade::Fail && broken.finding.contains("the connection broke"), "{broken:?}");
    assert_eq!(broken.run, "", "no right would help");
}

#[tokio::test]
async fn an_active_active_database_is_refused_by_the_check_and_by_a_node() {
    let server = Server::start().await;
    let url = that_says(&server, ENTERPRISE, &[("CRDT.CONFIG", &["PING"])]).await;
    let options = at(&server, url);
    let report = check(&options).await;
    let line = found(&report, "topology");
    assert!(line.grade == Grade::Fail && line.finding.contains("Active-Active"), "\n{report}");
    let node = Node::start(&options);
    eventually("the node says why", async || {
        node.store.status.error().is_some_and(|error| error.contains("Active-Active"))
    })
    .await;
}

// NOPERM comes from a server that has the command. Seen to fail when a denial passes for a database of one region.
#[tokio::test]
async fn who_may_not_ask_whether_a_database_is_active_active_is_told_which_right_tells() {
    let server = Server::start().await;
    let denied =
        &["EVAL", "return redis.error_reply('NOPERM User node has no permissions to run CRDT.CONFIG')", "0"][..];
    let options = at(&server, that_says(&server, ENTERPRISE, &[("CRDT.CONFIG", denied)]).await);
    let report = check(&options).await;
    let line = found(&report, "topology");
    assert!(line.grade == Grade::Fail && line.finding.contains("allow +crdt.config"), "\n{report}");
    let node = Node::start(&options);
    eventually("the node says why", async || {
        node.store.status.error().is_some_and(|error| error.contains("allow +crdt.config"))
    })
    .await;
}

// Seen to fail when a node knows only Redis' own words for a command that is not there: no stream can be read then, and no event
// published.
#[tokio::test]
async fn a_node_works_with_a_service_that_has_its_own_words_for_commands_that_it_lacks() {
    let refusal = &["EVAL", "return redis.error_reply('ERR Command is not available')", "0"][..];
    let server = Server::start().await;
    let without = ["INFO", "CONFIG", "FUNCTION", "FCALL", "FCALL_RO"].map(|command| (command, refusal));
    let node = Node::start(&at(&server, disguised(&server, without).await));
    let request = publish_request("a", "d");
    eventually("the node publishes", async || node.store.publisher.publish(request.clone()).await.is_ok()).await;
    let request = support::streams::request("a", Position::At(EntryId::ZERO));
    let read = node.store.archive.read(request).await;
    assert_eq!(read.map(|snapshot| snapshot.entries.len()), Ok(1));
}

#[tokio::test]
async fn an_ordinary_database_of_redis_enterprise_is_taken() {
    let server = Server::start().await;
    let options = at(&server, that_says(&server, ENTERPRISE, &[]).await);
    let report = check(&options).await;
    assert!(found(&report, "version").finding.starts_with("Redis Enterprise 7.22.0-28"), "\n{report}");
    assert!(report.lines.iter().all(|line| line.what != "topology"), "\n{report}");
    let mut node = Node::start(&options);
    node.hears("connected", |event| matches!(event, fanfare_log::FeedEvent::Connected)).await;
}
