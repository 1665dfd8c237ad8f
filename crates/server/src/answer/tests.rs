//! Both renderers, for every kind of answer that the crate has.

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::BodyExt as _;

use super::*;
use crate::admission::{Reason, Refused};
use crate::cors::{Cors, CorsVerdict};
use crate::options::RefusalPolicy;
use crate::problem::{Kind, Problem};
use crate::refusal::{self, Asked, Brought};
use crate::subscription::Subscription;

/// Status, headers by their names in lower case, and body: what a client sees of an answer, however it is framed.
type Seen = (u16, BTreeMap<String, String>, Vec<u8>);

/// How a connection frames an answer is no part of what the answer says.
fn says(name: &str) -> bool {
    !["connection", "content-length", "transfer-encoding"].contains(&name)
}

fn through_hyper(answer: &Answer) -> Seen {
    let (parts, body) = answer.clone().into_reply().into_parts();
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let headers = parts.headers.iter().filter(|(name, _)| says(name.as_str()));
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(body.collect()).unwrap().to_bytes().to_vec();
    (parts.status.as_u16(), headers, body)
}

fn as_bytes(answer: &Answer, framing: Framing) -> Seen {
    let bytes = answer.to_http1(framing);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let body = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let lines = lines.map(|line| line.split_once(": ").unwrap());
    let all: BTreeMap<_, _> = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    assert_eq!(all["connection"], "close", "{head}");
    let chunked = all.get("transfer-encoding").map(String::as_str) == Some("chunked");
    if let Some(length) = all.get("content-length") {
        assert!(!chunked && *length == body.len().to_string(), "{head}");
    }
    let body = if chunked { without_chunks(body) } else { body.to_vec() };
    (status, all.into_iter().filter(|(name, _)| says(name)).collect(), body)
}

fn without_chunks(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while !bytes.is_empty() {
        let line = bytes.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        body.extend_from_slice(&bytes[line + 2..][..size]);
        bytes = &bytes[line + 2 + size + 2..];
    }
    body
}

/// One of every kind, by the place where it is made.
fn every_kind() -> Vec<Answer> {
    let problem = |kind| Answer::from(Problem::new(kind, "what would be right"));
    let later = Problem::new(Kind::Unavailable, "later").retry_after(Duration::from_millis(1_500));
    let refused = |reason| Refused { reason, retry: Duration::from_secs(7) };
    let mut all: Vec<_> = Kind::ALL.into_iter().map(problem).collect();
    all.extend([Problem::method_not_allowed("GET, HEAD, OPTIONS").into(), later.into()]);
    for policy in [RefusalPolicy::Polite, RefusalPolicy::Status] {
        for for_stream in [true, false] {
            let asked = Asked::of(&Subscription::default(), for_stream, Brought::Nothing);
            all.extend(Reason::ALL.map(|reason| refusal::answer(&refused(reason), policy, &asked)));
        }
    }
    all.extend([Answer::stream(), Answer::text("for people"), Answer::empty(StatusCode::NO_CONTENT)]);
    all.push(Answer::json(StatusCode::CREATED, &serde_json::json!({"id": "1-0"})));
    let cors = Cors::parse(&["https://a.example"]).unwrap();
    let verdict = CorsVerdict::Origin("https://a.example".into());
    let (headers, preflight) = (cors.headers(&verdict), Cors::preflight(&verdict, "GET"));
    let cross_origin = Answer::stream().with(headers).closing();
    all.extend([cross_origin, Answer::empty(StatusCode::NO_CONTENT).with(preflight)]);
    all
}

// Seen to fail when either renderer leaves a header out.
#[test]
fn both_renderers_say_the_same_for_every_kind_of_answer() {
    for answer in every_kind() {
        let expected = through_hyper(&answer);
        for framing in [Framing::Chunked, Framing::Plain] {
            assert_eq!(as_bytes(&answer, framing), expected, "{answer:?}");
        }
    }
}

#[test]
fn the_head_of_a_stream_is_exactly_this() {
    let head = Answer::stream().with(Cors::Any.headers(&CorsVerdict::Any));
    assert_eq!(
        String::from_utf8(head.to_http1(Framing::Chunked)).unwrap(),
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store, no-transform\r\n\
         X-Accel-Buffering: no\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Retry-After\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n"
    );
}

// Seen to fail when every head says that the connection closes. `make test-clients` shows what for (npm/fetch-event-source).
#[test]
fn a_stream_that_breaks_off_does_not_announce_the_end_of_the_connection() {
    let head = |close, framing| String::from_utf8(Answer::stream().ending(close).to_http1(framing)).unwrap();
    assert!(!head(Close::Abort, Framing::Chunked).contains("Connection"));
    assert!(head(Close::Abort, Framing::Chunked).ends_with("Transfer-Encoding: chunked\r\n\r\n"));
    assert!(head(Close::Abort, Framing::Plain).ends_with("Connection: close\r\n\r\n"));
    assert!(head(Close::Clean, Framing::Chunked).ends_with("Connection: close\r\n\r\n"));
}

#[test]
fn a_head_for_http_1_0_names_no_transfer_coding() {
    let head = String::from_utf8(Answer::stream().to_http1(Framing::Plain)).unwrap();
    assert!(!head.contains("Transfer-Encoding") && !head.contains("Access-Control"), "{head}");
}

#[test]
fn a_stream_that_is_over_has_a_length() {
    for framing in [Framing::Chunked, Framing::Plain] {
        let text = String::from_utf8(Answer::ended_stream(b"retry: 5\n".to_vec()).to_http1(framing)).unwrap();
        assert!(text.contains("\r\nContent-Length: 9\r\n") && text.ends_with("\r\n\r\nretry: 5\n"), "{text}");
    }
}

#[test]
fn a_whole_body_has_its_length_told_and_ends_the_connection() {
    let answer = Answer::from(Problem::new(Kind::RequestTimeout, "slow"));
    let answer = answer.with([(header::VARY, HeaderValue::from_static("Origin"))]);
    let text = String::from_utf8(answer.to_http1(Framing::Chunked)).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head}");
    assert!(head.contains("\r\nVary: Origin\r\n") && head.ends_with("Connection: close"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
}

#[test]
fn a_header_that_is_set_again_keeps_its_place() {
    let answer = Answer::stream().closing().with([(header::VARY, HeaderValue::from_static("Origin"))]).closing();
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "cache-control", "x-accel-buffering", "connection", "vary"]);
}

#[test]
fn what_an_answer_holds_is_given_back_when_its_body_is_gone() {
    let held = std::sync::Arc::new(());
    let answer = Answer::json(StatusCode::OK, &"page").holding(std::sync::Arc::clone(&held));
    let copy = answer.clone();
    assert_eq!((answer.body(), std::sync::Arc::strong_count(&held)), (&b"\"page\"\n"[..], 2));
    let reply = answer.into_reply();
    drop(copy);
    assert_eq!(std::sync::Arc::strong_count(&held), 2, "hyper has the body");
    drop(reply);
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
}
