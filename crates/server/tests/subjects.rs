//! How much of a node one subject may take, wherever it comes from, and that its neighbours do not pay for it.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

mod support;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Grant, Right, UnixSeconds};
use fanfare_log::TicketStore;
use fanfare_log::memory::MemoryStore;
use fanfare_protocol::ChannelName;
use fanfare_server::{
    Authorized, Authorizer, Clock, Denied, Options, Question, Reason, RefusalPolicy, Secret, Soon, TicketOptions,
};
use serde_json::Value;
use support::{Node, header};

/// Allows everything. The subject is what stands in the token; without a token nothing is needed.
#[derive(Debug)]
struct BySubject;

impl Authorizer for BySubject {
    fn authorize(&self, question: &Question<'_>) -> Soon<Authorized> {
        let token = question.headers.get("authorization").and_then(|value| value.to_str().ok());
        let subject = token.and_then(|token| token.strip_prefix("Bearer "));
        let grant = |subject: &str| {
            let (subject, expires_at) = (Some(subject.into()), Some(UnixSeconds(u64::MAX)));
            Box::new(Grant { subject, expires_at, ..Grant::default() })
        };
        Soon::Now(Ok(subject.map(grant)))
    }

    fn still(&self, _: &Grant, _: Right, _: &[ChannelName]) -> Result<(), Denied> {
        Ok(())
    }
}

/// A node behind a proxy, which says from where each request comes.
fn node(change: impl FnOnce(&mut Options)) -> Node {
    Node::start(|options| {
        options.authorizer = Some(Arc::new(BySubject));
        options.publish_key = Secret::new("k");
        options.publish_tokens = true;
        options.admission.proxies.trusted = vec!["127.0.0.0/8".parse().unwrap()];
        change(options);
    })
}

const STREAM: &str = "Accept: text/event-stream\r\n";

fn get(target: &str, subject: &str, from: &str, headers: &str) -> String {
    let token = if subject.is_empty() { String::new() } else { format!("Authorization: Bearer {subject}\r\n") };
    format!("GET {target} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {from}\r\n{token}{headers}\r\n")
}

fn publish(token: &str, from: &str) -> String {
    format!(
        "POST /channels/a/events HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {from}\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 1\r\n\r\nx"
    )
}

fn refused(node: &Node, reason: Reason) -> u64 {
    node.server().admission().refused(reason)
}

const HERE: &str = "192.0.2.1";
const THERE: &str = "198.51.100.7";

// Fails when each address has a count of its own, when neighbours share one, and when a place does not come back.
#[test]
fn a_subject_has_its_streams_from_all_its_addresses_together_and_is_told_so_politely() {
    let node = node(|options| options.admission.per_subject = Some(2));
    let open = |subject: &str, from: &str| {
        let mut client = node.send(get("/events?channel=a", subject, from, STREAM));
        assert!(client.until("\n\n").contains("\nid: "), "{subject} from {from}");
        client
    };
    let held = [open("7", HERE), open("7", THERE)];
    for from in [HERE, THERE, "203.0.113.5"] {
        let asked = get("/events?channel=a", "7", from, &format!("{STREAM}Last-Event-ID: 5-0\r\n"));
        let (head, body) = node.send(asked).response();
        assert!(head.starts_with("HTTP/1.1 200 ") && header(&head, "content-length").is_some(), "{head}");
        assert!(body.starts_with("retry: ") && body.ends_with("\nid: 5-0\n\n"), "{body}");
    }
    let (head, body) = node.send(get("/events?channel=a", "7", HERE, "")).response();
    assert!(head.starts_with("HTTP/1.1 429 ") && header(&head, "retry-after").is_some(), "{head}");
    assert!(body.contains("Too many streams of this subject are open."), "{body}");
    assert_eq!((refused(&node, Reason::Subject), refused(&node, Reason::Address)), (4, 0));
    // Its neighbours, with a token or without.
    let others = [open("8", HERE), open("", HERE), open("", HERE), open("", HERE)];
    drop(held);
    node.await_sessions(others.len());
    open("7", THERE);
}

#[test]
fn a_subject_begins_so_many_streams_and_channels_in_a_second() {
    let node = node(|options| {
        options.admission.refusal = RefusalPolicy::Status;
        options.admission.subject_connects_per_second = NonZeroU32::new(1);
        options.admission.subject_channels_per_second = NonZeroU32::new(1);
        options.requests.channels = 256;
    });
    let whole: Vec<_> = (0..256).map(|number| format!("channel={number}")).collect();
    let whole = format!("/events?{}", whole.join("&"));
    let answer = |target: &str, subject: &str, from: &str| {
        let head = node.send(get(target, subject, from, STREAM)).until("\r\n\r\n");
        head.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(answer(&whole, "7", HERE), "200", "one full stream may come in any case");
    assert_eq!(answer("/events?channel=a", "7", THERE), "429");
    assert_eq!(refused(&node, Reason::SubjectRate), 1);
    support::eventually("a stream may come again, with few channels", || {
        assert_eq!(answer(&whole, "7", THERE), "429");
        refused(&node, Reason::SubjectChannels) > 0
    });
    for subject in ["8", ""] {
        assert_eq!(answer(&whole, subject, HERE), "200", "{subject}");
    }
}

#[test]
fn an_address_begins_so_many_streams_in_a_second_and_a_refused_subject_takes_none_of_them() {
    let node = node(|options| {
        options.admission.refusal = RefusalPolicy::Status;
        options.admission.per_subject = Some(1);
        options.admission.address_connects_per_second = NonZeroU32::new(4);
    });
    let mut streams = Vec::new();
    let mut answer = |subject: &str, from: &str| {
        let mut client = node.send(get("/events?channel=a", subject, from, STREAM));
        let head = client.until("\r\n\r\n");
        streams.push(client);
        head.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(answer("7", HERE), "200");
    for _ in 0..20 {
        assert_eq!(answer("7", HERE), "429");
    }
    assert_eq!((refused(&node, Reason::Subject), refused(&node, Reason::AddressRate)), (20, 0));
    let answers: Vec<_> = (0..20).map(|_| answer("", HERE)).collect();
    assert!(answers[..3].iter().all(|status| status == "200") && answers.contains(&"429".to_owned()), "{answers:?}");
    assert!(refused(&node, Reason::AddressRate) > 0);
    assert_eq!(answer("", THERE), "200");
}

// Fails when the body is waited for, or published.
#[test]
fn a_subject_publishes_so_many_events_in_a_second_and_the_publish_key_as_many_as_it_likes() {
    let node = node(|options| options.admission.subject_publishes_per_second = NonZeroU32::new(2));
    let status = |token: &str, from: &str| {
        let (head, body) = node.send(publish(token, from)).response();
        (head.split(' ').nth(1).unwrap().to_owned(), head, body)
    };
    assert_eq!([status("7", HERE).0, status("7", THERE).0], ["201", "201"]);
    let before = node.publish("a", "between");
    let without_its_body = publish("7", HERE).replace("\r\n\r\nx", "\r\n\r\n");
    let (head, body) = node.send(without_its_body).response();
    assert!(head.starts_with("HTTP/1.1 429 ") && header(&head, "retry-after") == Some("1"), "{head}");
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["type"], "urn:fanfare:problem:too-many-publishes");
    assert_eq!(refused(&node, Reason::Publishes), 1);
    for (token, from) in [("8", HERE), ("k", HERE), ("k", HERE), ("k", HERE)] {
        let (status, _, body) = status(token, from);
        assert_eq!(status, "201", "{token}");
        let receipt: Value = serde_json::from_str(&body).unwrap();
        assert_ne!(receipt["id"], before.to_string());
    }
    support::eventually("some have come back", || status("7", THERE).0 == "201");
}

// Fails when the life of a ticket begins though its holder has no place for the stream.
#[test]
fn the_subject_of_a_ticket_counts_and_a_ticket_without_a_place_stays_unused() {
    let store = MemoryStore::default();
    let node = node(|options| {
        options.admission.per_subject = Some(1);
        options.tickets = Some(TicketOptions {
            store: Arc::new(store.clone()),
            max_life: Duration::from_secs(3_600),
            clock: Clock::system(),
        });
    });
    let ticket = || {
        let order = r#"{"channels":["a"],"sub":"7"}"#;
        let length = order.len();
        let request = format!(
            "POST /tickets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: {length}\r\n\r\n{order}"
        );
        let (_, body) = node.send(request).response();
        let receipt: Value = serde_json::from_str(&body).unwrap();
        receipt["ticket"].as_str().unwrap().to_owned()
    };
    let open = |ticket: &str, from: &str| node.send(get(&format!("/events?ticket={ticket}"), "", from, STREAM));
    let is_used = |ticket: &str| {
        let name = fanfare_auth::Ticket::parse(ticket).unwrap().name();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.find(name)).unwrap().used.is_some()
    };
    let [first, second] = [ticket(), ticket()];
    let mut stream = open(&first, HERE);
    assert!(stream.until("\n\n").contains("\nid: v"));
    let (head, body) = open(&second, THERE).response();
    assert!(head.starts_with("HTTP/1.1 200 ") && body.starts_with("retry: "), "{head}{body}");
    assert_eq!((refused(&node, Reason::Subject), is_used(&first), is_used(&second)), (1, true, false));
    drop(stream);
    node.await_sessions(0);
    assert!(open(&second, THERE).until("\n\n").contains("\nid: v"));
    assert!(is_used(&second));
}
