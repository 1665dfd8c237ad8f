//! What the gateway itself says, and how a body is cut into chunks.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_protocol::{ChannelName, EntryId, Frame, Gap, GapReason, Position, block, chunk};
use proptest::prelude::*;
use support::chunked;
use support::event_stream::{Message, Parser, parse};

const ID: EntryId = EntryId { ms: 1_526_919_030_474, seq: 55 };

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_gap_names_its_channel_its_reason_and_its_edges() {
    let mut out = Vec::new();
    let gap = Gap {
        channel: channel("orders"),
        reason: GapReason::Trimmed,
        after: Some(Position::At(ID)),
        next: Some(EntryId { ms: 1_526_919_030_500, seq: 0 }),
    };
    block::gap(&mut out, &gap, None);
    let nothing = Gap { reason: GapReason::UnknownPosition, after: None, next: None, ..gap };
    block::gap(&mut out, &nothing, Some("vCb80000000"));
    assert_eq!(
        text(&out),
        concat!(
            "event: $gap\n",
            r#"data: {"channel":"orders","reason":"trimmed","after":"1526919030474-55","next":"1526919030500-0"}"#,
            "\n\nevent: $gap\n",
            r#"data: {"channel":"orders","reason":"unknown_position","after":null,"next":null}"#,
            "\nid: vCb80000000\n\n"
        )
    );
}

#[test]
fn the_words_of_the_gap_reasons_never_change() {
    let words: Vec<_> = GapReason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(words, ["trimmed", "reset", "unknown_position", "too_large", "lagging", "unavailable"]);
}

#[test]
fn the_gateway_opens_primes_and_keeps_alive_with_these_bytes() {
    let mut out = Vec::new();
    block::retry(&mut out, 2150);
    block::id(&mut out, "1526919030474-55");
    block::ready(&mut out, "7-0", &[channel("a"), channel("b\"")]);
    block::place(&mut out, "~7.gytl");
    block::comment(&mut out);
    block::event(&mut out, block::EXPIRED_EVENT, "{}", None);
    assert_eq!(
        text(&out),
        concat!(
            "retry: 2150\nid: 1526919030474-55\n\n",
            "event: $ready\ndata: {\"position\":\"7-0\",\"channels\":[\"a\",\"b\\\"\"]}\nid: 7-0\n\n",
            "event: $place\ndata: {\"position\":\"~7.gytl\"}\nid: ~7.gytl\n\n",
            ":\n\nevent: $expired\ndata: {}\n\n"
        )
    );
}

#[test]
fn retry_priming_ids_and_comments_dispatch_nothing_and_are_understood() {
    let mut out = Vec::new();
    block::retry(&mut out, 2150);
    block::id(&mut out, "7-0");
    block::comment(&mut out);
    let mut parser = Parser::default();
    assert_eq!(parser.feed(&out), []);
    assert_eq!((parser.retry, parser.last_event_id.as_str(), parser.comments.len()), (Some(2150), "7-0", 1));
}

#[test]
fn a_refusal_that_is_nothing_but_a_retry_does_not_erase_the_place_of_a_client() {
    let mut out = Vec::new();
    block::retry(&mut out, 5000);
    let mut whole = Vec::new();
    block::retry_block(&mut whole, 5000);
    assert_eq!((text(&out), text(&whole)), ("retry: 5000\n", "retry: 5000\n\n"));
    let mut reconnected = Parser::default();
    reconnected.last_event_id = "7-0".into();
    assert_eq!(reconnected.feed(&out), []);
    assert_eq!((reconnected.retry, reconnected.last_event_id.as_str()), (Some(5000), "7-0"));
}

#[test]
fn chunk_headers_are_hexadecimal_without_padding() {
    for (len, line) in [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (255, "ff\r\n"), (1 << 20, "100000\r\n")] {
        assert_eq!(text(&chunk::header(len)), line);
    }
    assert_eq!(text(&chunk::header(usize::MAX)), format!("{:x}\r\n", usize::MAX));
}

#[test]
fn an_empty_block_is_not_wrapped_because_it_would_end_the_body() {
    let mut out = Vec::new();
    chunk::wrap(&mut out, b"");
    assert_eq!(out, b"");
    chunk::wrap(&mut out, b":\n\n");
    out.extend_from_slice(chunk::LAST);
    assert_eq!(out, b"3\r\n:\n\n\r\n0\r\n\r\n");
    assert_eq!(chunked::decode(&out), Ok(chunked::Body { chunks: vec![b":\n\n".to_vec()], ended: true }));
}

proptest! {
    #[test]
    fn a_gap_of_any_channel_is_one_event_with_honest_json(name in any::<String>(), ms: u64, seq: u64) {
        let id = EntryId { ms, seq };
        let Ok(channel) = ChannelName::parse(&name) else { return Ok(()) };
        let messages = parse(Frame::too_large(&channel, id, None).plain());
        prop_assert_eq!(messages.len(), 1);
        prop_assert_eq!(&messages[0].event, "$gap");
        let json: serde_json::Value = serde_json::from_str(&messages[0].data).unwrap();
        prop_assert_eq!(json["channel"].as_str(), Some(name.as_str()));
        prop_assert_eq!(&json["entry"], &id.to_string());
    }

    #[test]
    fn blocks_of_the_gateway_carry_any_data(data in any::<String>()) {
        let mut out = Vec::new();
        block::event(&mut out, "$x", &data, Some("1-1"));
        let data = data.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(parse(&out), [Message { event: "$x".into(), data, last_event_id: "1-1".into() }]);
    }
}

#[test]
fn an_expiry_tells_when_to_come_back_and_the_place_last() {
    let mut out = Vec::new();
    block::expired(&mut out, 2150, None);
    block::expired(&mut out, 2150, Some("7-0"));
    let block = "retry: 2150\nevent: $expired\ndata: {}\n";
    assert_eq!(text(&out), format!("{block}\n{block}id: 7-0\n\n"));
}
