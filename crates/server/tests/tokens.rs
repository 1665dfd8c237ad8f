//! What clients may do is asked of an authorizer: here one that a test writes.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

mod support;

use std::sync::{Arc, Mutex};

use fanfare_auth::{Refusal, Right};
use fanfare_protocol::ChannelName;
use fanfare_server::{Authorized, Authorizer, Denied, Options, Question, Secret, Soon};
use support::Node;

/// Remembers what it was asked, and allows what the test says.
#[derive(Debug)]
struct Fake {
    asked: Mutex<Vec<String>>,
    answer: fn() -> Authorized,
    is_slow: bool,
}

impl Fake {
    fn new(is_slow: bool, answer: fn() -> Authorized) -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), answer, is_slow })
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Authorizer for Fake {
    fn authorize(&self, question: &Question<'_>) -> Soon<Authorized> {
        let channels: Vec<_> = question.channels.iter().map(ToString::to_string).collect();
        let token = question.headers.get("authorization").map_or("-", |value| value.to_str().unwrap());
        let query = question.query.unwrap_or("-");
        let asked = format!("{} {} {token} {query}", question.right.as_str(), channels.join(","));
        self.asked.lock().unwrap().push(asked);
        let answer = (self.answer)();
        if !self.is_slow {
            return Soon::Now(answer);
        }
        Soon::later(async move {
            tokio::task::yield_now().await;
            answer
        })
    }
}

/// A node that asks it.
fn node(fake: &Arc<Fake>, change: impl FnOnce(&mut Options)) -> Node {
    Node::start(|options| {
        options.authorizer = Some(Arc::clone(fake) as Arc<dyn Authorizer>);
        options.publish_key = Secret::new("k");
        options.publish_tokens = true;
        options.history.enabled = true;
        change(options);
    })
}

fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

fn post(headers: &str) -> String {
    request("POST /channels/a/events", &format!("{headers}Content-Length: 1\r\n")) + "x"
}

const BEARER: &str = "Authorization: Bearer t\r\n";

// Seen to fail when `HEAD`, history or publishing ask nobody.
#[test]
fn an_authorizer_is_asked_for_every_right_and_by_nobody_who_has_the_publish_key() {
    for is_slow in [false, true] {
        let fake = Fake::new(is_slow, || Ok(None));
        let node = node(&fake, |_| {});
        let mut stream = node.send(request("GET /events?channel=a&channel=b&x=%20", BEARER));
        assert!(stream.until("\n\n").starts_with("HTTP/1.1 200 "));
        assert_eq!(fake.asked(), ["subscribe a,b Bearer t channel=a&channel=b&x=%20"]);
        let head = node.send(request("HEAD /events?channel=a", "")).until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(fake.asked(), ["subscribe a - channel=a"]);
        let (head, _) = node.send(request("GET /channels/a/history?limit=1", BEARER)).response();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(fake.asked(), ["history a Bearer t limit=1"]);
        let (head, _) = node.send(post(BEARER)).response();
        assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
        assert_eq!(fake.asked(), ["publish a Bearer t -"]);
        let (head, _) = node.send(post("Authorization: Bearer k\r\n")).response();
        assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
        assert!(fake.asked().is_empty());
    }
}

#[test]
fn a_no_is_a_no_to_every_kind_of_request_and_the_connection_goes_on() {
    for is_slow in [false, true] {
        let fake = Fake::new(is_slow, || Err(Denied::By(Refusal::Missing)));
        let node = node(&fake, |_| {});
        let mut client = node.connect();
        for asked in [
            request("GET /events?channel=a", ""),
            request("GET /channels/a/history", ""),
            post(""),
            request("GET /events?channel=a", "Accept: text/event-stream\r\n"),
        ] {
            client.send(asked);
            assert!(client.response().0.starts_with("HTTP/1.1 401 "));
        }
        assert_eq!(fake.asked().len(), 4);
        assert!(node.send(request("HEAD /events?channel=a", "")).until("\r\n\r\n").starts_with("HTTP/1.1 401 "));
        node.await_sessions(0);
        assert_eq!(node.store.last_id("a".parse::<ChannelName>().unwrap()), None, "nothing was published");
    }
}
