//! `GET /events`: the query and the headers of a subscription.

use fanfare_protocol::{ChannelName, LastEventId};
use fanfare_server::{Close, Heartbeat, RequestOptions, fuzzing};

use crate::text;

/// Small, so that requests on both sides of the limits are short.
const CHANNELS_MAX: usize = 3;
const LAST_MAX: usize = 20;

/// A subscription asks for what another decoder reads in the same query, or is refused with a reason.
pub(crate) fn run(data: &[u8]) {
    let Some((parts, _)) = text::request(data) else { return };
    let limits = RequestOptions { channels: CHANNELS_MAX, last_max: LAST_MAX, ..RequestOptions::default() };
    let asked = match fuzzing::subscription(&parts, &limits) {
        Ok(asked) => asked,
        Err(document) => return text::is_problem(&document),
    };
    let pairs = text::pairs(parts.uri.query().unwrap_or_default()).expect("what is not UTF-8 is refused");
    let values = |wanted: &[&str]| -> Vec<&str> {
        pairs.iter().filter(|(name, _)| wanted.contains(&name.as_str())).map(|(_, value)| value.as_str()).collect()
    };

    let mut channels: Vec<ChannelName> = Vec::new();
    for name in values(&["channel"]) {
        let name = ChannelName::parse(name).expect("a wrong name is refused");
        if !channels.contains(&name) {
            channels.push(name);
        }
    }
    assert!((1..=CHANNELS_MAX).contains(&channels.len()), "{channels:?}");
    assert_eq!(asked.channels, channels);

    let last = values(&["last"]).last().map(|number| number.parse::<usize>().expect("what is no number is refused"));
    assert_eq!(asked.last, last);
    assert!(last.is_none_or(|last| last <= LAST_MAX));
    let ready = values(&["ready"]).last().map(|ready| ["1", "true"].contains(ready));
    assert_eq!(asked.ready, ready.unwrap_or(asked.resume.is_none()));
    let close = values(&["close"]).last().map(|close| if *close == "abort" { Close::Abort } else { Close::Clean });
    assert_eq!(asked.close, close.unwrap_or_default());
    let seconds = values(&["heartbeat"]).last().map(|seconds| seconds.parse::<u8>().expect("no number is refused"));
    assert_eq!(asked.heartbeat, seconds.map(|seconds| Heartbeat::of_seconds(seconds).expect("within bounds")));

    let header = parts.headers.get("last-event-id").map(|value| value.as_bytes().trim_ascii());
    let query = values(&["lastEventId", "last_event_id"]).into_iter().rfind(|value| !value.is_empty());
    let expected = match header.filter(|header| !header.is_empty()) {
        Some(header) => std::str::from_utf8(header).ok().map(LastEventId::parse),
        None => query.map(LastEventId::parse),
    };
    match (asked.resume, expected) {
        (Some(Err(_)), None) => assert!(header.is_some(), "only a header can be no text"),
        (resume, expected) => assert_eq!(resume, expected),
    }
}
