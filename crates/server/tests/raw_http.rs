//! Raw bytes at the socket: what a request gets, byte for byte, and what happens to requests that are no good.
#![allow(clippy::unwrap_used)] // In a test a surprise is a failure.

mod support;

use std::time::Duration;

use fanfare_server::Cors;
use support::{Client, Node, header, without_digits};

const SUBSCRIBE: &str = "GET /events?channel=a HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
    Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\
    Connection: close\r\n\r\n";

/// The next head, without its date.
fn undated_head(client: &mut Client) -> String {
    let head = client.until("\r\n\r\n");
    let date = header(&head, "date").unwrap_or_else(|| panic!("no date: {head}"));
    head.replace(&format!("Date: {date}\r\n"), "")
}

fn problem(body: &str) -> serde_json::Value {
    serde_json::from_str(body).unwrap()
}

#[test]
fn a_stream_has_exactly_this_head_and_these_frames() {
    let node = Node::start(|_| {});
    let before = node.publish("a", "before");
    let mut client = node.send(SUBSCRIBE);
    assert_eq!(undated_head(&mut client), STREAM_HEAD);
    let prelude = client.chunk();
    let (retry, blocks) = prelude.split_once('\n').unwrap();
    assert_eq!(without_digits(retry), "retry: #");
    let ready = format!("event: $ready\ndata: {{\"position\":\"{before}\",\"channels\":[\"a\"]}}\nid: {before}\n\n");
    assert_eq!(blocks, format!("id: {before}\n\n{ready}"));
    let id = node.publish("a", "one\ntwo");
    assert_eq!(client.chunk(), format!("data: one\ndata: two\nid: {id}\n\n"));
}

#[test]
fn an_http_1_0_client_gets_a_body_without_chunks() {
    let node = Node::start(|_| {});
    node.publish("a", "before");
    let mut client = node.send("GET /events?channel=a HTTP/1.0\r\n\r\n");
    assert_eq!(undated_head(&mut client), STREAM_HEAD.replace("Transfer-Encoding: chunked\r\n", ""));
    assert_eq!(without_digits(&client.until("\n\n")), "retry: #\nid: #-#\n\n");
    assert!(client.until("\n\n").starts_with("event: $ready\n"));
    let id = node.publish("a", "x");
    assert_eq!(client.until("\n\n"), format!("data: x\nid: {id}\n\n"));
    node.server().drain();
    assert_eq!(without_digits(&client.rest()), "retry: #\n\n");
}

#[test]
fn requests_before_a_subscription_in_the_same_packet_are_answered_first() {
    let node = Node::start(|_| {});
    let index = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut client = node.send(format!("{index}{index}{SUBSCRIBE}"));
    for _ in 0..2 {
        let (head, body) = client.response();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body.starts_with("Fanfare"), "{head}{body}");
    }
    assert_eq!(undated_head(&mut client), STREAM_HEAD);
}

#[test]
fn a_large_response_that_is_still_being_written_comes_whole_before_the_stream() {
    let node = Node::start(|options| {
        options.history.enabled = true;
        options.sockets.send_buffer = Some(4_096);
    });
    node.publish("a", &"x".repeat(900_000));
    let history = "GET /channels/a/history HTTP/1.1\r\nHost: x\r\n\r\n";
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&node.address().into()).unwrap();
    let mut client = support::Client::over(socket);
    client.send(format!("{history}{SUBSCRIBE}"));
    let stats = node.server().stats();
    support::eventually("the page", || stats.iter().any(|core| core.histories.get() == 1));
    let (_, body) = client.response();
    assert_eq!(problem(&body)["entries"][0]["data"].as_str().unwrap().len(), 900_000);
    assert_eq!(undated_head(&mut client), STREAM_HEAD);
}

#[test]
fn what_follows_a_subscription_is_ignored_and_the_stream_goes_on() {
    let node = Node::start(|_| {});
    let mut client = node.send(format!("{SUBSCRIBE}GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    client.until("\r\n\r\n");
    client.chunk();
    client.send("GET /unknown HTTP/1.1\r\nHost: x\r\n\r\n");
    let id = node.publish("a", "x");
    assert_eq!(client.chunk(), format!("data: x\nid: {id}\n\n"));
}

#[test]
fn a_subscription_with_a_body_is_refused() {
    let node = Node::start(|_| {});
    for body in ["Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"] {
        let mut client = node.send(format!("GET /events?channel=a HTTP/1.1\r\nHost: x\r\n{body}"));
        let (head, body) = client.response();
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert_eq!(problem(&body)["type"], "urn:fanfare:problem:body-not-allowed");
    }
}

// Seen to fail (400) where only a body that is over with the head counts as none.
#[test]
fn an_empty_body_is_none_however_it_is_framed_and_leaves_nothing_on_the_stream() {
    let node = Node::start(|_| {});
    for empty in [
        "Content-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: t\r\n\r\n",
    ] {
        let mut client = node.send(format!("GET /events?channel=a HTTP/1.1\r\nHost: x\r\n{empty}"));
        assert_eq!(undated_head(&mut client), STREAM_HEAD, "{empty}");
        client.chunk();
        let id = node.publish("a", "x");
        assert_eq!(client.chunk(), format!("data: x\nid: {id}\n\n"));
        drop(client);
        node.await_sessions(0);
    }
    // Its end comes later, and byte by byte.
    let mut client = node.send("GET /events?channel=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for byte in b"0\r\n\r\n" {
        assert!(client.is_quiet_for(Duration::from_millis(20)), "answered before the request was complete");
        client.send([*byte]);
    }
    assert_eq!(undated_head(&mut client), STREAM_HEAD);
    let mut head =
        node.send("HEAD /events?channel=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert!(head.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_subscription_whose_body_does_not_end_is_told_408_and_is_no_session() {
    let node = Node::start(|options| options.requests.head_timeout = Duration::from_millis(200));
    let mut client = node.send("GET /events?channel=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
    assert!(client.rest().starts_with("HTTP/1.1 408 "));
    node.await_sessions(0);
}

// It is not complete, so it gives way like one whose head is not.
#[test]
fn a_subscription_whose_body_does_not_end_counts_as_silent() {
    let node = Node::start(|options| {
        options.cores = 1;
        options.admission.max_silent = 1;
    });
    let head =
        "GET /events?channel=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    let mut slow = node.send(head);
    // Its body is waited for.
    slow.until("HTTP/1.1 100 Continue\r\n\r\n");
    let _silent = node.connect();
    assert!(slow.is_closed());
    node.await_sessions(0);
}

// Seen to be served.
#[test]
fn a_request_names_one_host() {
    let node = Node::start(|_| {});
    let ask = |request: &str| {
        let (head, body) = node.send(request).response();
        assert!(head[8..].starts_with(" 400 "), "{request}{head}");
        assert_eq!(problem(&body)["type"], "urn:fanfare:problem:invalid-request");
        problem(&body)["detail"].as_str().unwrap().to_owned()
    };
    for path in ["/", "/events?channel=a"] {
        assert!(ask(&format!("GET {path} HTTP/1.1\r\n\r\n")).contains("has a `Host`"));
        assert!(ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")).contains("one `Host`"));
        assert!(ask(&format!("GET {path} HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n")).contains("one `Host`"));
        assert!(ask(&format!("GET {path} HTTP/1.1\r\nHost: x y\r\n\r\n")).contains("is a host"));
    }
    let mut old = node.send("GET / HTTP/1.0\r\n\r\n");
    assert!(old.rest().starts_with("HTTP/1.0 200 "), "HTTP/1.0 knows no Host");
}

// Seen to have none.
#[test]
fn every_answer_has_a_date_whoever_writes_it() {
    let node = Node::start(|options| {
        options.requests.head_timeout = Duration::from_millis(200);
        options.admission.max_connections = 1;
    });
    let mut stream = node.send(SUBSCRIBE);
    let mut heads = vec![stream.until("\r\n\r\n")];
    for request in [
        SUBSCRIBE,
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHo st: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHo",
    ] {
        heads.push(node.send(request).until("\r\n\r\n"));
    }
    for head in heads {
        let date = header(&head, "date").unwrap_or_else(|| panic!("no date: {head}"));
        assert_eq!(head.to_ascii_lowercase().matches("\r\ndate:").count(), 1, "{head}");
        assert!(date.len() == 29 && date.ends_with(" GMT") && date.contains(" 20"), "{date}");
    }
}

#[test]
fn a_head_of_100_kib_is_answered_431_and_the_answer_is_not_lost_to_a_reset() {
    let node = Node::start(|_| {});
    let mut client = node.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(100 << 10)));
    let all = client.rest();
    assert!(all.starts_with("HTTP/1.1 431 "), "{all}");
}

#[test]
fn a_url_over_the_limit_is_answered_414() {
    let node = Node::start(|options| options.requests.url_bytes = 100);
    let mut client = node.send(format!("GET /events?channel=a&x={} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(100)));
    let (head, body) = client.response();
    assert!(head.starts_with("HTTP/1.1 414 "), "{head}");
    assert!(problem(&body)["detail"].as_str().unwrap().contains("100"));
}

#[test]
fn a_request_that_is_held_open_is_told_408_and_silence_is_just_closed() {
    let node = Node::start(|options| options.requests.head_timeout = Duration::from_millis(100));
    let mut partial = node.send("GET /events?channel=a HTTP/1.1\r\nHo");
    let mut silent = node.connect();
    let (head, body) = partial.response();
    assert!(head.starts_with("HTTP/1.1 408 ") && header(&head, "connection") == Some("close"), "{head}");
    assert_eq!(problem(&body)["status"], 408);
    assert_eq!(partial.rest(), "");
    assert_eq!(silent.rest(), "");
}

#[test]
fn bytes_that_trickle_in_do_not_extend_the_time_for_a_request() {
    let node = Node::start(|options| options.requests.head_timeout = Duration::from_millis(300));
    let mut client = node.connect();
    let start = tokio::time::Instant::now();
    for byte in b"GET /events?channel=a HTTP/1.1\r\n" {
        client.send([*byte]);
        if !client.is_quiet_for(Duration::from_millis(20)) {
            break;
        }
    }
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
    assert!(client.rest().starts_with("HTTP/1.1 408 "));
}

#[test]
fn an_idle_connection_is_closed_after_its_keep_alive_time() {
    let node = Node::start(|options| options.requests.keep_alive = Duration::from_millis(100));
    let mut client = node.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client.response();
    assert_eq!(client.rest(), "");
}

// Seen to fail where the stages before and after hyper's turn are compared: it answers a request within one turn, idle before and
// idle after.
#[test]
fn each_request_begins_the_keep_alive_time_anew() {
    let node = Node::start(|options| options.requests.keep_alive = Duration::from_millis(400));
    let mut client = node.connect();
    for _ in 0..8 {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(client.response().0.starts_with("HTTP/1.1 200 "));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(client.rest(), "");
}

#[test]
fn head_gets_the_head_of_a_stream_and_the_connection_stays() {
    let node = Node::start(|_| {});
    let mut client =
        node.send("HEAD /events?channel=a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /events HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = client.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(header(&head, "content-type"), Some("text/event-stream; charset=utf-8"));
    assert_eq!(header(&head, "cache-control"), Some("no-store, no-transform"));
    assert!(client.until("\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert_eq!(node.server().admission().sessions(), 0);
}

#[test]
fn other_methods_are_told_which_are_allowed() {
    let node = Node::start(|_| {});
    let ask = |request: &str| {
        let (head, body) = node.send(format!("{request} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")).response();
        assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
        assert_eq!(header(&head, "content-type"), Some("application/problem+json"));
        assert_eq!(problem(&body)["status"], 405);
        header(&head, "allow").unwrap().to_owned()
    };
    assert_eq!(ask("POST /events?channel=a"), "GET, HEAD, OPTIONS");
    assert_eq!(ask("DELETE /events?channel=a"), "GET, HEAD, OPTIONS");
    assert_eq!(ask("GET /channels/a/events"), "POST, OPTIONS");
}

#[test]
fn an_unknown_path_is_a_problem_and_the_connection_stays() {
    let node = Node::start(|_| {});
    let mut client = node.connect();
    for _ in 0..2 {
        client.send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
        let (head, body) = client.response();
        assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
        assert_eq!(problem(&body)["type"], "urn:fanfare:problem:unknown-path");
    }
}

#[test]
fn what_is_not_http_1_is_answered_400_or_closed() {
    let node = Node::start(|_| {});
    assert!(node.send("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n").rest().starts_with("HTTP/1.1 400 "));
    assert!(node.send("GET / HTTP/1.1\r\nHo st: x\r\n\r\n").rest().starts_with("HTTP/1.1 400 "));
    let smuggle = "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd";
    assert!(node.send(smuggle).rest().starts_with("HTTP/1.1 400 "));
}

// Seen to answer the second request when `Transfer-Encoding` does not close the connection.
#[test]
fn a_request_whose_end_a_proxy_may_see_elsewhere_is_the_last_of_its_connection() {
    let node = Node::start(|_| {});
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n0\r\n\r\n");
        let answers = node.send(format!("{request}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")).rest();
        assert!(
            answers.starts_with("HTTP/1.1 405 ") && answers.to_lowercase().contains("\r\nconnection: close\r\n"),
            "{answers}"
        );
        assert!(answers.matches("HTTP/1.1 ").count() == 1 && !answers.contains("smuggled"), "{framing}: {answers}");
    }
}

#[test]
fn a_head_that_two_readers_may_read_in_two_ways_is_answered_400() {
    let node = Node::start(|_| {});
    for head in [
        "Content-Length: +4",
        "Content-Length: 4, 5",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length : 4",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip",
        "A: b\rTransfer-Encoding: chunked",
        "A: b\r\n Transfer-Encoding: chunked",
        "A\u{0}: b",
    ] {
        let answer = node.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\nabcd")).rest();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1 ").count() == 1, "{head:?}: {answer}");
    }
}

#[test]
fn a_client_that_closes_its_side_still_gets_a_response_but_no_stream() {
    let node = Node::start(|_| {});
    let mut client = node.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client.half_close();
    let (head, _) = client.response();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(client.rest(), "");
}

// Seen to be closed without a byte.
#[test]
fn a_subscription_whose_client_sends_nothing_more_is_answered_and_ends() {
    let node = Node::start(|_| {});
    let before = node.publish("a", "before");
    let mut subscriber = node.connect();
    subscriber.send(SUBSCRIBE);
    subscriber.half_close();
    assert_eq!(undated_head(&mut subscriber), STREAM_HEAD);
    let all = subscriber.rest();
    assert!(all.contains(&format!("id: {before}\n")), "{all:?}");
    node.await_sessions(0);
    support::eventually("no sockets", || node.server().admission().sockets() == 0);
}

#[test]
fn a_subscription_that_is_refused_is_told_so_even_if_its_client_sends_nothing_more() {
    let node = Node::start(|options| options.admission.max_connections = 1);
    let mut first = node.send(SUBSCRIBE);
    first.until("\n\n");
    let mut second = node.connect();
    second.send(SUBSCRIBE);
    second.half_close();
    let all = second.rest();
    assert!(all.starts_with("HTTP/1.1 200 OK\r\n") && all.contains("\r\n\r\n") && all.contains("retry: "), "{all:?}");
}

#[test]
fn a_client_that_goes_away_gives_its_place_back() {
    let node = Node::start(|_| {});
    let mut clients: Vec<_> = (0..5).map(|_| node.send(SUBSCRIBE)).collect();
    clients.iter_mut().for_each(|client| drop((client.until("\r\n\r\n"), client.chunk())));
    node.await_sessions(5);
    drop(clients);
    node.await_sessions(0);
    support::eventually("no sockets", || node.server().admission().sockets() == 0);
}

#[test]
fn a_client_that_does_not_accept_event_streams_is_answered_406() {
    let node = Node::start(|_| {});
    let request = SUBSCRIBE.replace("text/event-stream", "application/json");
    let (head, body) = node.send(request).response();
    assert!(head.starts_with("HTTP/1.1 406 "), "{head}");
    assert_eq!(problem(&body)["type"], "urn:fanfare:problem:not-acceptable");
}

#[test]
fn a_position_that_does_not_parse_is_a_gap_and_not_an_error() {
    let node = Node::start(|_| {});
    let mut client = node.send(SUBSCRIBE.replace("Host: x", "Host: x\r\nLast-Event-ID: {nonsense}"));
    assert_eq!(undated_head(&mut client), STREAM_HEAD);
    let prelude = client.chunk();
    assert!(prelude.contains("event: $gap\n") && prelude.contains("unknown_position"), "{prelude}");
}

#[test]
fn a_position_in_the_query_resumes() {
    let node = Node::start(|_| {});
    let first = node.publish("a", "1");
    let second = node.publish("a", "2");
    let mut client = node.send(SUBSCRIBE.replace("channel=a", &format!("channel=a&lastEventId={first}")));
    client.until("\r\n\r\n");
    client.until(&format!("data: 2\nid: {second}\n\n"));
}

#[test]
fn a_preflight_is_answered_for_the_configured_origin_only() {
    let cors = Cors::parse(&["https://a.example"]).unwrap();
    let node = Node::start(|options| options.cors = cors);
    let ask = |origin: &str| {
        let request = format!(
            "OPTIONS /events?channel=a HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: last-event-id\r\n\r\n"
        );
        node.send(request).until("\r\n\r\n")
    };
    let good = ask("https://a.example");
    assert!(good.starts_with("HTTP/1.1 204 "), "{good}");
    assert_eq!(header(&good, "access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(header(&good, "access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    assert!(header(&good, "access-control-allow-headers").unwrap().contains("Last-Event-ID"), "{good}");
    assert_eq!(header(&good, "access-control-max-age"), Some("7200"));
    assert_eq!(header(&good, "vary"), Some("Origin"));
    let bad = ask("https://b.example");
    assert_eq!(header(&bad, "access-control-allow-origin"), None, "{bad}");
    assert_eq!(header(&bad, "access-control-allow-headers"), None, "{bad}");
}

// Fails if heads of streams, or refusals in their place, expose nothing.
#[test]
fn streams_and_problems_carry_the_allowed_origin_and_what_scripts_may_read() {
    let cors = Cors::parse(&["https://a.example"]).unwrap();
    let node = Node::start(|options| options.cors = cors);
    for path in ["/events?channel=a", "/events", "/nowhere"] {
        let head =
            node.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n")).until("\r\n\r\n");
        assert_eq!(header(&head, "access-control-allow-origin"), Some("https://a.example"), "{head}");
        assert_eq!(header(&head, "access-control-expose-headers"), Some("Retry-After"), "{head}");
        assert_eq!(header(&head, "vary"), Some("Origin"), "{head}");
    }
}
