//! How streams and connections end.

use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Grant, Right, UnixSeconds};
use fanfare_protocol::ChannelName;
use fanfare_protocol::limits::CLOSE_LINGER;
use fanfare_server::{
    Authorized, Authorizer, Clock, DeliveryOptions, Denied, Phase, Question, Reason as Refused, Soon,
};
use h2::Reason;
use tokio::time::Instant;

use crate::peer::{self, Peer, soon};
use crate::raw::{self, GOAWAY, HEADERS, PING, RESET, Raw};
use crate::support::{Node, eventually};

pub fn goaways(node: &Node, code: &str) -> u64 {
    let index = fanfare_server::Http2Stats::GOAWAYS.iter().position(|name| *name == code).unwrap();
    node.server().stats().iter().map(|core| core.http2.goaways[index].get()).sum()
}

#[tokio::test]
async fn a_drain_tells_the_connection_ends_each_stream_politely_and_then_the_server() {
    let node = Node::start(|options| options.drain.window = Duration::from_millis(500));
    let mut peer = Peer::connect(node.address()).await;
    let mut clean = peer.subscribe("channel=a").await;
    let mut abort = peer.subscribe("channel=a&close=abort").await;
    // Another that never asked for anything, and one that did and is idle.
    let _silent = Raw::open(node.address(), &[]);
    let mut idle = Peer::connect(node.address()).await;
    assert_eq!(idle.get("/").await.status(), 200);
    node.server().drain();
    let (text, reset) = clean.rest().await;
    assert!(text.starts_with("retry: ") && text.ends_with("\n\n") && reset.is_none(), "{text:?} {reset:?}");
    // Seen to fail when the reset overtakes the last words.
    let (text, reset) = abort.rest().await;
    assert!(text.starts_with("retry: ") && text.ends_with("\n\n"), "{text:?}");
    assert_eq!(reset, Some(Reason::CANCEL));
    drop((clean, abort));
    assert!(soon("the end of the connection", &mut peer.connection).await.unwrap().is_ok());
    assert!(soon("the end of the idle one", &mut idle.connection).await.unwrap().is_ok());
    assert!(goaways(&node, "no_error") >= 2);
    // Seen to fail when a connection that does not answer keeps the server.
    peer::eventually("the end of the server", || node.server().phase() == Phase::Stopped).await;
}

// Seen to fail when requests that were on their way at the begin of a drain are not answered.
#[test]
fn what_is_asked_while_the_node_begins_to_drain_is_refused_politely() {
    let node = Node::start(|_| {});
    let mut raw = Raw::open(node.address(), &[]);
    assert_eq!(raw.status(1, "/events?channel=a"), 0x88);
    node.server().drain();
    assert_eq!(raw.wait_for(GOAWAY).number(0), u32::MAX >> 1, "what is on its way is still looked at");
    raw.send(raw::get(3, "/events?channel=a"));
    let (mut text, mut code) = (Vec::new(), None);
    while let Some(frame) = raw.frame() {
        match frame.kind {
            raw::DATA if frame.stream == 3 => text.extend(frame.payload),
            // Asks whether everything has come that was on its way.
            PING if frame.flags & raw::ACK == 0 => raw.send(raw::frame(PING, raw::ACK, 0, &frame.payload)),
            GOAWAY => code = Some((frame.number(0), frame.number(4))),
            _ => {}
        }
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(code, Some((3, 0)));
    assert!(text.starts_with("retry: "), "{text:?}");
}

// Seen to fail when all of them are ended at once.
#[test]
fn a_drain_ends_the_streams_of_one_connection_one_after_the_other() {
    const STREAMS: usize = 20;
    const WINDOW: Duration = Duration::from_secs(3);
    let node = Node::start(|options| options.drain.window = WINDOW);
    let mut raw = Raw::open(node.address(), &[]);
    for stream in (1..).step_by(2).take(STREAMS) {
        assert_eq!(raw.status(stream, "/events?channel=a"), 0x88);
    }
    node.await_sessions(STREAMS);
    node.server().drain();
    let mut ended = Vec::new();
    while ended.len() < STREAMS {
        if raw.wait_for(raw::DATA).flags & raw::END_STREAM != 0 {
            ended.push(Instant::now());
        }
    }
    let over = ended[STREAMS - 1] - ended[0];
    assert!(over > WINDOW / 3, "all within {over:?}");
}

// Seen to fail when a connection that drains waits for its requests, and not for what their clients have not let out.
#[test]
fn a_slow_reader_gets_its_last_words_although_the_connection_is_told_to_end() {
    let node = Node::start(|_| {});
    // SETTINGS_INITIAL_WINDOW_SIZE: less than what a stream begins with, which is one slice.
    let mut raw = Raw::open(node.address(), &[(4, 10)]);
    assert_eq!(raw.status(1, "/events?channel=a&ready=0"), 0x88);
    let begin = raw.wait_for(raw::DATA);
    assert_eq!(begin.payload.len(), 10);
    let unsent = || node.server().stats().iter().map(|core| core.http2.unsent.get()).sum::<u64>();
    let (rest, all) = (raw::frame(raw::WINDOW_UPDATE, 0, 1, &1_000u32.to_be_bytes()), unsent());
    node.server().drain();
    raw.wait_for(GOAWAY);
    // The beginning leaves, and a few bytes of the last words.
    let few = u32::try_from(all).unwrap();
    raw.send(raw::frame(raw::WINDOW_UPDATE, 0, 1, &few.to_be_bytes()));
    let mut text = begin.payload;
    while text.len() < 10 + few as usize {
        text.extend(raw.wait_for(raw::DATA).payload);
    }
    // Longer than a connection lingers that has nothing to say.
    std::thread::sleep(CLOSE_LINGER + Duration::from_millis(500));
    raw.send(rest);
    let mut is_over = false;
    while !is_over {
        let frame = raw.wait_for(raw::DATA);
        is_over = frame.flags & raw::END_STREAM != 0;
        text.extend(frame.payload);
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with("\n\n") && text.matches("retry: ").count() == 2, "{text:?}");
}

#[test]
fn a_connection_without_a_request_ends_in_time_and_says_so() {
    let node = Node::start(|options| {
        options.requests.head_timeout = Duration::from_millis(300);
        options.requests.keep_alive = Duration::from_millis(300);
    });
    let mut silent = Raw::open(node.address(), &[]);
    let mut idle = Raw::open(node.address(), &[]);
    assert_eq!(idle.status(1, "/"), 0x88);
    let mut busy = Raw::open(node.address(), &[]);
    assert_eq!(busy.status(1, "/events?channel=a"), 0x88);
    assert_eq!((silent.end(), idle.end()), (Some(0), Some(0)));
    assert_eq!(goaways(&node, "no_error"), 2);
    let admission = node.server().admission();
    eventually("one socket, which is not silent", || (admission.sockets(), admission.silent()) == (1, 0));
    node.publish("a", "still here");
    busy.wait_for(raw::DATA);
    // A preface that does not come is a request that does not come.
    let mut slow = Raw::connect(node.address());
    slow.send(&raw::PREFACE[..20]);
    assert!(std::io::read_to_string(&mut slow.socket).unwrap().starts_with("HTTP/1.1 408"));
}

// Seen to fail when a request that does not end counts as one: whoever begins another whenever the last was given up has as many
// connections as it likes.
#[test]
fn a_connection_whose_requests_are_not_complete_is_a_silent_one() {
    let node = Node::start(|options| {
        options.cores = 1;
        options.admission.silent_per_address = Some(1);
    });
    let begin = || {
        let mut raw = Raw::open(node.address(), &[]);
        raw.send(raw::frame(HEADERS, raw::END_HEADERS, 1, &raw::head("HEAD", "/events?channel=a")));
        raw.send(raw::frame(PING, 0, 0, &[7; 8]));
        while raw.wait_for(PING).flags & raw::ACK == 0 {}
        eventually("one that is silent", || node.server().admission().silent() == 1);
        raw
    };
    let mut older = begin();
    let mut newer = begin();
    assert_eq!(older.end(), Some(0));
    assert_eq!(node.server().admission().refused(Refused::Silent), 1);
    // What is missing comes, and the answer.
    newer.send(raw::frame(raw::DATA, raw::END_STREAM, 1, &[]));
    assert_eq!(newer.wait_for(HEADERS).payload[0], 0x88);
    // A stream is complete, and its connection is not silent whatever else is asked for.
    assert_eq!(newer.status(3, "/events?channel=a"), 0x88);
    newer.send(raw::frame(HEADERS, raw::END_HEADERS, 5, &raw::head("HEAD", "/events?channel=a")));
    newer.send(raw::frame(PING, 0, 0, &[8; 8]));
    while newer.wait_for(PING).payload != [8; 8] {}
    eventually("none that is silent", || node.server().admission().silent() == 0);
}

// Seen to fail when a place is taken once the head has come: two requests over one connection had both.
#[test]
fn requests_that_do_not_end_take_no_places_of_streams() {
    let node = Node::start(|options| options.admission.max_connections = 2);
    let mut raw = Raw::open(node.address(), &[]);
    for stream in [1, 3] {
        raw.send(raw::frame(HEADERS, raw::END_HEADERS, stream, &raw::head("GET", "/events?channel=a")));
    }
    raw.send(raw::frame(PING, 0, 0, &[7; 8]));
    while raw.wait_for(PING).flags & raw::ACK == 0 {}
    // A refusal of a stream is polite, and has the same status.
    let refused = || node.server().admission().refused(Refused::Connections);
    let mut other = Raw::open(node.address(), &[]);
    assert_eq!((other.status(1, "/events?channel=a"), refused()), (0x88, 0));
    // What is complete takes its place, as long as there is one.
    for stream in [1, 3] {
        raw.send(raw::frame(raw::DATA, raw::END_STREAM, stream, &[]));
        assert_eq!(raw.wait_for(HEADERS).stream, stream);
    }
    assert_eq!(refused(), 1);
}

// Seen to fail when a request that does not end has all of its time also while the node drains.
#[test]
fn a_drain_does_not_wait_for_requests_that_do_not_end() {
    let node = Node::start(|options| {
        options.requests.head_timeout = Duration::from_secs(600);
        options.drain.deadline = Duration::from_secs(600);
    });
    let mut raw = Raw::open(node.address(), &[]);
    raw.send(raw::frame(HEADERS, raw::END_HEADERS, 1, &raw::head("HEAD", "/events?channel=a")));
    raw.send(raw::frame(PING, 0, 0, &[7; 8]));
    while raw.wait_for(PING).flags & raw::ACK == 0 {}
    node.server().drain();
    assert_eq!(raw.end(), Some(0));
    eventually("the end of the server", || node.server().phase() == Phase::Stopped);
}

// Seen to fail when the end of what a client sends ends its streams, as over HTTP/1.
#[test]
fn a_client_that_leaves_takes_its_streams_along_and_a_reset_takes_one() {
    let node = Node::start(|_| {});
    let mut raw = Raw::open(node.address(), &[]);
    for stream in [1, 3, 5] {
        assert_eq!(raw.status(stream, "/events?channel=a"), 0x88);
    }
    node.await_sessions(3);
    raw.send(raw::frame(RESET, 0, 3, &8u32.to_be_bytes()));
    node.await_sessions(2);
    node.publish("a", "1");
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let frame = raw.wait_for(raw::DATA);
        if String::from_utf8_lossy(&frame.payload).contains("data: 1") {
            heard.push(frame.stream);
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, [1, 5]);
    drop(raw);
    node.await_sessions(0);
    eventually("no socket", || node.server().admission().sockets() == 0);
}

/// Allows everything for two seconds, or a little more.
#[derive(Debug)]
struct Brief;

impl Authorizer for Brief {
    fn authorize(&self, _: &Question<'_>) -> Soon<Authorized> {
        let end = UnixSeconds(Clock::system().wall_ms() / 1_000 + 3);
        Soon::Now(Ok(Some(Box::new(Grant { expires_at: Some(end), ..Grant::default() }))))
    }

    fn still(&self, _: &Grant, _: Right, _: &[ChannelName]) -> Result<(), Denied> {
        Ok(())
    }
}

// Seen to fail when hyper alone polls sessions: it does not while it waits for a window.
#[test]
fn a_stream_whose_grant_ends_says_so_or_is_reset_if_its_client_takes_nothing() {
    let delivery = DeliveryOptions { heartbeat: Duration::from_millis(500), ..DeliveryOptions::default() };
    let node = Node::with(|options| options.authorizer = Some(Arc::new(Brief)), delivery);
    let mut reading = Raw::open(node.address(), &[]);
    // SETTINGS_INITIAL_WINDOW_SIZE.
    let mut stuck = Raw::open(node.address(), &[(4, 10)]);
    for raw in [&mut reading, &mut stuck] {
        assert_eq!(raw.status(1, "/events?channel=a&ready=0"), 0x88);
    }
    node.publish("a", &"x".repeat(5_000));
    let mut text = Vec::new();
    loop {
        let frame = reading.wait_for(raw::DATA);
        text.extend(frame.payload);
        if frame.flags & raw::END_STREAM != 0 {
            break;
        }
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("event: $expired\n") && text.ends_with("\n\n"), "{text}");
    let reset = stuck.wait_for(RESET);
    assert_eq!((reset.stream, reset.number(0)), (1, 8), "CANCEL");
    node.await_sessions(0);
    // What was on its way is thrown away.
    stuck.send(raw::frame(raw::WINDOW_UPDATE, 0, 1, &10_000u32.to_be_bytes()));
    stuck.send(raw::get(3, "/"));
    loop {
        let frame = stuck.frame().unwrap();
        assert!(frame.kind != raw::DATA || frame.stream == 3, "{frame:?}");
        if frame.stream == 3 {
            break;
        }
    }
}

#[test]
fn more_requests_at_once_than_may_be_are_refused_and_the_others_go_on() {
    let node = Node::start(|options| options.requests.streams = 100);
    let mut raw = Raw::open(node.address(), &[]);
    let streams = (0..101).map(|n| 2 * n + 1);
    streams.for_each(|stream| raw.send(raw::get(stream, "/events?channel=a")));
    let refused = raw.wait_for(RESET);
    assert_eq!((refused.stream, refused.number(0)), (201, 7), "REFUSED_STREAM: it may be tried again");
    node.await_sessions(100);
    raw.send(raw::frame(RESET, 0, 1, &8u32.to_be_bytes()));
    node.await_sessions(99);
    raw.send(raw::get(203, "/"));
    while raw.wait_for(HEADERS).stream != 203 {}
}
