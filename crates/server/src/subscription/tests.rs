use http::HeaderValue;

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

fn ask(query: &str, given: &[(&'static str, &'static str)]) -> Result<Subscription, Problem> {
    let uri: Uri = format!("/events?{query}").parse().unwrap();
    parse(&uri, &headers(given), &RequestOptions { channels: 3, last_max: 10, ..RequestOptions::default() }, false)
}

fn names(subscription: &Subscription) -> Vec<&str> {
    subscription.channels.iter().map(ChannelName::as_str).collect()
}

fn problem(query: &str) -> (Kind, String) {
    let problem = ask(query, &[]).unwrap_err();
    (problem.kind, problem.detail.into_owned())
}

fn id(text: &str) -> Option<Result<LastEventId, PositionError>> {
    Some(LastEventId::parse(text))
}

#[test]
fn channels_keep_their_order_and_lose_repetitions() {
    let subscription = ask("channel=b&channel=a%20x&x=1&channel=b&channel=c+d", &[]).unwrap();
    assert_eq!(names(&subscription), ["b", "a x", "c d"]);
    assert_eq!(subscription.last, None);
    assert!(subscription.resume.is_none());
}

#[test]
fn repetitions_do_not_count_towards_the_limit_and_one_channel_more_is_refused() {
    assert!(ask("channel=a&channel=b&channel=c&channel=a", &[]).is_ok());
    assert_eq!(problem("channel=a&channel=b&channel=c&channel=d").0, Kind::TooManyChannels);
}

#[test]
fn no_channel_and_bad_names_are_refused_with_the_reason() {
    assert_eq!(problem("").0, Kind::InvalidChannel);
    assert_eq!(problem("channel=").0, Kind::InvalidChannel);
    assert_eq!(problem("channel=%0d%0aid:+1").0, Kind::InvalidChannel);
    let (kind, detail) = problem("channel=$x");
    assert!(kind == Kind::InvalidChannel && detail.contains("`$x`"), "{detail}");
    assert_eq!(problem("channel=%ff").0, Kind::InvalidRequest);
}

#[test]
fn the_last_event_id_header_wins_over_the_query() {
    let both = ask("channel=a&lastEventId=1-1", &[("last-event-id", "2-2")]).unwrap();
    assert_eq!(both.resume, id("2-2"));
    assert_eq!(ask("channel=a&lastEventId=1-1", &[]).unwrap().resume, id("1-1"));
    assert_eq!(ask("channel=a&last_event_id=1-1", &[]).unwrap().resume, id("1-1"));
}

#[test]
fn of_several_ids_in_the_query_the_last_one_counts() {
    assert_eq!(ask("lastEventId=1-1&channel=a&lastEventId=3-0", &[]).unwrap().resume, id("3-0"));
}

#[test]
fn an_empty_last_event_id_counts_as_absent() {
    assert_eq!(ask("channel=a&lastEventId=", &[("last-event-id", "")]).unwrap().resume, None);
    assert_eq!(ask("channel=a&lastEventId=1-1", &[("last-event-id", " ")]).unwrap().resume, id("1-1"));
}

#[test]
fn an_id_that_does_not_parse_is_carried_as_an_error() {
    let subscription = ask("channel=a", &[("last-event-id", "nonsense!")]).unwrap();
    assert!(matches!(subscription.resume, Some(Err(_))), "{subscription:?}");
    let mut broken = HeaderMap::new();
    broken.insert("last-event-id", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    assert_eq!(resume(&broken, None), Some(Err(PositionError::Malformed)));
}

#[test]
fn last_is_a_bounded_number() {
    assert_eq!(ask("channel=a&last=10", &[]).unwrap().last, Some(10));
    assert_eq!(ask("channel=a&last=0", &[]).unwrap().last, Some(0));
    for wrong in ["11", "-1", "x", "", "1e2", "99999999999999999999999"] {
        assert_eq!(problem(&format!("channel=a&last={wrong}")).0, Kind::InvalidRequest, "{wrong}");
    }
}

// Seen to fail when `ready` is off unless somebody asks.
#[test]
fn who_brings_no_position_is_told_ready_unless_it_asks_otherwise() {
    let ready = |query: &str, given: &[(&'static str, &'static str)]| ask(query, given).unwrap().ready;
    assert!(ready("channel=a", &[]) && ready("channel=a&last=5&lastEventId=", &[("last-event-id", "")]));
    assert!(!ready("channel=a&ready=0", &[]));
    for position in ["1-1", "nonsense!"] {
        assert!(!ready("channel=a", &[("last-event-id", position)]));
        assert!(!ready(&format!("channel=a&lastEventId={position}"), &[]));
        assert!(ready("channel=a&ready=1", &[("last-event-id", position)]));
    }
    assert_eq!(problem("channel=a&ready=maybe").0, Kind::InvalidRequest);
}

// Seen to fail when the node's own way wins over the request's.
#[test]
fn the_request_says_how_its_stream_ends_or_else_the_node() {
    let close = |query: &str, close| {
        let uri: Uri = format!("/events?{query}").parse().unwrap();
        parse(&uri, &HeaderMap::new(), &RequestOptions { close, ..RequestOptions::default() }, false).unwrap().close
    };
    for node in [Close::Clean, Close::Abort] {
        assert_eq!(close("channel=a", node), node);
        assert_eq!(close("channel=a&close=clean", node), Close::Clean);
        assert_eq!(close("channel=a&close=abort", node), Close::Abort);
    }
    assert_eq!(problem("channel=a&close=maybe").0, Kind::InvalidRequest);
}

#[test]
fn a_heartbeat_is_a_bounded_number_of_whole_seconds() {
    assert_eq!(ask("channel=a", &[]).unwrap().heartbeat, None);
    for seconds in [5, 60] {
        let heartbeat = ask(&format!("channel=a&heartbeat={seconds}"), &[]).unwrap().heartbeat;
        assert_eq!(heartbeat, Heartbeat::of_seconds(seconds));
    }
    for wrong in ["4", "61", "0", "-5", "", "7.5", "10s", "256", "99999999999999999999999"] {
        assert_eq!(problem(&format!("channel=a&heartbeat={wrong}")).0, Kind::InvalidRequest, "{wrong}");
    }
}

#[test]
fn accept_must_admit_an_event_stream() {
    let accepted = |value: &'static str| ask("channel=a", &[("accept", value)]).is_ok();
    for good in ["text/event-stream", "*/*", "text/*;q=0.1", "text/html, TEXT/Event-Stream;q=0.5"] {
        assert!(accepted(good), "{good}");
    }
    for bad in ["application/json", "text/event-stream;q=0", "text/event-stream;q=0, */*", "text/html"] {
        assert!(!accepted(bad), "{bad}");
    }
    assert!(ask("channel=a", &[("accept", "text/html"), ("accept", "text/event-stream")]).is_ok());
}

#[test]
fn only_a_client_that_names_the_type_asks_for_a_stream() {
    assert!(asks_for_stream(&headers(&[("accept", "text/event-stream")])));
    assert!(!asks_for_stream(&headers(&[("accept", "*/*")])));
    assert!(!asks_for_stream(&headers(&[])));
}

// Seen to be dropped as a whole, and the request refused with 406.
#[test]
fn what_is_no_ascii_in_accept_hides_nothing_beside_it() {
    let accepts = |bytes: &[u8]| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_bytes(bytes).unwrap());
        (accepts_stream(&headers), asks_for_stream(&headers))
    };
    assert_eq!(accepts(b"text/event-stream; x=\"\xe9\""), (true, true));
    assert_eq!(accepts(b"text/html; x=\xff, text/event-stream;q=0.5"), (true, true));
    assert_eq!(accepts(b"text/event-stream;q=\xff"), (false, false));
}
