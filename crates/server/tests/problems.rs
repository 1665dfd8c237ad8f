//! Every problem that a node answers, asked for over a socket: `type`, title and status are a promise to clients.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Grant, Refusal, Right};
use fanfare_log::memory::MemoryStore;
use fanfare_log::{
    AppendRequest, Archive, ArchiveError, Hub, NewestRead, Occupancy, PublishError, PublishRequest, Published,
    Publisher, Random, ReadRequest, Snapshot, Tip,
};
use fanfare_protocol::limits::TICKET_ORDER_BYTES_MAX;
use fanfare_protocol::{ChannelName, EntryId, LogName, Pattern};
use fanfare_server::{
    Authorized, Authorizer, Clock, Core, CoreStats, DeliveryOptions, Denied, OccupancyOptions, Options, Question,
    RefusalPolicy, Secret, Server, Soon, StoreHandles, TicketOptions,
};
use serde_json::Value;
use support::{Client, Node, assert_golden};

const KEY: &str = "Authorization: Bearer k\r\n";

fn open(options: &mut Options) {
    options.publish_key = Secret::new("k");
    options.history.enabled = true;
    options.requests.event_bytes = 8;
    options.requests.url_bytes = 200;
    options.requests.channels = 1;
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /channels/a/events HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn order(headers: &str, body: &str) -> String {
    post(headers, body).replace("/channels/a/events", "/tickets")
}

/// The answer to the first order that is one too many.
fn one_ticket_too_many(node: &Node) -> (String, String) {
    let mut client = node.connect();
    loop {
        client.send(order(KEY, r#"{"channels":["a"]}"#).repeat(100));
        let mut answers: Vec<_> = (0..100).map(|_| client.response()).collect();
        answers.retain(|(head, _)| head.starts_with("HTTP/1.1 429 "));
        if let Some(refused) = answers.pop() {
            return refused;
        }
    }
}

/// The answer to the first request for a count that is one too many.
fn one_count_too_many() -> (String, String) {
    let node = Node::start(|options| {
        let occupancy = Occupancy::new([(Pattern::parse("*").unwrap(), true)]);
        options.occupancy = Some(OccupancyOptions { occupancy, store: Arc::new(MemoryStore::default()) });
    });
    let mut client = node.connect();
    loop {
        client.send(get("/channels/a").repeat(100));
        let mut answers: Vec<_> = (0..100).map(|_| client.response()).collect();
        answers.retain(|(head, _)| head.starts_with("HTTP/1.1 429 "));
        if let Some(refused) = answers.pop() {
            return refused;
        }
    }
}

/// The answer to the second event, where one may be published in a second.
fn one_event_too_many() -> String {
    let node = Node::start(|options| {
        options.authorizer = Some(Arc::new(Allows));
        options.publish_tokens = true;
        options.admission.subject_publishes_per_second = NonZeroU32::new(1);
    });
    let mut client = node.connect();
    client.send(post("", "x").repeat(2));
    client.response();
    line(client.response())
}

/// One line for a problem, of which only `detail` may change.
fn said(mut client: Client) -> String {
    line(client.response())
}

fn line((head, body): (String, String)) -> String {
    let problem: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {head}{body}"));
    let members: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["detail", "status", "title", "type"], "{problem}");
    let text = |name: &str| problem[name].as_str().unwrap().to_owned();
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", problem["status"])), "{head}{problem}");
    assert_eq!(support::header(&head, "content-type"), Some("application/problem+json"), "{head}");
    format!("{} {} {}\n", problem["status"], text("type"), text("title"))
}

/// A store that fails in the way in which the channel is named.
#[derive(Clone)]
struct Failing;

fn failure(log: &LogName) -> ArchiveError {
    match log.name().as_str() {
        "other-type" => ArchiveError::WrongType,
        "denied" => ArchiveError::Denied("no permission".into()),
        _ => ArchiveError::Unavailable("away".into()),
    }
}

impl Archive for Failing {
    async fn tips(&self, logs: Vec<LogName>) -> Result<Vec<Result<Tip, ArchiveError>>, ArchiveError> {
        Ok(logs.iter().map(|log| Err(failure(log))).collect())
    }
    async fn read(&self, request: ReadRequest) -> Result<Snapshot, ArchiveError> {
        Err(failure(&request.log))
    }
    async fn newest(&self, log: LogName, _: usize) -> Result<NewestRead, ArchiveError> {
        Err(failure(&log))
    }
}

impl Publisher for Failing {
    async fn publish(&self, _: PublishRequest) -> Result<Published, PublishError> {
        Err(PublishError::Refused("OOM command not allowed".into()))
    }
    async fn append(&self, _: AppendRequest) -> Result<EntryId, PublishError> {
        Err(PublishError::Refused("OOM command not allowed".into()))
    }
}

/// A server over that store. Nothing of what is asked of it needs an ingest.
fn server_over_a_failing_store() -> Server {
    let mut options =
        Options { listeners: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()], cores: 1, ..Options::default() };
    open(&mut options);
    let hub = Arc::new(Hub::new(options.core_count()));
    Server::start(options, StoreHandles::new(Failing, Failing), Random::seeded(1), move |core| {
        let stats = Arc::new(CoreStats::default());
        Core::new(Arc::clone(&hub), core, DeliveryOptions::default(), stats, Clock::system(), Random::seeded(2))
    })
    .unwrap()
}

/// Allows everything.
#[derive(Debug)]
struct Allows;

impl Authorizer for Allows {
    fn authorize(&self, _: &Question<'_>) -> Soon<Authorized> {
        Soon::Now(Ok(None))
    }

    fn still(&self, _: &Grant, _: Right, _: &[ChannelName]) -> Result<(), Denied> {
        Ok(())
    }
}

/// Allows nothing.
#[derive(Debug)]
struct Denies(Denied);

impl Authorizer for Denies {
    fn authorize(&self, _: &Question<'_>) -> Soon<Authorized> {
        Soon::Now(Err(self.0.clone()))
    }

    fn still(&self, _: &Grant, _: Right, _: &[ChannelName]) -> Result<(), Denied> {
        Ok(())
    }
}

#[test]
fn every_problem_keeps_its_type_status_and_title() {
    let mut problems = BTreeSet::new();

    let node = Node::start(open);
    let subscription_with_a_body = "GET /events?channel=a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
    for request in [
        get("/nowhere"),
        get("/channels/a/events"),
        subscription_with_a_body.to_owned(),
        get("/events?channel=%ff"),
        get("/events"),
        get("/events?channel=a&channel=b"),
        get(&format!("/events?channel=a&x={}", "y".repeat(200))),
        get("/events?channel=a").replace("Host: x", "Host: x\r\nAccept: text/html"),
        post("", "x"),
        post(&format!("{KEY}Content-Encoding: gzip\r\n"), "x"),
        post(KEY, "more than eight"),
        post(&format!("{KEY}Fanfare-Event: $mine\r\n"), "x"),
    ] {
        problems.insert(said(node.send(request)));
    }

    let hasty = Node::start(|options| options.requests.head_timeout = Duration::from_millis(100));
    problems.insert(said(hasty.send("GET /events?channel=a HTTP/1.1\r\nHo")));

    let closed = Node::start(|_| {});
    problems.insert(said(closed.send(post(KEY, "x"))));
    problems.insert(said(closed.send(get("/channels/a/history"))));
    problems.insert(said(closed.send(get("/channels/a"))));

    problems.insert(said(closed.send(order(KEY, "x"))));

    let ticketed = Node::start(|options| {
        open(options);
        options.tickets = Some(TicketOptions {
            store: Arc::new(MemoryStore::default()),
            max_life: Duration::from_secs(3_600),
            clock: Clock::system(),
        });
    });
    problems.insert(said(ticketed.send(get("/events?ticket=x"))));
    problems.insert(said(ticketed.send(order(KEY, "x"))));
    problems.insert(said(ticketed.send(order(KEY, &"x".repeat(TICKET_ORDER_BYTES_MAX + 1)))));
    problems.insert(line(one_ticket_too_many(&ticketed)));
    problems.insert(line(one_count_too_many()));

    let full = Node::start(|options| options.admission.max_connections = 0);
    problems.insert(said(full.send(get("/events?channel=a"))));
    let crowded = Node::start(|options| {
        options.admission.refusal = RefusalPolicy::Status;
        options.admission.per_address = Some(0);
    });
    problems.insert(said(crowded.send(get("/events?channel=a"))));

    problems.insert(one_event_too_many());

    let server = server_over_a_failing_store();
    for channel in ["other-type", "denied", "away"] {
        let mut client = Client::over(std::net::TcpStream::connect(server.tcp_address().unwrap()).unwrap());
        client.send(get(&format!("/channels/{channel}/history")));
        problems.insert(said(client));
    }
    let mut client = Client::over(std::net::TcpStream::connect(server.tcp_address().unwrap()).unwrap());
    client.send(post(KEY, "x"));
    problems.insert(said(client));
    server.stop();
    server.join();

    for denied in [
        Denied::By(Refusal::Missing),
        Denied::By(Refusal::Invalid("it is none")),
        Denied::By(Refusal::Certificate("it names nobody")),
        Denied::By(Refusal::Expired),
        Denied::By(Refusal::Forbidden { right: Right::Subscribe, channel: ChannelName::parse("a").unwrap() }),
        Denied::Unauthenticated,
        Denied::NotAllowed(None),
        Denied::CrossSite,
        Denied::By(Refusal::Unavailable),
        Denied::Unasked,
        Denied::Undecided,
        Denied::Unchecked,
        Denied::Revoked,
        Denied::RevocationsUnknown,
    ] {
        let node = Node::start(|options| options.authorizer = Some(Arc::new(Denies(denied))));
        problems.insert(said(node.send(get("/events?channel=a"))));
    }

    assert_golden("tests/golden/problems.txt", &String::from_iter(problems.iter().map(String::as_str)));
    assert_eq!(names(&problems), documented(), "docs/protocol.md lists the problems under `Refusals`");
}

/// Status and last part of the type of each problem.
fn names(problems: &BTreeSet<String>) -> BTreeSet<String> {
    let name = |line: &String| {
        let mut words = line.split(' ');
        let (status, kind) = (words.next().unwrap(), words.next().unwrap());
        format!("{status} {}", kind.strip_prefix("urn:fanfare:problem:").unwrap())
    };
    problems.iter().map(name).collect()
}

/// The same from the table in the documentation, where `404, 405` and their problems stand in the same order.
fn documented() -> BTreeSet<String> {
    let protocol = std::fs::read_to_string("../../docs/protocol.md").unwrap();
    let table = protocol.split_once("after `urn:fanfare:problem:` |\n|---|---|\n").unwrap().1;
    let mut all = BTreeSet::new();
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let [_, statuses, kinds, _] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        if kinds.trim().starts_with("without a body") {
            continue;
        }
        let mut statuses = statuses.split(',').map(str::trim);
        let mut status = statuses.next().unwrap();
        // What follows a colon explains.
        for kind in kinds.split(':').next().unwrap().split('`').skip(1).step_by(2) {
            all.insert(format!("{status} {kind}"));
            status = statuses.next().unwrap_or(status);
        }
    }
    all
}
