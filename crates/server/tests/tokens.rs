//! What clients may do is asked of an authorizer: here one that a test writes.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fanfare_auth::{Grant, Refusal, Right, UnixSeconds};
use fanfare_protocol::ChannelName;
use fanfare_server::{
    Authorized, Authorizer, Denied, HttpStats, Options, Question, Reason, RefusalPolicy, Secret, Soon,
};
use support::{Node, header, without_digits};

/// Remembers what it was asked, and allows what the test says.
#[derive(Debug)]
struct Fake {
    asked: Mutex<Vec<String>>,
    answer: fn(&Question<'_>) -> Authorized,
    is_slow: bool,
    /// That grants which end at 7 are over.
    is_time_up: AtomicBool,
}

impl Fake {
    fn new(is_slow: bool, answer: fn(&Question<'_>) -> Authorized) -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), answer, is_slow, is_time_up: AtomicBool::default() })
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
        let answer = (self.answer)(question);
        if !self.is_slow {
            return Soon::Now(answer);
        }
        Soon::later(async move {
            tokio::task::yield_now().await;
            answer
        })
    }

    fn still(&self, grant: &Grant, _: Right, _: &[ChannelName]) -> Result<(), Denied> {
        let is_over = grant.expires_at == Some(UnixSeconds(7)) && self.is_time_up.load(Ordering::Relaxed);
        if is_over { Err(Denied::By(Refusal::Expired)) } else { Ok(()) }
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

// Seen to fail when `HEAD` asks nobody.
#[test]
fn an_authorizer_is_asked_for_every_right_and_by_nobody_who_has_the_publish_key() {
    for is_slow in [false, true] {
        let fake = Fake::new(is_slow, |_| Ok(None));
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
        let fake = Fake::new(is_slow, |_| Err(Denied::By(Refusal::Missing)));
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

fn denied(answer: fn(&Question<'_>) -> Authorized) -> Node {
    node(&Fake::new(false, answer), |_| {})
}

fn counted(node: &Node, right: Right, reason: &str) -> u64 {
    let index = Denied::REASONS.iter().position(|name| *name == reason).unwrap();
    let of = |stats: &HttpStats| stats.denied.of(right)[index].get();
    node.server().stats().iter().map(of).sum()
}

const STREAM: &str = "Accept: text/event-stream\r\n";

// Seen to fail when its place is not told again.
#[test]
fn a_client_whose_token_expired_lately_is_told_politely_and_keeps_its_place() {
    let node = denied(|_| Err(Denied::By(Refusal::Expired)));
    for (place, expected) in [
        ("", "retry: #\nevent: $expired\ndata: {}\n\n"),
        ("Last-Event-ID: 7-0\r\n", "retry: #\nevent: $expired\ndata: {}\nid: #-#\n\n"),
        ("Last-Event-ID: z9\r\n", "retry: #\n"),
    ] {
        let all = node.send(request("GET /events?channel=a", &format!("{STREAM}{place}"))).rest();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && header(head, "content-length").is_some(), "{head}");
        assert_eq!(without_digits(body), expected);
        let ms: u64 = body.lines().next().unwrap().strip_prefix("retry: ").unwrap().parse().unwrap();
        assert!((5_000..=15_000).contains(&ms), "{ms}");
    }
    let head = node.send(request("HEAD /events?channel=a", STREAM)).until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!((counted(&node, Right::Subscribe, "expired"), counted(&node, Right::Subscribe, "invalid")), (4, 0));
    node.await_sessions(0);
}

#[test]
fn whoever_is_no_event_source_is_told_of_an_expired_token_by_a_status() {
    let expired = |_: &Question<'_>| Err(Denied::By(Refusal::Expired));
    let (polite, strict) = (
        denied(expired),
        node(&Fake::new(true, expired), |options| {
            options.admission.refusal = RefusalPolicy::Status;
        }),
    );
    for (node, asked) in [
        (&polite, request("GET /events?channel=a", "")),
        (&polite, request("GET /events?channel=a&close=abort", STREAM)),
        (&strict, request("GET /events?channel=a", STREAM)),
        (&polite, request("GET /channels/a/history", "")),
        (&polite, post("")),
    ] {
        let (head, body) = node.send(asked).response();
        assert!(head.starts_with("HTTP/1.1 401 ") && body.contains(":token-expired"), "{head}{body}");
        let challenge = header(&head, "www-authenticate").unwrap();
        assert!(challenge.starts_with(r#"Bearer realm="fanfare", error="invalid_token""#), "{challenge}");
    }
    let counts = Right::ALL.map(|right| counted(&polite, right, "expired"));
    assert_eq!(counts, [2, 1, 1, 0]);
}

#[test]
fn a_token_that_does_not_allow_it_is_answered_403_with_the_channel_and_the_right() {
    let node = denied(|_| {
        let (right, channel) = (Right::Subscribe, ChannelName::parse("b").unwrap());
        Err(Denied::By(Refusal::Forbidden { right, channel }))
    });
    let (head, body) = node.send(request("GET /events?channel=a&channel=b", STREAM)).response();
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert!(body.contains("`b`") && body.contains("`subscribe`"), "{body}");
    assert!(header(&head, "www-authenticate").unwrap().contains("insufficient_scope"), "{head}");
    assert_eq!(counted(&node, Right::Subscribe, "forbidden"), 1);
}

#[test]
fn what_cannot_be_decided_now_is_a_polite_refusal_and_503_to_others() {
    for reason in [Denied::By(Refusal::Unavailable), Denied::Undecided] {
        let (answer, name): (fn(&Question<'_>) -> Authorized, _) = match reason {
            Denied::Undecided => (|_| Err(Denied::Undecided), "undecided"),
            _ => (|_| Err(Denied::By(Refusal::Unavailable)), "unavailable"),
        };
        let node = denied(answer);
        let all = node.send(request("GET /events?channel=a", &format!("{STREAM}Last-Event-ID: 7-0\r\n"))).rest();
        assert_eq!(without_digits(all.split_once("\r\n\r\n").unwrap().1), "retry: #\nid: #-#\n\n");
        for asked in [request("GET /events?channel=a", ""), request("GET /channels/a/history", ""), post("")] {
            let (head, _) = node.send(asked).response();
            assert!(head.starts_with("HTTP/1.1 503 ") && header(&head, "retry-after").is_some(), "{head}");
        }
        assert_eq!(Right::ALL.map(|right| counted(&node, right, name)), [2, 1, 1, 0]);
        let stats = node.server().stats();
        assert!(stats.iter().all(|each| each.busy_publishes.get() + each.busy_histories.get() == 0), "it is not busy");
    }
}

/// Asks for a header, as a gate does for a token.
fn wants_a_token(question: &Question<'_>) -> Authorized {
    if question.headers.contains_key("authorization") { Ok(None) } else { Err(Denied::By(Refusal::Missing)) }
}

// Seen to fail when who is denied counts for the rate at which streams may begin.
#[test]
fn a_stranger_takes_nothing_of_the_rate_at_which_others_streams_begin() {
    const STRANGERS: usize = 10_000;
    for is_slow in [false, true] {
        let node = node(&Fake::new(is_slow, wants_a_token), |options| {
            options.admission.connects_per_second = std::num::NonZeroU32::new(2);
        });
        let mut stranger = node.connect();
        for _ in 0..STRANGERS / 50 {
            stranger.send(request("GET /events?channel=a", STREAM).repeat(50));
            (0..50).for_each(|_| assert!(stranger.response().0.starts_with("HTTP/1.1 401 ")));
        }
        let mut stream = node.send(request("GET /events?channel=a", &format!("{STREAM}{BEARER}")));
        assert!(stream.until("\n\n").contains("\nid: "), "it begins");
        assert_eq!(node.server().admission().refused(Reason::Rate), 0);
        node.await_sessions(1);
    }
}

// Seen to fail when a token that nobody looks at is enough.
#[test]
fn where_nobody_is_asked_no_token_publishes() {
    for (key, status) in [(None, "403"), (Secret::new("k"), "401")] {
        let node = Node::start(|options| (options.publish_key, options.publish_tokens) = (key, true));
        for headers in ["", BEARER] {
            let (head, _) = node.send(post(headers)).response();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        }
        assert_eq!(node.store.last_id("a".parse::<ChannelName>().unwrap()), None, "nothing was published");
    }
}

// Seen to fail when streams do not have it.
#[test]
fn answers_of_a_node_that_asks_for_tokens_are_never_taken_for_scripts() {
    let asked = [
        request("GET /events?channel=a", &format!("{STREAM}{BEARER}")),
        request("GET /events?channel=a", STREAM),
        request("GET /channels/a/history", BEARER),
        request("GET /nowhere", ""),
    ];
    let has_it = |node: &Node, asked: &String| {
        let head = node.send(asked).until("\r\n\r\n");
        header(&head, "x-content-type-options") == Some("nosniff")
    };
    let guarded = node(&Fake::new(false, wants_a_token), |_| {});
    let open = Node::start(|options| options.history.enabled = true);
    for asked in &asked {
        assert!(has_it(&guarded, asked) && !has_it(&open, asked), "{asked}");
    }
}

// Seen to fail when a grant is asked for its end only before the body is there.
#[test]
fn a_publish_whose_body_takes_longer_than_its_token_publishes_nothing() {
    let limited = |_: &Question<'_>| {
        let grant = Grant { expires_at: Some(UnixSeconds(7)), ..Grant::default() };
        Ok(Some(Box::new(grant)))
    };
    let fake = Fake::new(false, limited);
    let node = node(&fake, |_| {});
    assert!(node.send(post(BEARER)).response().0.starts_with("HTTP/1.1 201 "));
    let first = node.store.last_id("a".parse::<ChannelName>().unwrap());
    let mut late = node.send(request("POST /channels/a/events", &format!("{BEARER}Content-Length: 2\r\n")) + "x");
    support::eventually("the question", || fake.asked().iter().any(|asked| asked.starts_with("publish")));
    fake.is_time_up.store(true, Ordering::Relaxed);
    late.send("y");
    let (head, body) = late.response();
    assert!(head.starts_with("HTTP/1.1 401 ") && body.contains(":token-expired"), "{head}{body}");
    assert_eq!(node.store.last_id("a".parse::<ChannelName>().unwrap()), first);
    assert_eq!(counted(&node, Right::Publish, "expired"), 1);
}

/// What a gate says of tokens: `g` is genuine. What is public needs none.
fn judges(question: &Question<'_>) -> Authorized {
    match question.headers.get("authorization").map(|value| value.as_bytes()) {
        _ if question.channels.iter().all(|channel| channel.as_str() == "public") => Ok(None),
        None => Err(Denied::By(Refusal::Missing)),
        _ if question.is_doubtful => Err(Denied::Unchecked),
        Some(b"Bearer g") => Ok(None),
        Some(_) => Err(Denied::By(Refusal::Invalid("it is none"))),
    }
}

// Seen to fail when worthless tokens are not counted, and when they are for everybody.
#[test]
fn a_client_that_sends_worthless_tokens_is_soon_refused_unchecked_and_nobody_else_is() {
    let node = node(&Fake::new(false, judges), |options| {
        options.cores = 1;
        options.admission.proxies.trusted = vec!["127.0.0.1".parse().unwrap()];
    });
    let from = |last: u8| format!("X-Forwarded-For: 192.0.2.{last}\r\n");
    let mut mallory = node.connect();
    for round in 0..250 {
        mallory.send(match round % 3 {
            0 => request("GET /channels/a/history", &format!("{BEARER}{}", from(1))),
            1 => post(&format!("{BEARER}{}", from(1))),
            _ => request("GET /events?channel=a&close=abort", &format!("{BEARER}{}", from(1))),
        });
        let (head, body) = mallory.response();
        if head.starts_with("HTTP/1.1 401 ") {
            continue;
        }
        assert!(head.starts_with("HTTP/1.1 429 ") && body.contains(":too-many-tokens"), "{round}: {head}{body}");
        assert!(header(&head, "retry-after").is_some(), "{head}");
        if header(&head, "connection").is_some() {
            mallory = node.connect();
        }
    }
    let total = |reason| Right::ALL.map(|right| counted(&node, right, reason)).iter().sum::<u64>();
    let checked = total("invalid");
    assert!((100..150).contains(&checked) && total("unchecked") == 250 - checked, "{checked}");

    let genuine = "Authorization: Bearer g\r\n";
    let ask = |channel: &str, token: &str, last: u8| {
        let line = format!("GET /events?channel={channel}");
        node.send(request(&line, &format!("{STREAM}{token}{}", from(last)))).until("\n\n")
    };
    assert!(ask("a", genuine, 1).contains("\r\ncontent-length: "), "a refusal, told politely");
    assert!(ask("public", genuine, 1).contains("\nid: "), "what is public stays open");
    assert!(ask("a", genuine, 2).contains("\nid: "), "others are not concerned");
    let refused = Reason::ALL.map(|reason| node.server().admission().refused(reason));
    assert_eq!(refused, [0; Reason::ALL.len()]);
}

// Fails when a stream that comes back is ended for good by an application that is in trouble, and when who comes for the first time is not
// told at once what it is.
#[test]
fn who_comes_back_is_told_politely_of_a_young_denial_and_keeps_its_place() {
    for is_slow in [false, true] {
        let fake = Fake::new(is_slow, |_| Err(Denied::Young(Box::new(Denied::NotAllowed(None)))));
        let node = node(&fake, |_| {});
        let accept = "Accept: text/event-stream\r\n";
        let all = node.send(request("GET /events?channel=a", &format!("{accept}Last-Event-ID: 7-0\r\n"))).rest();
        assert!(
            all.starts_with("HTTP/1.1 200 ") && all.contains("event: $expired") && all.contains("id: 7-0"),
            "{all}"
        );
        for told_by_a_status in [
            request("GET /events?channel=a&close=abort", &format!("{accept}Last-Event-ID: 7-0\r\n")),
            request("GET /events?channel=a", "Last-Event-ID: 7-0\r\n"),
        ] {
            let (head, _) = node.send(told_by_a_status).response();
            assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: "), "it may pass: {head}");
        }
        for first in [request("GET /events?channel=a", accept), request("GET /channels/a/history", ""), post("")] {
            let (head, body) = node.send(first).response();
            assert!(
                head.starts_with("HTTP/1.1 403 ") && body.contains("The application does not allow this"),
                "{head}"
            );
        }
        node.await_sessions(0);
        assert_eq!(node.server().admission().refused(Reason::Unavailable), 0);
    }
}

// Fails when what an application or an issuer does not answer counts among what the node has no room for.
#[test]
fn what_others_do_not_answer_is_no_refusal_of_the_node() {
    for denied in [Denied::Unasked, Denied::By(Refusal::Unavailable)] {
        let fake = match denied {
            Denied::Unasked => Fake::new(true, |_| Err(Denied::Unasked)),
            _ => Fake::new(true, |_| Err(Denied::By(Refusal::Unavailable))),
        };
        let node = node(&fake, |_| {});
        let all = node.send(request("GET /events?channel=a", "Accept: text/event-stream\r\n")).rest();
        assert!(all.starts_with("HTTP/1.1 200 ") && all.contains("retry: "), "{all}");
        assert_eq!(node.server().admission().refused(Reason::Unavailable), 0);
    }
}
