//! Loading the library: never backwards, never silently.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_redis::{LIBRARY, Library, VERSION};
use redis::Value;
use support::*;

async fn outcome(server: &Server, options: &fanfare_redis::Options) -> Library {
    let node = Node::start(options);
    let status = node.store.status.clone();
    eventually("the node knows what became of the library", async || status.report().library.is_some()).await;
    let library = status.report().library.unwrap();
    assert!(server.port > 0);
    library
}

async fn version(server: &Server) -> u64 {
    server.run(&["FCALL_RO", "sse_version", "0"]).await
}

fn of_version(version: u64) -> String {
    LIBRARY.replace(&format!("local VERSION = {VERSION}\n"), &format!("local VERSION = {version}\n"))
}

#[tokio::test]
async fn a_node_loads_the_library_once_and_the_next_one_finds_it() {
    let server = Server::start().await;
    if !server.has_functions().await {
        return;
    }
    assert_eq!(outcome(&server, &server.options()).await, Library::Loaded);
    assert_eq!(version(&server).await, VERSION);
    assert_eq!(outcome(&server, &server.options()).await, Library::Present);
}

#[tokio::test]
async fn an_older_library_is_replaced_and_a_newer_one_stays() {
    let server = Server::start().await;
    if !server.has_functions().await {
        return;
    }
    server.run::<Value>(&["FUNCTION", "LOAD", &of_version(0)]).await;
    assert_eq!(outcome(&server, &server.options()).await, Library::Loaded);
    assert_eq!(version(&server).await, VERSION);
    server.run::<Value>(&["FUNCTION", "LOAD", "REPLACE", &of_version(VERSION + 7)]).await;
    assert_eq!(outcome(&server, &server.options()).await, Library::Newer(VERSION + 7));
    assert_eq!(version(&server).await, VERSION + 7);
}

#[tokio::test]
async fn nodes_that_start_together_in_different_databases_all_end_up_with_the_library() {
    let server = Server::start().await;
    if !server.has_functions().await {
        return;
    }
    let mut loaded = 0;
    let nodes: Vec<_> = (0..12)
        .map(|number| {
            let url = format!("{}/{}", server.url(), number % 4);
            Node::start(&fanfare_redis::Options { url, ..server.options() })
        })
        .collect();
    for node in &nodes {
        let status = &node.store.status;
        eventually("the node knows", async || status.report().library.is_some()).await;
        match status.report().library.unwrap() {
            Library::Loaded => loaded += 1,
            other => assert_eq!(other, Library::Present),
        }
    }
    assert_eq!(loaded, 1, "all others saw that one");
    assert_eq!(version(&server).await, VERSION);
}

#[tokio::test]
async fn a_user_who_may_not_load_gets_a_refusal_and_the_node_works_on() {
    let server = Server::start().await;
    if !server.has_functions().await {
        return;
    }
    let rules = ["ACL", "SETUSER", "node", "reset", "resetchannels", "on", ">secret", "~*", "&*", "+@all", "-function"];
    server.run::<Value>(&rules).await;
    let options = fanfare_redis::Options { url: server.url_of("node"), ..server.options() };
    let Library::Refused(reason) = outcome(&server, &options).await else { panic!("loaded") };
    assert!(reason.contains("NOPERM"), "{reason}");
}

// Seen to fail when a library that was refused once is not loaded again before the next connection.
#[tokio::test]
async fn a_refusal_for_now_is_tried_again_until_it_passes() {
    for (refusal, [setting, refuses, allows]) in
        [("NOREPLICAS", ["min-replicas-to-write", "1", "0"]), ("OOM", ["maxmemory", "1", "0"])]
    {
        let server = Server::with(&[&format!("--{setting}"), refuses]).await;
        if !server.has_functions().await {
            return;
        }
        let Library::Refused(reason) = outcome(&server, &server.options()).await else { panic!("loaded") };
        assert!(reason.contains(refusal), "{reason}");
        let node = Node::start(&server.options());
        let status = node.store.status.clone();
        eventually("refused", async || status.report().library.is_some()).await;
        server.run::<Value>(&["CONFIG", "SET", setting, allows]).await;
        eventually("loaded", async || status.report().library == Some(Library::Loaded)).await;
        assert_eq!(version(&server).await, VERSION);
    }
}

#[tokio::test]
async fn a_node_that_is_told_not_to_load_does_not() {
    let server = Server::start().await;
    let options = fanfare_redis::Options { load_functions: false, ..server.options() };
    assert_eq!(outcome(&server, &options).await, Library::Off);
    assert!(server.try_run::<Value>(&["FCALL_RO", "sse_version", "0"]).await.is_err());
}

#[tokio::test]
async fn a_library_that_was_flushed_with_its_server_is_loaded_again_at_the_reconnect() {
    let mut server = Server::start().await;
    if !server.has_functions().await {
        return;
    }
    let node = Node::start(&server.options());
    let status = node.store.status.clone();
    eventually("loaded", async || status.report().library == Some(Library::Loaded)).await;
    server.kill();
    server.up().await;
    eventually("loaded again", async || server.try_run::<u64>(&["FCALL_RO", "sse_version", "0"]).await.is_ok()).await;
}

// Seen to fail when `-LOADING` counts as a refusal.
#[tokio::test]
async fn a_node_that_comes_while_redis_reads_its_data_loads_the_library_afterwards() {
    let slow = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    if !Server::start().await.has_functions().await {
        return;
    }
    let mut server = Server::with(&slow).await;
    let node = Node::start(&server.options());
    let status = node.store.status.clone();
    eventually("loaded", async || status.report().library == Some(Library::Loaded)).await;
    server.run::<Value>(&["FUNCTION", "FLUSH"]).await;
    let fill = "for i = 1, 800 do redis.call('SET', i, i) end";
    server.run::<Value>(&["EVAL", fill, "0"]).await;
    server.run::<Value>(&["SAVE"]).await;
    server.kill();
    server.launch();
    eventually("reading its data", async || server.is_loading().await).await;
    eventually("loaded again", async || {
        let library = status.report().library;
        assert!(!matches!(library, Some(Library::Refused(_))), "{library:?}");
        server.try_run::<u64>(&["FCALL_RO", "sse_version", "0"]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn of_two_versions_that_load_at_once_the_newer_stays_even_when_the_older_comes_last() {
    let server = Server::start().await;
    if !server.has_functions().await {
        return;
    }
    // Both transactions wait in Redis, the newer one first; what they asked before said "nothing there".
    server.run::<Value>(&["CLIENT", "PAUSE", "20000", "WRITE"]).await;
    let newer = of_version(VERSION + 1);
    let mut connection = server.connection().await;
    let mut load = redis::pipe();
    load.atomic().cmd("SET").arg("$fanfare:library").arg(VERSION + 1);
    load.cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(&newer);
    let paused = async |number: usize| {
        eventually("a transaction waits", async || {
            let clients: String = server.run(&["CLIENT", "LIST"]).await;
            clients.lines().filter(|line| line.contains("flags=xb") && line.contains("cmd=set ")).count() == number
        })
        .await;
    };
    let newer_loads = async { load.query_async::<Value>(&mut connection).await };
    let older_loads = async {
        paused(1).await;
        // No probe may wait in the pause, or the feed would give up its connection.
        let quiet = std::time::Duration::from_secs(60);
        let options = fanfare_redis::Options { probe_timeout: quiet, probe_interval: quiet, ..server.options() };
        let node = Node::start(&options);
        paused(2).await;
        server.run::<Value>(&["CLIENT", "UNPAUSE"]).await;
        let status = node.store.status.clone();
        eventually("the node knows", async || status.report().library.is_some()).await;
        status.report().library.unwrap()
    };
    let (newer, older) = tokio::join!(newer_loads, older_loads);
    newer.unwrap();
    assert_eq!(older, Library::Newer(VERSION + 1));
    assert_eq!(version(&server).await, VERSION + 1);
}
