//! Everything that a client can send, through the socket, hyper, the routes and the session: what comes back is always
//! well-formed HTTP, and a stream of nothing but events.

use std::cell::RefCell;

use crate::node::Node;
use crate::support::positions::is_safe;
use crate::support::{chunked, event_stream};
use crate::text;

/// A node is replaced after so many connections, since its store only grows.
const CONNECTIONS_PER_NODE: usize = 20_000;

thread_local! {
    static NODE: RefCell<Option<(Node, usize)>> = const { RefCell::new(None) };
}

/// Sends the bytes as one connection.
pub(crate) fn run(data: &[u8]) {
    let answer = NODE.with_borrow_mut(|slot| {
        if slot.as_ref().is_some_and(|(_, used)| *used >= CONNECTIONS_PER_NODE) {
            *slot = None;
        }
        let (node, used) = slot.get_or_insert_with(|| (Node::start(), 0));
        *used += 1;
        node.exchange(data)
    });
    if data.starts_with(HTTP2_PREFACE) {
        return frames(&answer);
    }
    let mut rest = answer.as_slice();
    while !rest.is_empty() {
        rest = response(rest);
    }
}

/// Whoever begins with this is answered in HTTP/2 (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Checks that what a client of HTTP/2 is sent is frames that a server may send, its settings first. The last may be cut, as its client has left.
fn frames(mut bytes: &[u8]) {
    const SETTINGS: u8 = 4;
    const PUSH_PROMISE: u8 = 5;
    const CONTINUATION: u8 = 9;
    let mut is_first = true;
    while let [high, middle, low, kind, _flags, _, _, _, _, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        assert!(length <= 16 << 10, "a frame of {length} bytes");
        assert!(*kind <= CONTINUATION && *kind != PUSH_PROMISE, "a frame of kind {kind}");
        assert!(!is_first || *kind == SETTINGS, "the first frame is of kind {kind}");
        is_first = false;
        bytes = &rest[length.min(rest.len())..];
    }
}

/// Checks one response and returns what follows it.
fn response(bytes: &[u8]) -> &[u8] {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(bytes).unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(bytes)));
    let httparse::Status::Complete(length) = parsed else {
        panic!("half a head: {:?}", String::from_utf8_lossy(bytes))
    };
    let status = head.code.expect("a complete head has a status");
    let header = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| std::str::from_utf8(header.value).expect("the headers of a node are ASCII"))
    };
    assert!(STATUSES.contains(&status), "{status}");
    let rest = &bytes[length..];
    if header("content-type") == Some("text/event-stream; charset=utf-8") && header("content-length").is_none() {
        stream(rest, header("transfer-encoding") == Some("chunked"));
        return &[];
    }
    assert_eq!(header("transfer-encoding"), None, "only streams have no length");
    let length = header("content-length").map_or(0, |length| length.parse().expect("a number"));
    // The answer to HEAD tells the length of a body that does not come; no body of a node begins like a response.
    if rest.len() < length || (length > 0 && rest.starts_with(b"HTTP/1.")) {
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1."), "a body was cut short");
        return rest;
    }
    let (body, rest) = rest.split_at(length);
    match header("content-type") {
        Some("application/problem+json") => text::is_problem(body),
        Some("application/json") => drop(serde_json::from_slice::<serde_json::Value>(body).expect("JSON")),
        _ => {}
    }
    rest
}

/// What the routes answer, what hyper answers for them, and `100 Continue`.
const STATUSES: [u16; 17] = [100, 200, 201, 204, 400, 401, 403, 404, 405, 406, 408, 409, 413, 414, 429, 431, 503];

/// A stream may end at any block, for its client has left.
fn stream(body: &[u8], is_chunked: bool) {
    let data = if is_chunked { chunked::decode(body).expect("whole chunks").data() } else { body.to_vec() };
    for message in event_stream::parse(&data) {
        assert!(is_safe(&message.last_event_id), "{message:?}");
        if message.event.starts_with('$') {
            assert!(["$gap", "$ready", "$place"].contains(&message.event.as_str()), "{message:?}");
            serde_json::from_str::<serde_json::Value>(&message.data).expect("what a node says is JSON");
        }
    }
}
