//! An application that says who may do what, asked by the real binary.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare_e2e::{
    Answer, Asked, Client, ConnectionEnd, Expect, Ledger, Node, NodeBuilder, Observed, Publisher, RedisServer,
    Response, Signal, Subscribe, WebServer, check, eventually, eventually_within, pace, request,
};

const STREAM: (&str, &str) = ("Accept", "text/event-stream");
const COOKIE: (&str, &str) = ("Cookie", "theme=dark; sid=seven");

/// Knows one session, whose user may follow and read `user:7` and whatever begins with `room:`.
fn by_session(asked: &Asked) -> Answer {
    match asked.header("cookie") {
        Some(cookie) if cookie.contains("sid=seven") => {
            let may = asked.body.contains(r#""channels":["user:7"]"#) || asked.body.contains(r#""channels":["room:"#);
            if may { Answer::json("200 OK", r#"{"sub":"7"}"#) } else { Answer::json("403 Forbidden", "{}") }
        }
        _ => Answer::json("401 Unauthorized", "{}"),
    }
}

fn node(redis: &RedisServer, application: &WebServer) -> NodeBuilder {
    Node::builder(redis)
        .set("auth.enabled", "true")
        .set("auth.public", "news:*")
        .set("forward_auth.url", &application.url("/fanfare?key=hunter2"))
        .set("history.enabled", "true")
        .set("delivery.heartbeat", "1s")
        .set("delivery.retry_ms", "100")
        .set("log.level", "trace")
}

fn get(node: &Node, path: &str, headers: &[(&str, &str)]) -> Response {
    request(node.address(), "GET", path, headers, b"").expect("an answer")
}

fn metric(node: &Node, result: &str) -> f64 {
    node.metric("fanfare_forward_auth_total", &format!("result=\"{result}\"")).unwrap_or(0.0)
}

// Fails when the cookie is not sent along, and when an answer that denies is none.
#[test]
fn a_session_cookie_of_the_application_is_enough() {
    let redis = RedisServer::start();
    let application = WebServer::http(by_session);
    let node = node(&redis, &application).start();
    let mut client = Client::open(node.address(), Subscribe::to("user:7").header(COOKIE.0, COOKIE.1));
    Publisher::new(&redis, &Ledger::default()).fcall("user:7", "hello");
    client.read_data("hello");

    let forbidden = get(&node, "/events?channel=user:8", &[STREAM, COOKIE]);
    assert!(forbidden.status() == 403 && forbidden.text().contains("not-allowed"), "{}", forbidden.text());
    let unknown = get(&node, "/events?channel=user:7", &[STREAM]);
    assert!(unknown.status() == 401 && unknown.text().contains("unauthenticated"), "{}", unknown.text());
    assert_eq!(get(&node, "/channels/user:7/history", &[COOKIE]).status(), 200);
    let before = application.asked().len();
    assert_eq!(get(&node, "/channels/news:1/history", &[]).status(), 200);
    assert_eq!(application.asked().len(), before, "nobody is asked about what is public");

    let [first, ..] = &application.asked()[..] else { panic!("it was asked") };
    assert!(first.head.starts_with("POST /fanfare?key=hunter2 HTTP/1.1"), "{}", first.head);
    assert!(
        first.body.contains(r#""right":"subscribe""#) && first.body.contains(r#""address":"127.0.0.1""#),
        "{first:?}"
    );
    assert!(
        first.body.contains(r#""uri":"/events?channel=user%3A7""#) || first.body.contains("/events?channel=user:7")
    );
    assert!((metric(&node, "allowed") >= 2.0) && metric(&node, "denied") >= 1.0);
    let log = node.log();
    assert!(!log.contains("hunter2") && !log.contains("sid=seven"), "{log}");
}

// Fails when a grant of the application has no end.
#[test]
fn a_stream_ends_before_the_grant_does_and_goes_on_without_loss_when_the_application_is_asked_again() {
    let redis = RedisServer::start();
    let application = WebServer::http(|_| Answer::json("200 OK", r#"{"lifetime":10}"#));
    let node = node(&redis, &application).start();
    let ledger = Ledger::default();
    let mut publisher = Publisher::new(&redis, &ledger);
    let mut client = Client::open(node.address(), Subscribe::to("c").header(COOKIE.0, COOKIE.1));
    let publishing = std::thread::spawn(move || {
        for number in 0..1_200 {
            publisher.fcall("c", &format!("c {number}"));
            // A pace, so that the grant ends in the midst of them.
            pace(Duration::from_millis(10));
        }
    });
    assert_eq!(client.read_ending(Duration::from_secs(12)), ConnectionEnd::Clean);
    let is_expired = |seen: &Observed| matches!(seen, Observed::Control(event) if event.event == "$expired");
    assert!(client.seen().iter().any(is_expired), "{}", client.recent());
    client.connect(node.address()).expect("the node accepts");
    publishing.join().expect("the publisher finishes");
    client.read_data("c 1199");
    check(&client, &ledger, "c", &Expect::everything()).assert_kept();
    assert!(application.asked().len() >= 2, "it was asked again");
}

// Fails when a page of another site can use the session of a user.
#[test]
fn a_page_of_another_site_cannot_use_a_cookie() {
    let redis = RedisServer::start();
    let application = WebServer::http(by_session);
    let node = node(&redis, &application).set("server.cors_origins", "https://app.example").start();
    let ask = |more: (&str, &str)| get(&node, "/channels/user:7/history", &[COOKIE, more]);
    for more in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("Origin", "null")] {
        let reply = ask(more);
        assert!(reply.status() == 403 && reply.text().contains("cross-site"), "{more:?}: {}", reply.text());
    }
    assert_eq!(application.asked().len(), 0);
    let listed = ask(("Origin", "https://app.example"));
    assert_eq!((listed.status(), listed.head.header("access-control-allow-credentials")), (200, Some("true")));
}

// Fails when anything but a clear answer lets somebody in, or ends an EventSource for good.
#[test]
fn an_application_that_gives_no_clear_answer_lets_nobody_in_and_others_do_not_notice() {
    let redis = RedisServer::start();
    let says = Arc::new(Mutex::new(Answer::json("200 OK", "{}")));
    let now = Arc::clone(&says);
    let application = WebServer::http(move |_| now.lock().expect("no panic").clone());
    let node = node(&redis, &application).set("forward_auth.timeout", "500ms").set("forward_auth.keep", "0s").start();
    let mut before = Client::open(node.address(), Subscribe::to("c").header(COOKIE.0, COOKIE.1));
    let mut failed = 0.0;
    for answer in [
        Answer::Hang,
        Answer::json("302 Found", "{}"),
        Answer::json("500 Internal Server Error", "{}"),
        Answer::json("404 Not Found", "{}"),
        Answer::json("200 OK", "<html>please log in</html>"),
        Answer::json("200 OK", ""),
        Answer::Send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec()),
        Answer::json("200 OK", r#"{"ok":false,"error":"login required"}"#),
        Answer::json("200 OK", &format!("{{\"x\":\"{}\"}}", "y".repeat(1 << 20))),
        Answer::Send(b"nonsense".to_vec()),
        Answer::Send(Vec::new()),
    ] {
        *says.lock().expect("no panic") = answer.clone();
        assert_eq!(get(&node, "/channels/c/history", &[COOKIE]).status(), 503, "{answer:?}");
        let polite = get(&node, "/events?channel=c", &[STREAM, COOKIE, ("Last-Event-ID", "7-0")]);
        assert!(polite.status() == 200 && polite.text().contains("retry:"), "{answer:?}: {}", polite.text());
        assert!(polite.text().contains("id: 7-0"), "the place is kept: {}", polite.text());
        failed += 2.0;
        assert_eq!(metric(&node, "failed"), failed, "{answer:?}");
        Publisher::new(&redis, &Ledger::default()).fcall("c", "still here");
        before.read_data("still here");
    }
    for (reason, least) in [("timeout", 2.0), ("redirect", 2.0), ("status", 4.0), ("answer", 6.0), ("connection", 4.0)]
    {
        let count = node.metric("fanfare_forward_auth_failures_total", &format!("reason=\"{reason}\""));
        assert!(count >= Some(least), "{reason}: {count:?}");
    }
    let taken = node.metric("fanfare_forward_auth_seconds_count", "");
    assert!(taken >= Some(failed), "questions without an answer have taken their time too: {taken:?}");
    eventually("the reason in the log", || node.log().contains("the application that decides").then_some(()));
    *says.lock().expect("no panic") = Answer::json("200 OK", "{}");
    assert_eq!(get(&node, "/channels/c/history", &[COOKIE]).status(), 200, "and back");
    let is_told = || node.log().contains("answers again").then_some(());
    eventually_within(Duration::from_secs(20), "the end of the trouble in the log", is_told);
    let lines = node.log().lines().filter(|line| line.contains("gives no clear answer")).count();
    assert!(lines <= 4, "a line for each change of reason at most, and not each second: {lines}");
}

// Fails when an application that has lost its sessions for a moment ends the streams of all who are signed in, and when who is signed out is never
// told.
#[test]
fn a_client_that_comes_back_is_not_sent_away_by_the_first_denial() {
    let redis = RedisServer::start();
    let says = Arc::new(Mutex::new(Answer::json("401 Unauthorized", "{}")));
    let now = Arc::clone(&says);
    let application = WebServer::http(move |_| now.lock().expect("no panic").clone());
    let node = node(&redis, &application).set("forward_auth.denied_grace", "3s").set("forward_auth.keep", "0s").start();
    let back = |place: &str| get(&node, "/events?channel=c", &[STREAM, COOKIE, ("Last-Event-ID", place)]);
    let polite = back("7-0");
    let text = polite.text();
    assert!(polite.status() == 200 && text.contains("event: $expired") && text.contains("id: 7-0"), "{text}");
    assert_eq!(get(&node, "/events?channel=c", &[STREAM, COOKIE]).status(), 401, "who comes for the first time");
    assert_eq!(get(&node, "/events?channel=c", &[STREAM, ("Last-Event-ID", "7-0")]).status(), 401, "nothing is asked");
    *says.lock().expect("no panic") = Answer::json("200 OK", "{}");
    let mut client = Client::open(node.address(), Subscribe::to("c").header(COOKIE.0, COOKIE.1));
    Publisher::new(&redis, &Ledger::default()).fcall("c", "hello");
    client.read_data("hello");
    *says.lock().expect("no panic") = Answer::json("403 Forbidden", "{}");
    assert!(back("7-0").text().contains("event: $expired"), "what was allowed meanwhile makes a denial young again");
    eventually("the denial to be final", || (back("7-0").status() == 403).then_some(()));
}

/// Lets those who have the session follow and publish, if publishing is what is asked about.
fn publishes_by_name(asked: &Asked) -> Answer {
    match asked.body.contains(r#""right":"publish""#) {
        true => Answer::json("200 OK", r#"{"sub":"7","publish":["room:*"]}"#),
        false => Answer::json("200 OK", "{}"),
    }
}

// Fails when publishing with a cookie is not asked about, or the answer to another question is enough.
#[test]
fn who_has_a_session_publishes_where_the_application_names_it() {
    let redis = RedisServer::start();
    let application = WebServer::http(publishes_by_name);
    let node = node(&redis, &application).set("publish.tokens", "true").start();
    let post = |channel: &str, headers: &[(&str, &str)]| {
        let path = format!("/channels/{channel}/events");
        request(node.address(), "POST", &path, headers, b"hello").expect("an answer").status()
    };
    assert_eq!((post("room:1", &[COOKIE]), post("user:7", &[COOKIE]), post("room:1", &[])), (201, 403, 401));
    let foreign = ("Origin", "https://evil.example");
    assert_eq!(post("room:1", &[COOKIE, foreign]), 403, "a page of another site");
}

// Fails when a header that a client says is for its connection alone is sent along.
#[test]
fn a_cookie_for_the_connection_alone_is_not_sent_along() {
    let redis = RedisServer::start();
    let application = WebServer::http(by_session);
    let node = node(&redis, &application).start();
    let nominated = get(&node, "/channels/user:7/history", &[COOKIE, ("Connection", "close, cookie")]);
    assert_eq!((nominated.status(), application.asked().len()), (401, 0));
}

// Fails when the node waits for an application that hangs before it ends, and when a client that waits takes no place.
#[test]
fn a_question_under_way_takes_a_place_and_does_not_hold_up_a_drain() {
    let redis = RedisServer::start();
    let application = WebServer::http(|_| Answer::Hang);
    let mut node = node(&redis, &application).set("admission.per_address", "1").set("drain.window", "0s").start();
    let address = node.address();
    let waiting = std::thread::spawn(move || {
        request(address, "GET", "/events?channel=c", &[STREAM, COOKIE], b"").expect("an answer")
    });
    eventually("the question", || (application.asked().len() == 1).then_some(()));
    let second = get(&node, "/events?channel=c", &[STREAM, COOKIE]);
    assert!(second.status() == 200 && second.text().contains("retry:"), "{}", second.text());
    assert_eq!(application.asked().len(), 1, "who finds no place is not asked about");
    node.signal(Signal::Term);
    let refused = waiting.join().expect("no panic");
    assert!(refused.status() == 200 && refused.text().contains("retry:"), "{}", refused.text());
    assert!(node.wait_exit(Duration::from_secs(10)).success());
}

// Fails when the key does not reach those who ask.
#[test]
fn in_a_private_network_the_application_is_asked_without_tls_where_that_is_allowed() {
    let redis = RedisServer::start();
    let node = Node::builder(&redis)
        .set("auth.enabled", "true")
        .set("auth.private_http", "true")
        // Nobody answers there.
        .set("forward_auth.url", "http://10.255.255.1:9/")
        .set("forward_auth.timeout", "500ms")
        .set("history.enabled", "true")
        .start();
    assert_eq!(get(&node, "/channels/c/history", &[COOKIE]).status(), 503);
    let status = node.admin("/status").expect("an answer").json();
    let error = status["node"]["forward_auth_last_error"].as_str().expect("an error").to_owned();
    assert!(!error.contains("without TLS"), "{error}");
}

// Fails when each request that waits has a connection to the application.
#[test]
fn an_application_that_hangs_is_asked_a_bounded_number_of_questions_at_once() {
    let redis = RedisServer::start();
    let application =
        WebServer::http(|asked| if asked.body.contains("slow") { Answer::Hang } else { Answer::json("200 OK", "{}") });
    let node =
        node(&redis, &application).set("forward_auth.concurrency", "4").set("forward_auth.timeout", "2s").start();
    let address = node.address();
    let waiting: Vec<_> = (0..10)
        .map(|number| {
            std::thread::spawn(move || {
                let path = format!("/channels/slow:{number}/history");
                request(address, "GET", &path, &[COOKIE], b"").expect("an answer").status()
            })
        })
        .collect();
    eventually("three questions", || (application.asked().len() == 3).then_some(()));
    // Longer than a question takes to arrive, and shorter than the timeout.
    pace(Duration::from_millis(500));
    assert_eq!(application.asked().len(), 3, "the others wait for their turn, and leave a place to other addresses");
    // What is public is not held up.
    assert_eq!(get(&node, "/channels/news:1/history", &[]).status(), 200);
    for thread in waiting {
        assert_eq!(thread.join().expect("no panic"), 503);
    }
    assert_eq!(get(&node, "/channels/quick/history", &[COOKIE]).status(), 200);
}

// Fails when those who are signed out, or bring cookies that are worth nothing, lock out who is signed in at the same address.
#[test]
fn who_is_denied_again_and_again_locks_no_neighbour_out() {
    let redis = RedisServer::start();
    let application = WebServer::http(by_session);
    let node = node(&redis, &application).set("server.cores", "1").start();
    let read = |number: u32, headers: &[(&str, &str)]| get(&node, &format!("/channels/c{number}/history"), headers);
    for number in 0..150 {
        assert_eq!(read(number, &[]).status(), 401);
    }
    assert_eq!(application.asked().len(), 0, "there is nothing to ask about");
    for number in 0..150 {
        assert_eq!(read(number, &[("Cookie", "sid=forged")]).status(), 401);
        assert_eq!(read(number, &[COOKIE]).status(), 403);
    }
    assert_eq!(get(&node, "/channels/user:7/history", &[COOKIE]).status(), 200);
    assert_eq!(get(&node, "/channels/user:7/history", &[COOKIE]).status(), 200, "it is kept");
    let mut client = Client::open(node.address(), Subscribe::to("user:7").header(COOKIE.0, COOKIE.1));
    Publisher::new(&redis, &Ledger::default()).fcall("user:7", "hello");
    client.read_data("hello");
}
