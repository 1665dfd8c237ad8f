//! Frames: what clients read, read back by parsers that share no code with the encoder.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use fanfare_protocol::limits::{FRAME_BYTES_PER_DATA_BYTE_MAX, FRAME_OVERHEAD_BYTES_MAX};
use fanfare_protocol::{ChannelName, EntryId, Event, EventName, Frame, Gap, GapReason, block, chunk};
use proptest::collection::vec;
use proptest::prelude::*;
use support::chunked;
use support::event_stream::{Message, Parser, parse};

const ID: EntryId = EntryId { ms: 1_526_919_030_474, seq: 55 };

fn event(name: Option<&str>, data: &[u8]) -> Event {
    Event { name: name.map(|name| EventName::parse(name).unwrap()), data: Bytes::copy_from_slice(data) }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn plain(data: &str) -> String {
    text(Frame::ephemeral(&event(None, data.as_bytes())).plain()).to_owned()
}

/// The data as every client should see it.
fn seen(data: &[u8]) -> String {
    String::from_utf8_lossy(data).replace("\r\n", "\n").replace('\r', "\n")
}

// --- Goldens -----------------------------------------------------------------------------------

#[test]
fn a_frame_is_one_chunk_with_event_and_data_and_the_id_last() {
    let frame = Frame::entry(ID, &event(Some("created"), b"{\"n\":1}"));
    let (fields, id) = ("event: created\ndata: {\"n\":1}\n", "id: 1526919030474-55\n");
    assert_eq!(text(frame.chunked()), format!("33\r\n{fields}{id}\n\r\n"));
    assert_eq!(text(frame.plain()), format!("{fields}{id}\n"));
    assert_eq!(text(frame.fields()), fields);
}

/// Where a client stands that moves its place with each `id` line, as many do, after these bytes.
fn place_by_lines(bytes: &[u8]) -> Option<&str> {
    let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    whole.filter_map(|line| text(line).strip_prefix("id: ")).next_back().map(str::trim_end)
}

// Seen to fail when the id comes first.
#[test]
fn wherever_a_block_is_cut_the_place_has_moved_only_if_all_but_its_last_byte_are_there() {
    let gap = Gap { channel: channel("a"), reason: GapReason::Reset, after: None, next: None };
    let mut told = [Vec::new(), Vec::new()];
    block::gap(&mut told[0], &gap, Some("7-0"));
    block::ready(&mut told[1], "7-0", &[channel("a")]);
    let frames = [
        Frame::entry(ID, &event(Some("created"), b"one\ntwo")),
        Frame::entry(ID, &event(None, b"")),
        Frame::too_large(&channel("a"), ID, None),
    ];
    for block in told.iter().map(Vec::as_slice).chain(frames.iter().map(Frame::plain)) {
        for cut in 0..block.len() {
            let moved = place_by_lines(&block[..cut]).is_some();
            assert!(!moved || cut == block.len() - 1, "{:?}", text(&block[..cut]));
        }
        assert!(place_by_lines(block).is_some(), "{:?}", text(block));
    }
}

#[test]
fn an_ephemeral_frame_has_no_id_line() {
    let frame = Frame::ephemeral(&event(None, b"hi"));
    assert_eq!(text(frame.chunked()), "a\r\ndata: hi\n\n\r\n");
    assert_eq!(text(frame.fields()), "data: hi\n");
}

#[test]
fn every_kind_of_line_break_begins_a_data_line() {
    assert_eq!(plain("a\nb\rc\r\nd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
    assert_eq!(plain("a\n\nb"), "data: a\ndata:\ndata: b\n\n");
    assert_eq!(plain("a\n"), "data: a\ndata:\n\n");
    assert_eq!(plain("\r\r\n"), "data:\ndata:\ndata:\n\n");
    assert_eq!(plain("\n\r"), "data:\ndata:\ndata:\n\n");
}

#[test]
fn empty_data_is_an_event_with_empty_data() {
    assert_eq!(plain(""), "data:\n\n");
    assert_eq!(parse(b"data:\n\n")[0].data, "");
}

#[test]
fn leading_spaces_and_colons_survive() {
    assert_eq!(plain("  x"), "data:   x\n\n");
    assert_eq!(parse(plain(" : x\n y").as_bytes())[0].data, " : x\n y");
}

#[test]
fn invalid_utf8_becomes_the_replacement_character() {
    let frame = Frame::ephemeral(&event(None, b"a\xff\xc3\nb\xe2\x82"));
    assert_eq!(text(frame.plain()), "data: a\u{fffd}\u{fffd}\ndata: b\u{fffd}\n\n");
}

#[test]
fn an_entry_that_is_too_large_leaves_a_gap_that_carries_its_id() {
    let prev = EntryId { ms: 1_526_919_030_470, seq: 0 };
    let frame = Frame::too_large(&channel("a \"b\" \\ é"), ID, Some(prev));
    assert_eq!(
        text(frame.plain()),
        concat!(
            "event: $gap\n",
            r#"data: {"channel":"a \"b\" \\ é","reason":"too_large","after":"1526919030470-0","next":null,"#,
            r#""entry":"1526919030474-55"}"#,
            "\nid: 1526919030474-55\n\n"
        )
    );
    for prev in [None, Some(EntryId::ZERO)] {
        let frame = Frame::too_large(&channel("a"), ID, prev);
        assert!(text(frame.fields()).contains(r#""after":null,"next":null,"entry":"1526919030474-55"}"#));
    }
}

// --- Size and sharing --------------------------------------------------------------------------

#[test]
fn a_frame_is_small_and_its_clones_share_the_bytes() {
    assert!(size_of::<Frame>() <= 24, "{} bytes", size_of::<Frame>());
    assert_eq!(size_of::<Option<Frame>>(), size_of::<Frame>());
    let frame = Frame::entry(ID, &event(None, b"x"));
    assert_eq!(frame.chunked().as_ptr(), frame.clone().chunked().as_ptr());
    assert_eq!(frame.heap_bytes(), frame.chunked().len() + 16);
}

#[test]
fn the_worst_data_costs_what_the_limits_say() {
    let name = "x".repeat(255);
    let id = EntryId { ms: u64::MAX, seq: u64::MAX };
    for data in [b"\n".repeat(10_000), b"\r\n".repeat(5000), b"\xff".repeat(10_000), b"x\n".repeat(5000), Vec::new()] {
        let frame = Frame::entry(id, &event(Some(&name), &data));
        assert!(frame.heap_bytes() <= data.len() * FRAME_BYTES_PER_DATA_BYTE_MAX + FRAME_OVERHEAD_BYTES_MAX);
    }
}

// --- Properties --------------------------------------------------------------------------------

/// Bytes that try to break out: line breaks, fields, chunk framing, broken UTF-8, anything.
fn hostile_data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "\r",
            "\n",
            "\r\n",
            "\n\n",
            "\0",
            " ",
            ":",
            "\u{feff}",
            "id: 9-9",
            "event: $gap",
            "data: x",
            "retry: 1",
            "\n\nid: 9-9\n\n",
            "\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "\u{2028}",
            "\u{85}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..20),
        any::<String>().prop_map(String::into_bytes),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn any_name() -> impl Strategy<Value = Option<EventName>> {
    let text = prop_oneof!["[a-z]{1,10}", " ?[:a-z ]{1,10}", any::<String>()];
    proptest::option::of(text).prop_map(|text| text.and_then(|text| EventName::parse(&text).ok()))
}

fn any_event() -> impl Strategy<Value = Event> {
    (any_name(), hostile_data()).prop_map(|(name, data)| Event { name, data: data.into() })
}

fn any_id() -> impl Strategy<Value = EntryId> {
    (any::<u64>(), any::<u64>()).prop_map(|(ms, seq)| EntryId { ms, seq })
}

fn expected(event: &Event, last_event_id: &str) -> Message {
    Message {
        event: event.name.as_ref().map_or("message", EventName::as_str).to_owned(),
        data: seen(&event.data),
        last_event_id: last_event_id.to_owned(),
    }
}

proptest! {
    #[test]
    fn an_event_of_any_bytes_is_read_back_as_itself_and_nothing_else(event in any_event(), id in any_id()) {
        let frame = Frame::entry(id, &event);
        let body = chunked::decode(frame.chunked()).unwrap();
        prop_assert!(!body.ended);
        prop_assert_eq!(&body.chunks, &[frame.plain().to_vec()]);

        prop_assert_eq!(parse(frame.plain()), [expected(&event, &id.to_string())]);
        prop_assert_eq!(parse(&[frame.fields(), b"\n"].concat()), [expected(&event, "")]);
        prop_assert_eq!(frame.data(), seen(&event.data).into_bytes());
        prop_assert_eq!(parse(Frame::ephemeral(&event).plain()), [expected(&event, "")]);
    }

    #[test]
    fn no_event_reaches_into_its_neighbours(
        entries in vec((any_id(), any_event()), 0..6),
        ephemerals in vec(any_event(), 0..3),
        pieces in vec(1..40usize, 1..10),
    ) {
        let mut out = Vec::new();
        chunk::wrap(&mut out, b"retry: 5\n\n");
        let mut wanted = Vec::new();
        let mut last = String::new();
        for (id, event) in &entries {
            out.extend_from_slice(Frame::entry(*id, event).chunked());
            last = id.to_string();
            wanted.push(expected(event, &last));
        }
        for event in &ephemerals {
            out.extend_from_slice(Frame::ephemeral(event).chunked());
            wanted.push(expected(event, &last));
        }
        out.extend_from_slice(chunk::LAST);

        let body = chunked::decode(&out).unwrap();
        prop_assert!(body.ended);
        prop_assert_eq!(body.chunks.len(), 1 + entries.len() + ephemerals.len());
        let data = body.data();
        let mut parser = Parser::default();
        let mut got = Vec::new();
        let mut rest = data.as_slice();
        for size in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            got.extend(parser.feed(piece));
            rest = after;
        }
        prop_assert_eq!(got, wanted);
        prop_assert_eq!((parser.retry, parser.comments.len()), (Some(5), 0));
        prop_assert_eq!(parser.last_event_id, last);
    }

    #[test]
    fn frames_cost_what_the_limits_say(event in any_event(), id in any_id()) {
        let bound = event.data.len() * FRAME_BYTES_PER_DATA_BYTE_MAX + FRAME_OVERHEAD_BYTES_MAX;
        prop_assert!(Frame::entry(id, &event).heap_bytes() <= bound);
    }
}
