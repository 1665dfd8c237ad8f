//! Revocation on the real binary: two nodes, one Redis, and somebody whose access is taken back.

use std::time::{Duration, Instant};

use fanfare_e2e::{
    Client, ConnectionEnd, Expect, Issuer, Ledger, Node, NodeBuilder, Observed, Proxy, Publisher, RedisServer,
    Response, Subscribe, check, eventually, request, run_fanfare,
};

const STREAM: (&str, &str) = ("Accept", "text/event-stream");
const LOG: &str = "$fanfare:{sse:}:revoked";
/// All that is promised.
const PROMISED: Duration = Duration::from_secs(1);

struct Scene {
    redis: RedisServer,
    issuer: Issuer,
}

fn scene_on(redis: RedisServer) -> Scene {
    let issuer = Issuer::new();
    std::fs::write(issuer.path("fanfare.toml"), issuer.table(&issuer.secret_file())).expect("a file");
    Scene { redis, issuer }
}

impl Scene {
    fn builder_at(&self, url: &str) -> NodeBuilder {
        let node = Node::builder_at(url).argument("--config").argument(&self.issuer.path("fanfare.toml"));
        // Without a leeway, so that a token of the next second is a later one.
        node.set("auth.enabled", "true").set("auth.leeway", "0s").set("delivery.heartbeat", "1s")
    }

    fn builder(&self) -> NodeBuilder {
        self.builder_at(&self.redis.url()).set("history.enabled", "true").set("publish.tokens", "true")
    }

    fn token(&self, subject: &str) -> String {
        self.token_with(subject, &[])
    }

    fn token_with(&self, subject: &str, arguments: &[&str]) -> String {
        let usual = ["--subject", subject, "--subscribe", "c*", "--publish", "c*"];
        self.issuer.bearer(&[&usual, arguments].concat())
    }

    /// Runs `fanfare revoke`: its exit code, and what it printed.
    fn revoke(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let config = self.issuer.path("fanfare.toml");
        let url = self.redis.url();
        let environment = [
            ("FANFARE__REDIS__URL", url.as_str()),
            ("FANFARE__AUTH__ENABLED", "true"),
            ("FANFARE__AUTH__LEEWAY", "0s"),
        ];
        let output = run_fanfare(&[&["revoke", "--config", &config], arguments].concat(), &environment);
        let text = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.code(), String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// Waits until a token that is made now is later than what was revoked before.
    fn next_second(&self) {
        let time = || self.redis.connection().command(["TIME"]).array()[0].text();
        let now = time();
        eventually("the next second", || (time() != now).then_some(()));
    }
}

/// The id of the newest entry of the log.
fn last_id(redis: &RedisServer) -> String {
    let newest = redis.connection().command(["XREVRANGE", LOG, "+", "-", "COUNT", "1"]);
    newest.array()[0].array()[0].text()
}

fn get(node: &Node, path: &str, token: &str) -> Response {
    request(node.address(), "GET", path, &[STREAM, ("Authorization", token)], b"").expect("an answer")
}

fn follow(node: &Node, channel: &str, token: &str) -> Client {
    Client::open(node.address(), Subscribe::to(channel).header("Authorization", token))
}

fn ends_revoked(client: &mut Client) {
    assert_eq!(client.read_ending(PROMISED), ConnectionEnd::Clean);
    let is_told = |observed: &Observed| matches!(observed, Observed::Control(event) if event.event == "$revoked");
    assert!(client.seen().iter().any(is_told), "{}", client.recent());
}

fn post(node: &Node, body: &str, headers: &[(&str, &str)]) -> Response {
    request(node.admin_address(), "POST", "/revocations", headers, body.as_bytes()).expect("an answer")
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

// Fails when a node only looks at what it is told itself.
#[test]
fn a_subject_is_revoked_on_all_nodes_within_a_second_and_comes_back_with_a_later_token_without_loss() {
    let scene = scene_on(RedisServer::start());
    let (near, far) = (scene.builder().start(), scene.builder().start());
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&scene.redis, &ledger);
    let (eve, bob) = (scene.token("eve"), scene.token("bob"));
    let mut streams = [follow(&near, "c", &eve), follow(&far, "c", &eve)];
    let mut others = [follow(&near, "c", &bob), follow(&far, "c", &bob)];
    publisher.fcall("c", "before");
    streams.iter_mut().chain(&mut others).for_each(|client| client.read_data("before"));

    let (code, id) = scene.revoke(&["--sub", "eve"]);
    let since = Instant::now();
    assert!(code == Some(0) && id.contains('-'), "{code:?} {id}");
    streams.iter_mut().for_each(ends_revoked);
    assert!(since.elapsed() < PROMISED, "{:?}", since.elapsed());
    publisher.fcall("c", "afterwards");
    others.iter_mut().for_each(|client| client.read_data("afterwards"));
    for node in [&near, &far] {
        node.await_metric("fanfare_sessions_ended_total", "cause=\"revoked\"", 1.0);
        assert_eq!(node.metric("fanfare_revocations", ""), Some(1.0));
        for path in ["/events?channel=c", "/channels/c/history"] {
            let reply = get(node, path, &eve);
            assert!(reply.status() == 401 && reply.text().contains(":token-revoked"), "{}", reply.text());
        }
        let publish = request(node.address(), "POST", "/channels/c/events", &[("Authorization", &eve)], b"x");
        assert_eq!(publish.expect("an answer").status(), 401);
        assert_eq!(get(node, "/channels/c/history", &bob).status(), 200);
    }
    scene.next_second();
    let later = scene.token("eve");
    let [mut client, _] = streams;
    client.ask(Subscribe::to("c").header("Authorization", &later));
    client.connect(far.address()).expect("the node accepts");
    client.read_data("afterwards");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
}

// Fails when one kind is forgotten, and when the admin listener answers before it is stored.
#[test]
fn a_token_and_a_channel_are_revoked_on_the_admin_listener_and_answered_when_that_is_stored() {
    let scene = scene_on(RedisServer::start());
    let near = scene.builder().set("admin.revocations", "true").start();
    let far = scene.builder().set("auth.public", "c:news").start();
    let (one, two) = (scene.token_with("eve", &["--token-id", "one"]), scene.token_with("eve", &["--token-id", "two"]));
    let (mut by_token, mut other) = (follow(&far, "c", &one), follow(&far, "c", &two));
    let (mut by_channel, mut public) =
        (follow(&far, "c:x", &two), Client::open(far.address(), Subscribe::to("c:news")));
    for (body, client) in [(r#"{"token_id":"one"}"#, &mut by_token), (r#"{"channel":"c:x"}"#, &mut by_channel)] {
        let reply = post(&near, body, &[JSON]);
        assert_eq!(reply.status(), 201, "{}", reply.text());
        let id = last_id(&scene.redis);
        assert!(reply.text().contains(&format!("\"id\":\"{id}\"")), "{} {id}", reply.text());
        ends_revoked(client);
    }
    let reply = post(&near, r#"{"channel":"c:news"}"#, &[JSON]);
    assert_eq!(reply.status(), 201);
    for client in [&mut other, &mut public] {
        // Longer than it takes to end those who are revoked.
        while let Some(seen) = client.next(Duration::from_millis(700)) {
            assert!(!matches!(seen, Observed::Ended(_)), "{}", client.recent());
            if client.comments() + client.seen().len() > 6 {
                break;
            }
        }
    }
    assert_eq!(get(&far, "/events?channel=c&channel=c:x", &two).status(), 401);

    for (body, headers, status) in [
        ("{}", &[JSON][..], 400),
        (r#"{"subject":"eve","issuer":"other"}"#, &[JSON], 400),
        (r#"{"subject":"eve"}"#, &[], 415),
        (r#"{"subject":"eve"}"#, &[JSON, ("Origin", "http://localhost")], 403),
    ] {
        let reply = post(&near, body, headers);
        assert!(reply.status() == status && reply.text().contains("urn:fanfare:problem:"), "{body}: {}", reply.text());
    }
    assert_eq!(near.admin("/revocations").expect("an answer").status(), 405);
    assert_eq!(near.metric("fanfare_revoke_requests_total", "outcome=\"stored\""), Some(3.0));
    let reply = post(&far, r#"{"channel":"c"}"#, &[JSON]);
    assert!(reply.status() == 403 && reply.text().contains("admin.revocations"), "off by default: {}", reply.text());
}

// Fails when a node begins with what is published from then on.
#[test]
fn a_node_that_starts_again_remembers_and_one_that_cannot_read_believes_no_token() {
    let mut scene = scene_on(RedisServer::start_persistent());
    let mut node = scene.builder().set("redis.probe_interval", "200ms").start();
    let (eve, bob) = (scene.token("eve"), scene.token("bob"));
    assert_eq!(scene.revoke(&["--subject", "eve"]).0, Some(0));
    eventually("it to be known", || node.metric("fanfare_revocations", "").filter(|count| *count == 1.0));
    node.kill();
    node.restart();
    assert_eq!(
        (get(&node, "/channels/c/history", &eve).status(), get(&node, "/channels/c/history", &bob).status()),
        (401, 200)
    );

    node.kill();
    scene.redis.kill();
    node.relaunch();
    eventually("the listener to answer", || request(node.address(), "GET", "/", &[], b"").ok());
    let reply = get(&node, "/events?channel=c", &bob);
    assert!(reply.status() == 200 && reply.text().starts_with("retry: "), "politely: {}", reply.text());
    assert_eq!(get(&node, "/channels/c/history", &bob).status(), 503);
    let said = node.admin("/readyz").expect("an answer");
    assert!(said.status() == 503 && said.text().contains("what was revoked has not been read yet"), "{}", said.text());
    assert_eq!(node.admin("/readyz?accept=1").map(|reply| reply.status()), Some(200));
    scene.redis.launch();
    node.wait_ready();
    follow(&node, "c", &bob);
    assert_eq!(get(&node, "/events?channel=c", &eve).status(), 401);
}

// Fails when streams go on before it is known what was revoked while the feed was away.
#[test]
fn what_was_revoked_while_the_feed_was_cut_takes_effect_before_anything_that_was_published_after_it() {
    let scene = scene_on(RedisServer::start());
    let proxy = Proxy::to(scene.redis.address());
    let node = scene.builder_at(&format!("redis://{}", proxy.address())).set("redis.probe_interval", "200ms").start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&scene.redis, &ledger);
    let (mut eve, mut bob) = (follow(&node, "c", &scene.token("eve")), follow(&node, "c", &scene.token("bob")));
    for round in 0..3 {
        let nobody = scene.redis.address();
        proxy.retarget(std::net::SocketAddr::from(([127, 0, 0, 1], 9)));
        proxy.cut();
        if round == 2 {
            assert_eq!(scene.revoke(&["--subject", "eve"]).0, Some(0));
        }
        publisher.fcall("c", &format!("c {round}"));
        proxy.retarget(nobody);
        bob.read_data(&format!("c {round}"));
        if round < 2 {
            eve.read_data(&format!("c {round}"));
        }
    }
    assert_eq!(eve.read_ending(Duration::from_secs(5)), ConnectionEnd::Clean);
    assert_eq!(eve.data(), ["c 0", "c 1"], "{}", eve.recent());
    check(&bob, &ledger, "c", &Expect::everything()).assert_kept();
}

// Fails when sessions go on as soon as their channel is there again. Redis says who waits for whom: the log cannot be read.
#[test]
fn while_the_log_cannot_be_read_after_a_cut_streams_with_a_token_get_nothing_and_public_ones_do() {
    let scene = scene_on(RedisServer::start());
    let mut redis = scene.redis.connection();
    redis.command(["ACL", "SETUSER", "node", "on", ">secret", "+@all", "~*", "&*"]);
    let proxy = Proxy::to(scene.redis.address());
    let url = format!("redis://node:secret@{}", proxy.address());
    let node = scene.builder_at(&url).set("redis.probe_interval", "200ms").set("auth.public", "c:news").start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&scene.redis, &ledger);
    let (mut eve, mut bob) = (follow(&node, "c", &scene.token("eve")), follow(&node, "c", &scene.token("bob")));
    let mut public = Client::open(node.address(), Subscribe::to("c:news"));
    redis.command(["ACL", "SETUSER", "node", "resetkeys", "~sse:*"]);
    proxy.cut();
    assert_eq!(scene.revoke(&["--subject", "eve"]).0, Some(0));
    publisher.fcall("c", "afterwards");
    publisher.fcall("c:news", "news");
    public.read_data("news");
    for client in [&mut eve, &mut bob] {
        let beats = client.comments() + 2;
        while client.comments() < beats {
            let seen = client.next(Duration::from_millis(100));
            let is_nothing = match &seen {
                None | Some(Observed::Comment) => true,
                // It may have been on its way before the cut.
                Some(Observed::Control(event)) => event.event == "$ready",
                Some(_) => false,
            };
            assert!(is_nothing, "{seen:?}");
        }
    }
    redis.command(["ACL", "SETUSER", "node", "~*"]);
    bob.read_data("afterwards");
    assert_eq!(eve.read_ending(Duration::from_secs(10)), ConnectionEnd::Clean);
    assert!(eve.data().is_empty(), "{}", eve.recent());
    check(&bob, &ledger, "c", &Expect::everything()).assert_kept();
}

// Fails when only the first page of the log is read.
#[test]
fn a_node_that_starts_reads_all_pages_of_the_log() {
    let scene = scene_on(RedisServer::start());
    // Made before what revokes them.
    let revoked = ["0", "1250", "2499"].map(|subject| scene.token(subject));
    let mut redis = scene.redis.connection();
    for number in 0..2_500 {
        let entry = format!(r#"{{"v":1,"kind":"subject","issuer":"id","subject":"{number}"}}"#);
        redis.command(["XADD", LOG, "*", "data", &entry]);
    }
    let node = scene.builder().start();
    assert_eq!(node.metric("fanfare_revocations", ""), Some(2_500.0));
    for token in &revoked {
        assert_eq!(get(&node, "/channels/c/history", token).status(), 401);
    }
    assert_eq!(get(&node, "/channels/c/history", &scene.token("bob")).status(), 200);
}

// Fails when a proof is as good as if it had begun when it came back: what was revoked in the last second may be behind it.
#[test]
fn where_redis_is_too_far_away_for_a_proof_no_token_is_believed_and_what_is_public_goes_on() {
    let scene = scene_on(RedisServer::start());
    let proxy = Proxy::far_from(scene.redis.address(), Duration::from_millis(400));
    let builder = scene.builder_at(&format!("redis://{}", proxy.address())).set("history.enabled", "true");
    let node = builder.set("auth.public", "c:news").start_unready();
    eventually("a message to come back", || {
        node.metric("fanfare_probe_round_trip_seconds", "").filter(|seconds| *seconds >= 0.8)
    });
    let bob = scene.token("bob");
    let mut public = Client::open(node.address(), Subscribe::to("c:news"));
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&scene.redis, &ledger);
    for number in 0..10 {
        publisher.fcall("c:news", &format!("news {number}"));
        public.read_data(&format!("news {number}"));
        let reply = get(&node, "/events?channel=c", &bob);
        assert!(reply.status() == 200 && reply.text().starts_with("retry: "), "politely: {}", reply.text());
        assert_eq!(get(&node, "/channels/c/history", &bob).status(), 503);
    }
    assert_eq!(node.admin("/readyz").map(|reply| reply.status()), Some(503));
    let is_told = |log: String| log.contains("streams that need a token pause again and again");
    eventually("the log to tell why", || is_told(node.log()).then_some(()));
    check(&public, &ledger, "c:news", &Expect::everything()).assert_kept();
}

// Fails when the log is kept for longer than any token lives, and when the command says the wrong thing to a script.
#[test]
fn the_command_says_what_it_did_and_what_is_wrong_and_old_entries_leave_the_log() {
    let mut scene = scene_on(RedisServer::start());
    let mut redis = scene.redis.connection();
    // Older than any token may be, in pieces that Redis drops as a whole.
    for number in 1..=300 {
        redis.command(["XADD", LOG, &format!("{number}-0"), "data", "{}"]);
    }
    let (code, id) = scene.revoke(&["--channel", "c"]);
    assert_eq!(code, Some(0), "{id}");
    let left = redis.command(["XLEN", LOG]).integer();
    assert!((1..=100).contains(&left), "{left}");
    assert_eq!(last_id(&scene.redis), id);
    for (arguments, code, said) in [
        (&["--subject", "eve", "--issuer", "other"][..], 2, "no [[auth.issuers]] has the name"),
        (&["--subject", "eve", "--channel", "c"], 2, "cannot be used with"),
        (&["--subject", ""], 2, "1 to 255 bytes"),
        (&["--subject", "eve", "--set", "auth.enabled=false"], 2, "auth.enabled"),
    ] {
        let (found, text) = scene.revoke(arguments);
        assert!(found == Some(code) && text.contains(said), "{arguments:?}: {found:?} {text}");
    }
    scene.redis.kill();
    let (code, text) = scene.revoke(&["--subject", "eve"]);
    assert!(code == Some(1) && !text.is_empty(), "{code:?} {text}");
}
