//! Tickets over HTTP: who makes them, and what they are good for.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

mod support;

use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Grant, Refusal, Right, Rights, UnixSeconds};
use fanfare_log::memory::MemoryStore;
use fanfare_protocol::Pattern;
use fanfare_protocol::limits::TICKETS_AT_ONCE_MAX;
use fanfare_server::{
    Authorized, Authorizer, Clock, Denied, HttpStats, Options, Question, Secret, Soon, TicketOptions, TicketUse,
};
use serde_json::Value;
use support::{Client, Node, header, without_digits};

const KEY: &str = "Authorization: Bearer k\r\n";
const TOKEN: &str = "Authorization: Bearer t\r\n";
const STREAM: &str = "Accept: text/event-stream\r\n";

/// Lets the token `t` make tickets for `room:*`, and nobody else do anything.
#[derive(Debug)]
struct OneToken;

impl Authorizer for OneToken {
    fn authorize(&self, question: &Question<'_>) -> Soon<Authorized> {
        Soon::Now(match question.headers.get("authorization") {
            Some(value) if value == "Bearer t" && question.right == Right::Tickets => {
                assert!(question.channels.is_empty(), "they stand in the body");
                let rights = Rights::none().with(Right::Tickets, [Pattern::parse("room:*").unwrap()]);
                let (subject, expires_at) = (Some("backend".into()), Some(UnixSeconds(u64::MAX)));
                Ok(Some(Box::new(Grant { subject, expires_at, rights, ..Grant::default() })))
            }
            Some(_) => Err(Denied::By(Refusal::Invalid("it is none"))),
            None => Err(Denied::By(Refusal::Missing)),
        })
    }

    fn is_over(&self, _: &Grant) -> bool {
        false
    }
}

fn open(store: &MemoryStore, options: &mut Options) {
    options.authorizer = Some(Arc::new(OneToken));
    options.publish_key = Secret::new("k");
    options.tickets = Some(TicketOptions {
        store: Arc::new(store.clone()),
        max_lifetime: Duration::from_secs(86_400),
        clock: Clock::system(),
    });
}

fn node() -> (Node, MemoryStore) {
    let store = MemoryStore::default();
    (Node::start(|options| open(&store, options)), store)
}

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

fn order(body: &str, headers: &str) -> String {
    format!("POST /tickets HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The status and the body as JSON.
fn answer(client: &mut Client) -> (String, Value) {
    let (head, body) = client.response();
    let status = head.split(' ').nth(1).unwrap().to_owned();
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {head}{body}")))
}

/// Makes a ticket and returns its URL.
fn ticket(node: &Node, body: &str) -> String {
    let (status, receipt) = answer(&mut node.send(order(body, KEY)));
    assert_eq!(status, "201", "{receipt}");
    receipt["url"].as_str().unwrap().to_owned()
}

fn status(node: &Node, request: String) -> String {
    node.send(request).until("\r\n\r\n").split(' ').nth(1).unwrap().to_owned()
}

fn counted(node: &Node, count: impl Fn(&HttpStats) -> u64) -> u64 {
    node.server().stats().iter().map(count).sum()
}

#[test]
fn whoever_has_the_publish_key_makes_a_ticket_and_whoever_has_the_ticket_gets_the_stream() {
    let (node, _) = node();
    let mut client = node.send(order(r#"{"channels":["a"],"ttl":30}"#, KEY));
    let (head, body) = client.response();
    assert!(head.starts_with("HTTP/1.1 201 ") && header(&head, "cache-control") == Some("no-store"), "{head}");
    let receipt: Value = serde_json::from_str(&body).unwrap();
    let ticket = receipt["ticket"].as_str().unwrap();
    assert_eq!((ticket.len(), receipt["expires_in"].as_u64()), (22, Some(30)));
    assert_eq!(receipt["url"], format!("/events?ticket={ticket}"));

    let mut stream = node.send(get(&format!("/events?ticket={ticket}"), STREAM));
    let begun = stream.until("\n\n");
    assert!(begun.starts_with("HTTP/1.1 200 ") && begun.contains("\nid: v"), "the place names its channel: {begun}");
    stream.until("event: $ready\n");
    stream.until("\n\n");
    node.publish("a", "hello");
    let event = stream.until("\n\n");
    assert!(event.contains("data: hello\nid: v"), "{event}");
    // The URL may say it, too, and then the place is as ever.
    let mut named = node.send(get(&format!("/events?ticket={ticket}&channel=a"), STREAM));
    let begun = named.until("\n\n");
    assert!(without_digits(&begun).ends_with("id: #-#\n\n"), "{begun}");
    node.await_sessions(2);
    assert_eq!(counted(&node, |stats| stats.tickets.get()), 1);
    let uses = |what| counted(&node, |stats| stats.ticket_uses.of(what).get());
    assert_eq!((uses(TicketUse::First), uses(TicketUse::Again)), (1, 1));
}

// Fails when a client that comes back with its place gets it told as unknown, or begins anew.
#[test]
fn a_client_comes_back_with_its_place_and_one_without_begins_where_the_ticket_says() {
    let (node, _) = node();
    let ids: Vec<_> = (1..=3).map(|number| node.publish("a", &format!("n{number}"))).collect();
    let url = ticket(&node, &format!(r#"{{"channels":["a"],"from":"{}"}}"#, ids[0]));
    let mut stream = node.send(get(&url, STREAM));
    let begun = stream.until("data: n2\n");
    assert!(!begun.contains("n1") && !begun.contains("$gap"), "{begun}");
    let place = stream.until("\n\n").lines().find_map(|line| line.strip_prefix("id: ").map(str::to_owned)).unwrap();
    let mut back = node.send(get(&url, &format!("{STREAM}Last-Event-ID: {place}\r\n")));
    let resumed = back.until("data: n3\n");
    assert!(!resumed.contains("n2") && !resumed.contains("$gap"), "{resumed}");
    // The same place counts for a URL that names the channel, and a plain one for the ticket's only channel.
    for (url, place) in [(format!("{url}&channel=a"), place), (url.clone(), ids[1].to_string())] {
        let mut back = node.send(get(&url, &format!("{STREAM}Last-Event-ID: {place}\r\n")));
        let resumed = back.until("data: n3\n");
        assert!(!resumed.contains("n2") && !resumed.contains("$gap"), "{resumed}");
    }
}

#[test]
fn a_ticket_of_nobody_and_one_that_is_none_are_answered_401_and_others_channels_403() {
    let (node, _) = node();
    let (unknown, none) = (format!("/events?ticket={}", "A".repeat(22)), "/events?ticket=x".to_owned());
    for url in [&unknown, &none] {
        let (head, body) = node.send(get(url, STREAM)).response();
        assert!(head.starts_with("HTTP/1.1 401 ") && body.contains(":ticket-unknown"), "{head}{body}");
        assert!(header(&head, "www-authenticate").is_some(), "{head}");
    }
    let url = ticket(&node, r#"{"channels":["a","b"]}"#);
    let (head, body) = node.send(get(&format!("{url}&channel=a&channel=c"), STREAM)).response();
    assert!(head.starts_with("HTTP/1.1 403 ") && body.contains("`c`"), "{head}{body}");
    assert_eq!(status(&node, get(&format!("{url}&ticket=x"), STREAM)), "400");
    assert_eq!(status(&node, get(&url, "Accept: text/html\r\n")), "406");
    assert_eq!(status(&node, get(&url, STREAM).replace("GET", "HEAD")), "200");
    assert_eq!(counted(&node, |stats| stats.ticket_uses.of(TicketUse::First).get()), 0, "a look is no use");
    // Without one, somebody else is asked.
    assert_eq!(status(&node, get("/events?channel=a&ticket=", STREAM)), "401");
    node.await_sessions(0);
}

// Fails when the end of a ticket is a refusal that a browser comes back from for ever.
#[test]
fn a_ticket_that_is_over_ends_an_event_source_for_good() {
    let (node, _) = node();
    // Too short for a stream that ends before its grant does.
    let url = ticket(&node, r#"{"channels":["a"],"lifetime":1}"#);
    let mut client = node.send(get(&url, STREAM));
    let head = client.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 204 ") && header(&head, "content-length").is_none(), "{head}");
    support::eventually("the ticket is over", || {
        status(&node, get(&url, STREAM));
        counted(&node, |stats| stats.ticket_uses.of(TicketUse::Over).get()) > 0
    });
    let head = node.send(get(&url, STREAM)).until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 204 ") && header(&head, "cache-control") == Some("no-store"), "{head}");
    assert_eq!(status(&node, get(&url, STREAM).replace("GET", "HEAD")), "204");
    node.await_sessions(0);
}

#[test]
fn a_token_makes_tickets_for_the_channels_that_it_names_and_nobody_else_does() {
    let (node, _) = node();
    let (status, receipt) = answer(&mut node.send(order(r#"{"channels":["room:1","room:2"]}"#, TOKEN)));
    assert_eq!(status, "201", "{receipt}");
    let (status, problem) = answer(&mut node.send(order(r#"{"channels":["room:1","user:7"]}"#, TOKEN)));
    assert_eq!(status, "403", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("`tickets`") && detail.contains("`user:7`"), "{detail}");
    for headers in ["", "Authorization: Bearer x\r\n"] {
        let (status, _) = answer(&mut node.send(order(r#"{"channels":["room:1"]}"#, headers)));
        assert_eq!(status, "401");
    }
    // A node that asks nobody for tokens knows the key only.
    let store = MemoryStore::default();
    let keyed = Node::start(|options| {
        open(&store, options);
        options.authorizer = None;
    });
    assert_eq!(answer(&mut keyed.send(order(r#"{"channels":["a"]}"#, KEY))).0, "201");
    assert_eq!(answer(&mut keyed.send(order(r#"{"channels":["a"]}"#, TOKEN))).0, "401");
}

#[test]
fn an_order_that_is_wrong_is_told_so_and_makes_nothing() {
    let (node, _) = node();
    for (body, said) in [
        ("[]", "no object"),
        (r#"{"channels":[]}"#, "1 to 64"),
        (r#"{"channels":["a"],"lifetime":86401}"#, "86400"),
        (r#"{"channels":["a"],"ttl":3601}"#, "3600"),
        (r#"{"channels":["$a"]}"#, "`$a`"),
    ] {
        let (status, problem) = answer(&mut node.send(order(body, KEY)));
        assert_eq!((&*status, problem["type"].as_str().unwrap()), ("400", "urn:fanfare:problem:ticket-rejected"));
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }
    let large = format!(r#"{{"channels":["a"],"sub":"{}"}}"#, "x".repeat(128 << 10));
    assert_eq!(answer(&mut node.send(order(&large, KEY))).0, "413");
    assert_eq!(answer(&mut node.send(order("x", &format!("{KEY}Content-Encoding: gzip\r\n")))).0, "415");
    assert_eq!(status(&node, get("/tickets", "")), "405");
    assert_eq!(counted(&node, |stats| stats.tickets.get()), 0);
}

#[test]
fn where_tickets_are_off_none_is_made_and_none_counts() {
    let off = Node::start(|options| options.publish_key = Secret::new("k"));
    let (status, problem) = answer(&mut off.send(order(r#"{"channels":["a"]}"#, KEY)));
    assert_eq!((&*status, problem["type"].as_str().unwrap()), ("403", "urn:fanfare:problem:tickets-off"));
    let mut stream = off.send(get("/events?channel=a&ticket=x", STREAM));
    assert!(stream.until("\n\n").starts_with("HTTP/1.1 200 "), "a parameter like any other");
}

// Fails when a stranger's guesses are looked up for ever.
#[test]
fn who_guesses_is_not_looked_up_after_a_hundred_times() {
    let (node, _) = node();
    let mut client = node.connect();
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..150 {
        client.send(get(&format!("/events?ticket={number:0>21}A"), ""));
        let (head, _) = client.response();
        seen.insert(head.split(' ').nth(1).unwrap().to_owned());
        if head.contains("onnection: close") {
            client = node.connect();
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["401", "429"]);
}

// Fails when whoever may make tickets may make any number of them.
#[test]
fn tickets_are_made_at_a_rate() {
    let (node, _) = node();
    let mut client = node.connect();
    let one = order(r#"{"channels":["room:1"]}"#, TOKEN);
    let mut refused = 0;
    for _ in 0..TICKETS_AT_ONCE_MAX / 50 * 2 {
        client.send(one.repeat(50));
        for _ in 0..50 {
            let (head, body) = client.response();
            if head.starts_with("HTTP/1.1 429 ") {
                assert!(
                    header(&head, "retry-after") == Some("1") && body.contains(":too-many-tickets"),
                    "{head}{body}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    assert_eq!(counted(&node, |stats| stats.busy_tickets.get()), refused);
    assert_eq!(answer(&mut node.send(order(r#"{"channels":["a"]}"#, KEY))).0, "201", "another one pays for itself");
}

#[test]
fn a_store_that_is_away_is_a_polite_refusal_and_no_ticket() {
    let (node, store) = node();
    let url = ticket(&node, r#"{"channels":["a"]}"#);
    store.set_offline(true);
    let all = node.send(get(&url, &format!("{STREAM}Last-Event-ID: 7-0\r\n"))).rest();
    assert!(all.starts_with("HTTP/1.1 200 "), "{all}");
    assert_eq!(without_digits(all.split_once("\r\n\r\n").unwrap().1), "retry: #\nid: #-#\n\n");
    assert_eq!(status(&node, get(&url, "")), "503");
    let (head, body) = node.send(order(r#"{"channels":["a"]}"#, KEY)).response();
    assert!(head.starts_with("HTTP/1.1 503 ") && body.contains(":store-unavailable"), "{head}{body}");
    store.set_offline(false);
    assert_eq!(status(&node, get(&url, STREAM)), "200");
}
