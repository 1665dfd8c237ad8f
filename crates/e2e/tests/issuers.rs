//! Issuers that publish their keys, on the real binary: over TLS, down and back, and with other keys than yesterday.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare_e2e::{
    Answer, Client, Issuer, Ledger, Node, NodeBuilder, Publisher, RedisServer, Subscribe, WebServer, eventually,
    eventually_within, request,
};

/// Two keys of Ed25519, made for these tests, as PEM and as `x` of a JWK.
const KEYS: [(&str, &str); 2] = [
    ("MC4CAQAwBQYDK2VwBCIEIP1evZdDtNtOPutkauo9dvNTuqa+zEfw8r1sbFGaFbwV", "t8CUDlSU7sXj1HpiJpNikcPNqhWvQnviIWjMQQu3YO0"),
    ("MC4CAQAwBQYDK2VwBCIEIFg6SCM7y7qR19/DU7zXjRvfSzpQjjhMMqUi7w2mR1DC", "4VKhDKBchKARuvePJgsL5XtF71pBbOEKrulMAei3_qA"),
];

/// The key set with these keys, named by their numbers.
fn key_set(numbers: &[usize]) -> String {
    let key = |number: &usize| {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"{number}","x":"{}"}}"#, KEYS[*number].1)
    };
    format!(r#"{{"keys":[{}]}}"#, numbers.iter().map(key).collect::<Vec<_>>().join(","))
}

/// An issuer that publishes its keys, and a Redis.
struct Scene {
    redis: RedisServer,
    issuer: Issuer,
    published: Arc<Mutex<Answer>>,
    server: WebServer,
}

fn scene() -> Scene {
    let issuer = Issuer::new();
    for (number, (pem, _)) in KEYS.iter().enumerate() {
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
        std::fs::write(issuer.path(&number.to_string()), pem).expect("a file");
    }
    let published = Arc::new(Mutex::new(Answer::json("200 OK", &key_set(&[0]))));
    let now = Arc::clone(&published);
    let server = WebServer::https(move |_| now.lock().expect("no panic").clone());
    Scene { redis: RedisServer::start(), issuer, published, server }
}

impl Scene {
    fn publish(&self, numbers: &[usize]) {
        *self.published.lock().expect("no panic") = Answer::json("200 OK", &key_set(numbers));
    }

    /// A node that believes the issuer, whose address holds a secret.
    fn node(&self) -> NodeBuilder {
        let file = self.issuer.path("fanfare.toml");
        let url = self.server.url("/keys?code=hunter2");
        let table = self.issuer.table(&format!("jwks_url = {url:?}\nsubscribe = [\"*\"]"));
        std::fs::write(&file, table).expect("a file");
        let node = Node::builder(&self.redis).argument("--config").argument(&file);
        node.set("auth.enabled", "true").set("history.enabled", "true").set("log.level", "trace")
    }

    fn authority(&self) -> String {
        self.server.authority_file().to_str().expect("a path").to_owned()
    }

    fn token(&self, number: usize) -> String {
        let name = number.to_string();
        format!("Bearer {}", self.issuer.token_by(&name, &["--key-id", &name, "--subject", "7"]))
    }
}

/// What a token is worth to a node.
fn status(node: &Node, token: &str) -> u16 {
    request(node.address(), "GET", "/channels/c/history", &[("Authorization", token)], b"").expect("an answer").status()
}

// Fails when keys are read at start only, when a failure loses them, and when a token with a new key does not make the node look again.
#[test]
fn keys_are_read_over_tls_again_after_an_outage_and_again_when_they_are_new() {
    let mut scene = scene();
    scene.server.stop();
    let node = scene.node().set("auth.ca_file", &scene.authority()).start();
    let (old, new) = (scene.token(0), scene.token(1));
    assert_eq!(status(&node, &old), 503, "nobody knows the key");
    let polite = request(node.address(), "GET", "/events?channel=c", &[("Accept", "text/event-stream")], b"");
    assert_eq!(polite.expect("an answer").status(), 401, "without a token no key is needed");
    let failures = || node.metric("fanfare_key_set_failures_total", "issuer=\"id\"");
    eventually("an error in the metrics", || failures().filter(|count| *count > 0.0));

    scene.server.start();
    eventually("the keys to be read", || (status(&node, &old) == 200).then_some(()));
    assert_eq!(node.metric("fanfare_key_set_keys", "issuer=\"id\""), Some(1.0));
    let mut client = Client::open(node.address(), Subscribe::to("c").header("Authorization", &old));

    // The first that comes with a new key makes the node look, but not more often than every 30 s.
    scene.publish(&[0, 1]);
    eventually_within(Duration::from_secs(50), "the new key to be read", || {
        assert_eq!(status(&node, &old), 200, "the old key is as good as before");
        fanfare_e2e::pace(Duration::from_millis(500));
        (status(&node, &new) == 200).then_some(())
    });
    assert_eq!(node.metric("fanfare_key_set_keys", "issuer=\"id\""), Some(2.0));
    client.connect(node.address()).expect("the node accepts");

    // What was read last is good while nothing can be read.
    scene.server.stop();
    assert_eq!((status(&node, &old), status(&node, &new)), (200, 200));
    let status_page = node.admin("/status").expect("an answer").json();
    let keys = &status_page["node"]["key_sets"][0];
    assert_eq!((&keys["issuer"], &keys["keys"]), (&"id".into(), &2.into()), "{keys}");
    let log = node.log();
    assert!(log.contains("read the keys of an issuer"), "{log}");
    assert!(!log.contains("hunter2") && !status_page.to_string().contains("hunter2"), "{log}");
}

// Fails when the node trusts whoever answers.
#[test]
fn keys_from_whom_nobody_vouches_for_are_not_believed_and_the_log_says_why() {
    let scene = scene();
    let stranger = WebServer::https(|_| Answer::Hang);
    let authority = stranger.authority_file();
    let node = scene.node().set("auth.ca_file", authority.to_str().expect("a path")).start();
    eventually("the reason in the log", || node.log().contains("no authority that is believed here").then_some(()));
    assert_eq!((status(&node, &scene.token(0)), scene.server.asked().len()), (503, 0));
    let last_error = node.admin("/status").expect("an answer").json()["node"]["key_sets"][0]["last_error"].clone();
    assert!(last_error.as_str().is_some_and(|error| error.contains("auth.ca_file")), "{last_error}");
}

// Fails when the authorities of `auth.ca_file` are believed beside those of the machine, and when the latter are not at all.
#[test]
fn the_authorities_of_a_file_stand_in_place_of_those_of_the_machine() {
    let scene = scene();
    let node = scene.node().environment("SSL_CERT_FILE", &scene.authority()).start();
    eventually("the keys to be read", || (status(&node, &scene.token(0)) == 200).then_some(()));
    assert!(node.log().contains("traced to these authorities"), "{}", node.log());
    drop(node);
    let stranger = WebServer::https(|_| Answer::Hang);
    let file = stranger.authority_file();
    let node = scene.node().environment("SSL_CERT_FILE", &scene.authority());
    let node = node.set("auth.ca_file", file.to_str().expect("a path")).start();
    eventually("the reason in the log", || node.log().contains("no authority that is believed here").then_some(()));
    assert_eq!(status(&node, &scene.token(0)), 503);
}

// Fails when a redirection is followed, and when garbage replaces the keys.
#[test]
fn redirections_garbage_and_endless_answers_are_no_keys() {
    let elsewhere = WebServer::https(|_| Answer::json("200 OK", &key_set(&[0])));
    let redirection =
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url("/keys"));
    let huge = format!("HTTP/1.1 200 OK\r\n\r\n{{\"keys\":[{}", " ".repeat(1 << 20));
    for (answer, why) in [
        (Answer::Send(redirection.into_bytes()), "the answer is 307"),
        (Answer::json("200 OK", "<html>"), "the answer: "),
        (Answer::Send(huge.into_bytes()), "more than 262144 bytes"),
        (Answer::Send(b"hello".to_vec()), "no whole answer"),
        (Answer::Hang, "no answer within"),
    ] {
        let scene = scene();
        *scene.published.lock().expect("no panic") = answer;
        let node = scene.node().set("auth.ca_file", &scene.authority()).set("auth.public", "witness").start();
        let mut witness = Client::open(node.address(), Subscribe::to("witness"));
        eventually(why, || node.log().contains(why).then_some(()));
        assert_eq!(status(&node, &scene.token(0)), 503, "{why}");
        assert!(node.metric("fanfare_key_set_failures_total", "issuer=\"id\"") >= Some(1.0), "{why}");
        // Who needs no token notices nothing.
        Publisher::new(&scene.redis, &Ledger::default()).fcall("witness", "hello");
        witness.read_data("hello");
    }
    assert_eq!(elsewhere.asked().len(), 0);
}
