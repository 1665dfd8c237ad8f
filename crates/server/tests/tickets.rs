//! Tickets over HTTP: who makes them, and what they are good for.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanfare_auth::{
    Algorithm, Audience, Gate, GateOptions, Grant, IssuerOptions, KeySource, Refusal, RevocationEntry,
    RevocationTarget, Right, Rights, SigningKey, Ticket, UnixSeconds,
};
use fanfare_log::memory::{Bell, MemoryOptions, MemoryStore};
use fanfare_log::{AppendRequest, HeldTicket, Hub, TicketAnswer, TicketStore};
use fanfare_protocol::limits::{
    TICKET_ORDER_BYTES_MAX, TICKET_ORDERS_BYTES_MAX, TICKETS_AT_ONCE_MAX, TICKETS_WAITING_MAX,
};
use fanfare_protocol::{ChannelName, Event, LogName, Pattern, TicketName};
use fanfare_server::{
    Authorized, Authorizer, Clock, Cors, DeliveryOptions, Denied, Gatekeeper, HttpStats, KnownRevocations, Options,
    Question, RefusalPolicy, Secret, Soon, TicketOptions, TicketUse,
};
use serde_json::Value;
use support::{Client, Node, header, without_digits};

const KEY: &str = "Authorization: Bearer k\r\n";
const TOKEN: &str = "Authorization: Bearer t\r\n";
const STREAM: &str = "Accept: text/event-stream\r\n";

/// Of no ticket that was made, and over in 80 years.
const UNKNOWN: &str = "__________________________8";

/// Lets the token `t` make tickets for `room:*`, and nobody else do anything.
#[derive(Debug, Default)]
struct OneToken {
    /// What it gave is over meanwhile.
    is_over: AtomicBool,
}

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

    fn still(&self, _: &Grant, _: Right, _: &[ChannelName]) -> Result<(), Denied> {
        if self.is_over.load(Ordering::Relaxed) { Err(Denied::By(Refusal::Expired)) } else { Ok(()) }
    }
}

fn open(store: &MemoryStore, options: &mut Options) {
    options.authorizer = Some(Arc::new(OneToken::default()));
    options.publish_key = Secret::new("k");
    options.tickets = Some(TicketOptions {
        store: Arc::new(store.clone()),
        max_life: Duration::from_secs(86_400),
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
    assert_eq!((ticket.len(), receipt["expires_in"].as_u64()), (27, Some(30)));
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
    // Beside a ticket nothing else that could let somebody in is looked at.
    let others = format!("{STREAM}Authorization: Bearer x\r\nCookie: session=x\r\n");
    assert_eq!(status(&node, get(&format!("/events?ticket={ticket}"), &others)), "200");
    node.await_sessions(2);
    assert_eq!(counted(&node, |stats| stats.tickets.get()), 1);
    let uses = |what| counted(&node, |stats| stats.ticket_uses.of(what).get());
    assert_eq!((uses(TicketUse::First), uses(TicketUse::Again)), (1, 2));
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
    // The same place counts for a URL that names the channel, and there a plain one does too.
    let named = format!("{url}&channel=a");
    for place in [place, ids[1].to_string()] {
        let mut back = node.send(get(&named, &format!("{STREAM}Last-Event-ID: {place}\r\n")));
        let resumed = back.until("data: n3\n");
        assert!(!resumed.contains("n2") && !resumed.contains("$gap"), "{resumed}");
    }
    // It may be another channel's where the ticket names the channel: what the ticket says counts, and it is told.
    let mut other = node.send(get(&url, &format!("{STREAM}Last-Event-ID: {}\r\n", ids[2])));
    let begun = other.until("data: n2\n");
    assert!(begun.contains("unknown_position") && !begun.contains("n1"), "{begun}");
}

#[test]
fn a_ticket_of_nobody_and_one_that_is_none_are_answered_401_and_others_channels_403() {
    let (node, _) = node();
    let (unknown, none) = (format!("/events?ticket={UNKNOWN}"), "/events?ticket=x".to_owned());
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
    assert_eq!(counted(&node, |stats| stats.ticket_uses.of(TicketUse::First).get()), 0, "a check is no use");
    // Without one, somebody else is asked.
    assert_eq!(status(&node, get("/events?channel=a&ticket=", STREAM)), "401");
    node.await_sessions(0);
}

/// A node whose tickets are kept by a clock that a test puts forward, in seconds.
fn node_with_a_clock() -> (Node, Arc<AtomicU64>) {
    let ahead = Arc::new(AtomicU64::new(0));
    let clock = {
        let ahead = Arc::clone(&ahead);
        move || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            u64::try_from(now.as_millis()).unwrap() + ahead.load(Ordering::Relaxed) * 1_000
        }
    };
    let store = MemoryStore::new(MemoryOptions { clock: Arc::new(clock), ..MemoryOptions::default() });
    (Node::start(|options| open(&store, options)), ahead)
}

// Fails when the end of a ticket is a refusal that a browser comes back from for ever.
#[test]
fn a_ticket_that_is_over_ends_an_event_source_for_good() {
    let (node, ahead) = node_with_a_clock();
    // The shortest that may be ordered opens a stream.
    let url = ticket(&node, r#"{"channels":["a"],"lifetime":10}"#);
    assert!(node.send(get(&url, STREAM)).until("\n\n").starts_with("HTTP/1.1 200 "));
    ahead.store(10, Ordering::Relaxed);
    let head = node.send(get(&url, STREAM)).until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 204 ") && header(&head, "cache-control") == Some("no-store"), "{head}");
    assert_eq!(header(&head, "content-length"), None, "{head}");
    assert_eq!(status(&node, get(&url, STREAM).replace("GET", "HEAD")), "204");
    assert_eq!(counted(&node, |stats| stats.ticket_uses.of(TicketUse::Over).get()), 1);
    // Long after that, the store has forgotten it.
    let yesterdays = format!("/events?ticket={}", "A".repeat(27));
    assert_eq!(status(&node, get(&yesterdays, STREAM)), "204");
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
        (r#"{"channels":["a"],"lifetime":86401}"#, "86340"),
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
    for ticket in ["x", UNKNOWN] {
        let mut stream = off.send(get(&format!("/events?channel=a&ticket={ticket}"), STREAM));
        assert!(stream.until("\n\n").starts_with("HTTP/1.1 200 "), "a parameter like any other");
    }
    let nothing_named = off.send(get("/events?ticket=x", STREAM)).until("\r\n\r\n");
    assert!(nothing_named.starts_with("HTTP/1.1 400 "), "{nothing_named}");
}

// Fails when a browser whose ticket another node made gives up for ever at the first node where tickets are not on yet.
#[test]
fn who_comes_with_a_ticket_to_a_node_where_tickets_are_off_keeps_its_place_for_another_node() {
    let off = Node::start(|options| options.authorizer = Some(Arc::new(OneToken::default())));
    for more in ["", "&channel=a"] {
        let url = format!("/events?ticket={UNKNOWN}{more}");
        let all = off.send(get(&url, &format!("{STREAM}Last-Event-ID: 7-0\r\n"))).rest();
        assert!(all.starts_with("HTTP/1.1 200 "), "{all}");
        assert_eq!(without_digits(all.split_once("\r\n\r\n").unwrap().1), "retry: #\nid: #-#\n\n");
        let (head, body) = off.send(get(&url, "")).response();
        assert!(head.starts_with("HTTP/1.1 503 ") && body.contains("another one may take it"), "{head}{body}");
    }
    off.await_sessions(0);
}

// Fails when what is no ticket, or a number of unknown ones, shuts the door to everybody at the same address.
#[test]
fn wrong_tickets_keep_nobody_at_the_same_address_out() {
    let (node, _) = node();
    let url = ticket(&node, r#"{"channels":["a"]}"#);
    let mut client = node.connect();
    for number in 0..300 {
        let wrong = if number % 2 == 0 { "x".to_owned() } else { format!("{number:0>20}______8") };
        client.send(get(&format!("/events?ticket={wrong}"), STREAM));
        let (head, _) = client.response();
        assert!(head.starts_with("HTTP/1.1 401 "), "{number} {head}");
    }
    let mut stream = node.send(get(&url, STREAM));
    assert!(stream.until("\n\n").starts_with("HTTP/1.1 200 "));
    node.await_sessions(1);
}

/// A node whose tokens are real ones.
fn node_with_a_gate(change: impl FnOnce(&mut Options)) -> (Node, impl Fn(Right) -> String) {
    const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
    let issuer = IssuerOptions {
        issuer: None,
        audience: Audience::Any,
        keys: vec![KeySource::Secret(SECRET.to_vec())],
        ..IssuerOptions::default()
    };
    let gate = Gate::new(GateOptions { issuers: vec![issuer], ..GateOptions::default() }).unwrap();
    let keeper = Gatekeeper::new(Arc::new(gate), None, Cors::default(), Clock::system(), Duration::from_secs(5));
    let store = MemoryStore::default();
    let node = Node::start(|options| {
        open(&store, options);
        options.authorizer = Some(Arc::new(keeper));
        change(options);
    });
    let bearer = |right: Right| {
        let exp = Clock::system().wall_ms() / 1_000 + 600;
        let claims = serde_json::json!({"exp": exp, "fanfare": {right.as_str(): ["room:*"]}});
        let key = SigningKey::secret(SECRET).unwrap();
        let token = key.sign(Algorithm::Hs256, None, claims.as_object().unwrap()).unwrap();
        format!("Authorization: Bearer {token}\r\n")
    };
    (node, bearer)
}

/// The head of an order whose body does not come.
fn announced(bytes: usize, headers: &str) -> String {
    format!("POST /tickets HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {bytes}\r\n\r\n")
}

// Fails when the body of somebody is waited for, and holds memory, who may make no ticket at all.
#[test]
fn whoever_may_make_none_is_told_so_before_the_body_is_there() {
    let (node, bearer) = node_with_a_gate(|_| {});
    for right in [Right::Subscribe, Right::Publish, Right::History] {
        let (head, body) = node.send(announced(TICKET_ORDER_BYTES_MAX, &bearer(right))).response();
        assert!(head.starts_with("HTTP/1.1 403 ") && body.contains("`tickets`"), "{head}{body}");
    }
    let made = answer(&mut node.send(order(r#"{"channels":["room:1"]}"#, &bearer(Right::Tickets))));
    assert_eq!(made.0, "201", "{}", made.1);
}

// Fails when those who make tickets can keep others from publishing.
#[test]
fn orders_of_tickets_take_no_room_from_publishes() {
    let (node, _) = node();
    let hold = || {
        let mut client = node.send(announced(TICKET_ORDER_BYTES_MAX, &format!("{KEY}Expect: 100-continue\r\n")));
        // Its bytes are held before they are asked for.
        assert!(client.until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
        client
    };
    let held: Vec<_> = (0..TICKET_ORDERS_BYTES_MAX / TICKET_ORDER_BYTES_MAX).map(|_| hold()).collect();
    assert_eq!(answer(&mut node.send(order(r#"{"channels":["a"]}"#, KEY))).0, "503");
    assert!(counted(&node, |stats| stats.busy_tickets.get()) > 0);
    let publish = |node: &Node| {
        let data = "x".repeat(4_000);
        let request = format!("POST /channels/a/events HTTP/1.1\r\nHost: x\r\n{KEY}Content-Length: 4000\r\n\r\n{data}");
        status(node, request)
    };
    assert_eq!(publish(&node), "201");
    drop(held);
    support::eventually("the room is given back", || {
        answer(&mut node.send(order(r#"{"channels":["a"]}"#, KEY))).0 == "201"
    });
    // With little room for publishes, none of it is taken.
    let (little, _) = node_with_a_gate(|options| options.requests.publish_bytes = 10_000);
    let _held = little.send(announced(9_000, KEY));
    little.send(get("/", "")).until("\r\n\r\n");
    assert_eq!(publish(&little), "201");
}

// Fails when a grant that ends while the body is on its way makes a ticket.
#[test]
fn a_token_that_is_over_when_the_body_is_there_makes_no_ticket() {
    let store = MemoryStore::default();
    let token = Arc::new(OneToken::default());
    let node = Node::start(|options| {
        open(&store, options);
        options.authorizer = Some(Arc::clone(&token) as Arc<dyn Authorizer>);
    });
    let body = r#"{"channels":["room:1"]}"#;
    let mut client = node.send(announced(body.len(), TOKEN));
    token.is_over.store(true, Ordering::Relaxed);
    client.send(body);
    let (status, problem) = answer(&mut client);
    assert_eq!((&*status, problem["type"].as_str().unwrap()), ("401", "urn:fanfare:problem:token-expired"));
    assert_eq!(counted(&node, |stats| stats.tickets.get()), 0);
}

// Fails when a ticket counts for more channels than a stream may have here.
#[test]
fn a_node_with_a_lower_bound_on_channels_serves_those_that_the_url_names() {
    let store = MemoryStore::default();
    let here = Node::start(|options| open(&store, options));
    let there = Node::start(|options| {
        open(&store, options);
        options.requests.channels = 1;
    });
    let url = ticket(&here, r#"{"channels":["a","b"]}"#);
    let (head, body) = there.send(get(&url, STREAM)).response();
    assert!(head.starts_with("HTTP/1.1 400 ") && body.contains(":too-many-channels"), "{head}{body}");
    assert_eq!(status(&there, get(&format!("{url}&channel=b"), STREAM)), "200");
    assert_eq!(status(&here, get(&url, STREAM)), "200");
}

/// A store for whose answer a node waits as long as its clock is behind the system's: the look puts it right.
#[derive(Debug)]
struct Slow {
    store: MemoryStore,
    /// In seconds.
    behind: Arc<AtomicU64>,
}

impl TicketStore for Slow {
    fn now_ms(&self) -> TicketAnswer<u64> {
        self.store.now_ms()
    }

    fn make(&self, ticket: TicketName, record: Bytes, ttl: Duration) -> TicketAnswer<()> {
        self.store.make(ticket, record, ttl)
    }

    fn find(&self, ticket: TicketName) -> TicketAnswer<HeldTicket> {
        self.behind.store(0, Ordering::Relaxed);
        self.store.find(ticket)
    }

    fn use_first(&self, ticket: TicketName, record: Bytes, keep: Duration) -> TicketAnswer<Bytes> {
        self.store.use_first(ticket, record, keep)
    }
}

// Seen to fail when the client is told 204: its EventSource would have given up for ever on a ticket that is good for a minute.
#[test]
fn a_ticket_of_which_the_store_tells_late_is_not_called_over_because_its_grant_is() {
    let store = MemoryStore::default();
    let behind = Arc::new(AtomicU64::new(0));
    let clock = {
        let (system, behind) = (Clock::system(), Arc::clone(&behind));
        Clock::from_fn(move || system.wall_ms() - behind.load(Ordering::Relaxed) * 1_000)
    };
    let node = Node::start(|options| {
        open(&store, options);
        let store = Arc::new(Slow { store: store.clone(), behind: Arc::clone(&behind) });
        options.tickets = options.tickets.take().map(|tickets| TicketOptions { store, clock, ..tickets });
    });
    let url = ticket(&node, r#"{"channels":["a"],"lifetime":60}"#);
    behind.store(59, Ordering::Relaxed);
    let all = node.send(get(&url, &format!("{STREAM}Last-Event-ID: 7-0\r\n"))).rest();
    assert!(all.starts_with("HTTP/1.1 200 "), "{all}");
    assert_eq!(without_digits(all.split_once("\r\n\r\n").unwrap().1), "retry: #\nid: #-#\n\n");
    behind.store(59, Ordering::Relaxed);
    assert_eq!(status(&node, get(&format!("{url}&close=abort"), STREAM)), "503");
    // The next look is prompt.
    node.send(get(&url, STREAM)).until("event: $ready\n");
}

/// Keeps tickets and never says anything of them.
#[derive(Debug)]
struct Hung(MemoryStore);

impl TicketStore for Hung {
    fn now_ms(&self) -> TicketAnswer<u64> {
        self.0.now_ms()
    }

    fn make(&self, ticket: TicketName, record: Bytes, ttl: Duration) -> TicketAnswer<()> {
        self.0.make(ticket, record, ttl)
    }

    fn find(&self, _: TicketName) -> TicketAnswer<HeldTicket> {
        Box::pin(std::future::pending())
    }

    fn use_first(&self, _: TicketName, _: Bytes, _: Duration) -> TicketAnswer<Bytes> {
        Box::pin(std::future::pending())
    }
}

/// Asks somebody else, who is quick.
#[derive(Debug)]
struct AsksElsewhere;

impl Authorizer for AsksElsewhere {
    fn authorize(&self, _: &Question<'_>) -> Soon<Authorized> {
        Soon::later(async {
            tokio::task::yield_now().await;
            Ok(None)
        })
    }

    fn still(&self, _: &Grant, _: Right, _: &[ChannelName]) -> Result<(), Denied> {
        Ok(())
    }
}

// Fails when those who wait for the store have all slots for decisions, which need no store.
#[test]
fn a_store_of_tickets_that_hangs_keeps_no_other_decision_from_being_made() {
    let store = MemoryStore::default();
    let node = Node::start(|options| {
        open(&store, options);
        let hung =
            options.tickets.take().map(|tickets| TicketOptions { store: Arc::new(Hung(store.clone())), ..tickets });
        options.tickets = hung;
        options.authorizer = Some(Arc::new(AsksElsewhere));
        options.admission.refusal = RefusalPolicy::Status;
        options.requests.decisions = 1;
        options.requests.decision_timeout = Duration::from_secs(60);
    });
    let url = ticket(&node, r#"{"channels":["a"]}"#);
    let _waiting: Vec<_> = (0..TICKETS_WAITING_MAX).map(|_| node.send(get(&url, STREAM))).collect();
    support::eventually("one more is refused at once", || {
        node.send(get(&url, STREAM)).answers_within(Duration::from_millis(300))
    });
    assert_eq!(status(&node, get("/events?channel=a", STREAM)), "200");
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
    assert_eq!(counted(&node, |stats| stats.refused_tickets.get()), refused);
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

const LIFE: Duration = Duration::from_secs(86_400);

/// A node that knows what is revoked.
fn node_with_revocations() -> (Node, Arc<KnownRevocations>) {
    let store = MemoryStore::default();
    let kept = store.clone();
    let known = Arc::new(std::sync::OnceLock::new());
    let wired = Arc::clone(&known);
    let wire = move |options: &mut Options, hub: &Arc<Hub>| {
        let revocations = Arc::new(KnownRevocations::new(Arc::clone(hub), Clock::system(), LIFE, Duration::ZERO));
        revocations.note_may_vanish(false);
        options.revocations = Some(Arc::clone(&revocations));
        drop(wired.set(revocations));
    };
    let delivery = DeliveryOptions { heartbeat: Duration::from_secs(1), ..DeliveryOptions::default() };
    let node = Node::on(store, move |options| open(&kept, options), delivery, wire);
    let known = Arc::clone(known.get().unwrap());
    support::eventually("what is revoked to be known", || known.unknown().is_none());
    (node, known)
}

fn revoke(node: &Node, target: RevocationTarget) {
    let (log, keep) = (LogName::revoked().name().clone(), LIFE);
    let data = RevocationEntry { target, keep: Some(keep) }.to_json().into();
    node.store.append_now(&AppendRequest { log, data, keep, max_entries: 1_000 }).unwrap();
}

fn name_of(url: &str) -> String {
    Ticket::parse(url.strip_prefix("/events?ticket=").unwrap()).unwrap().name().to_string()
}

// Fails when a ticket goes past what is revoked, at its stream or at its next use; and when that counts as one.
#[test]
fn a_ticket_that_is_revoked_ends_its_stream_and_opens_no_other() {
    let (node, known) = node_with_revocations();
    let order = r#"{"channels":["a","b"],"sub":"7"}"#;
    let by_name = ticket(&node, order);
    let unused = ticket(&node, order);
    let other = ticket(&node, r#"{"channels":["a"],"sub":"8"}"#);
    let mut streams = [&by_name, &other].map(|url| node.send(get(url, STREAM)));
    streams.iter_mut().for_each(|stream| drop(stream.until("event: $ready\n")));
    revoke(&node, RevocationTarget::token(Some("tickets"), &name_of(&by_name)).unwrap());
    assert!(streams[0].rest().contains("event: $revoked"));
    let refused = |url: &str| {
        let (head, body) = node.send(get(url, STREAM)).response();
        assert!(head.starts_with("HTTP/1.1 401 ") && body.contains(":token-revoked"), "{head}{body}");
        assert_eq!(status(&node, get(url, STREAM).replace("GET", "HEAD")), "401");
    };
    refused(&by_name);
    // By whose it is, before its first use, which does not count then.
    revoke(&node, RevocationTarget::subject(Some("tickets"), "7").unwrap());
    support::eventually("both are known", || known.in_force() == 2);
    let first = || counted(&node, |stats| stats.ticket_uses.of(TicketUse::First).get());
    let before = first();
    refused(&unused);
    assert_eq!(first(), before);
    node.publish("a", "still");
    streams[1].until("data: still");
    // By one of its channels.
    revoke(&node, RevocationTarget::Channel(ChannelName::parse("a").unwrap()));
    assert!(streams[1].rest().contains("event: $revoked"));
    refused(&other);
}

// Fails when a ticket outlives the token with which it was made, though that is revoked.
#[test]
fn the_tickets_of_a_maker_that_is_revoked_open_nothing() {
    let (node, known) = node_with_revocations();
    let (status_of_order, receipt) = answer(&mut node.send(order(r#"{"channels":["room:1"]}"#, TOKEN)));
    assert_eq!(status_of_order, "201", "{receipt}");
    let url = receipt["url"].as_str().unwrap();
    let by_key = ticket(&node, r#"{"channels":["room:1"]}"#);
    revoke(&node, RevocationTarget::subject(None, "backend").unwrap());
    support::eventually("it is known", || known.in_force() == 1);
    assert_eq!(status(&node, get(url, STREAM)), "401");
    assert_eq!(status(&node, get(&by_key, STREAM)), "200");
}

// Fails when a stream by ticket goes on although it is not known what was revoked meanwhile.
#[test]
fn a_stream_by_ticket_waits_for_the_log_of_revocations_as_others_do() {
    let (node, known) = node_with_revocations();
    let url = ticket(&node, r#"{"channels":["a"],"sub":"7"}"#);
    let mut stream = node.send(get(&url, STREAM));
    stream.until("event: $ready\n");
    stream.until("\n\n");
    let target = RevocationTarget::subject(Some("tickets"), "7").unwrap();
    let data = RevocationEntry { target, keep: Some(LIFE) }.to_json().into();
    let id = node.store.xadd(LogName::revoked(), Event { name: None, data }, Bell::Silent);
    node.store.set_unreadable(LogName::revoked(), id, true);
    node.store.disconnect_all();
    support::eventually("it is not known what is revoked", || known.unknown().is_some());
    node.publish("a", "afterwards");
    node.store.set_unreadable(LogName::revoked(), id, false);
    let rest = stream.rest();
    assert!(rest.contains("event: $revoked") && !rest.contains("afterwards"), "{rest}");
}

// Fails when a ticket whose maker may be revoked is refused at once.
#[test]
fn a_ticket_that_a_token_made_waits_for_a_proof_that_all_that_is_revoked_is_known() {
    let (node, known) = node_with_revocations();
    let (made, receipt) = answer(&mut node.send(order(r#"{"channels":["room:1"]}"#, TOKEN)));
    assert_eq!(made, "201", "{receipt}");
    let url = receipt["url"].as_str().unwrap();
    // On a busy machine the second may be over before the proof comes.
    let begins = (0..10).any(|_| {
        node.store.set_unproven(true);
        support::eventually("it is not known what is revoked", || known.unknown().is_some());
        let mut stream = node.send(get(url, STREAM));
        let waits = stream.is_quiet_for(Duration::from_millis(50));
        node.store.set_unproven(false);
        let begins = waits && stream.until("\r\n\r\n").contains("event-stream");
        support::eventually("what is revoked to be known", || known.unknown().is_none());
        begins
    });
    assert!(begins);
}
