//! Pub/Sub messages: what producers send, and what nobody should.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use fanfare_protocol::{Entry, EntryId, Event, EventName, Push, encode_push};
use proptest::collection::vec;
use proptest::prelude::*;

const MAX: usize = 1024;

fn parse(payload: &[u8]) -> Push {
    Push::parse(Bytes::copy_from_slice(payload), MAX)
}

fn entry(name: Option<&str>, data: &[u8]) -> Entry {
    Entry {
        id: EntryId { ms: 1_526_919_030_474, seq: 55 },
        prev: Some(EntryId { ms: 1_526_919_030_474, seq: 54 }),
        event: Event { name: name.map(|name| EventName::parse(name).unwrap()), data: Bytes::copy_from_slice(data) },
    }
}

#[test]
fn version_1_never_changes() {
    let named = b"\x1eff1 1526919030474-55 1526919030474-54 7\ncreated{\"n\":1}";
    assert_eq!(encode_push(&entry(Some("created"), b"{\"n\":1}")), named);
    assert_eq!(parse(named), Push::Entry(entry(Some("created"), b"{\"n\":1}")));

    let first = Entry { prev: Some(EntryId::ZERO), ..entry(None, b"") };
    assert_eq!(encode_push(&first), b"\x1eff1 1526919030474-55 0-0 0\n");
    assert_eq!(parse(b"\x1eff1 1526919030474-55 0-0 0\n"), Push::Entry(first));
}

#[test]
fn an_empty_message_is_a_doorbell() {
    assert_eq!(parse(b""), Push::Doorbell);
}

#[test]
fn an_entry_without_predecessor_is_pushed_as_a_doorbell() {
    let plain = Entry { prev: None, ..entry(None, b"x") };
    assert_eq!(encode_push(&plain), b"");
}

#[test]
fn anything_without_the_marker_is_an_ephemeral_text() {
    for text in
        [&b"hello"[..], b"\x1e{\"json\":\"sequence\"}\n", b"\x1eff1", b"\x1eff2 1-0", b"ff1 1-0 0-0 0\n", b"\xff\0\r\n"]
    {
        let event = Event { name: None, data: Bytes::copy_from_slice(text) };
        assert_eq!(parse(text), Push::Ephemeral(event), "{text:?}");
    }
}

#[test]
fn the_marker_with_anything_but_version_1_behind_it_is_malformed() {
    for rest in [
        &b""[..],
        b"\n",
        b"1-0",
        b"1-0 0-0",
        b"1-0 0-0 0",
        b"1-0 0-0 \n",
        b"1-0 0-0 0 \n",
        b"1-0 0-0 0 0\n",
        b" 1-0 0-0 0\n",
        b"1-0  0-0 0\n",
        b"01-0 0-0 0\n",
        b"1-0 0-00 0\n",
        b"1-0 0-0 00\n",
        b"1-0 0-0 01\nx",
        b"1-0 0-0 +1\nx",
        b"1-0 0-0 -1\nx",
        b"1-0 0-0 5\nabcd",
        b"1-0 0-0 99999999999999999999\nx",
        b"1-0 0-0 18446744073709551615\nx",
        b"1-0 - 0\n",
        b"1-0 0 0\n",
        b"18446744073709551616-0 0-0 0\n",
        b"1-0 0-0 0\r\nx",
        b"1-0\t0-0\t0\n",
        b"1-0 0-0 4\n$gap",
        b"1-0 0-0 3\na\nb",
        b"1-0 0-0 1\n\xff",
        b"1-0 0-0 1\n\0",
    ] {
        let payload = [b"\x1eff1 ", rest].concat();
        assert_eq!(parse(&payload), Push::Malformed, "{:?}", String::from_utf8_lossy(&payload));
    }
}

#[test]
fn a_push_that_does_not_come_after_its_predecessor_is_malformed() {
    for head in ["5-0 5-0 0\n", "5-0 5-1 0\n", "5-0 6-0 0\n", "0-0 0-0 0\n"] {
        assert_eq!(parse(format!("\x1eff1 {head}x").as_bytes()), Push::Malformed, "{head:?}");
    }
}

#[test]
fn a_name_over_the_limit_is_malformed() {
    let named = |len: usize| format!("\x1eff1 1-0 0-0 {len}\n{}", "n".repeat(len));
    assert!(matches!(parse(named(255).as_bytes()), Push::Entry(_)));
    assert_eq!(parse(named(256).as_bytes()), Push::Malformed);
}

#[test]
fn the_archive_decides_about_an_entry_over_the_limit() {
    assert!(matches!(parse(&encode_push(&entry(Some("n"), &[b'x'; MAX]))), Push::Entry(_)));
    assert_eq!(parse(&encode_push(&entry(Some("n"), &[b'x'; MAX + 1]))), Push::Doorbell);
}

#[test]
fn an_ephemeral_text_over_the_limit_is_not_delivered_and_counted() {
    assert!(matches!(parse(&[b'x'; MAX]), Push::Ephemeral(_)));
    assert_eq!(parse(&[b'x'; MAX + 1]), Push::Malformed);
}

#[test]
fn the_longest_head_is_understood() {
    let prev = EntryId { ms: u64::MAX, seq: u64::MAX - 1 };
    let id = EntryId { ms: u64::MAX, seq: u64::MAX };
    let name = EventName::parse(&"n".repeat(255)).unwrap();
    let entry = Entry { id, prev: Some(prev), event: Event { name: Some(name), data: Bytes::from_static(b"\nx") } };
    assert_eq!(parse(&encode_push(&entry)), Push::Entry(entry));
}

#[test]
fn the_data_shares_the_payload() {
    let payload = Bytes::from(encode_push(&entry(Some("n"), b"data")));
    let Push::Entry(entry) = Push::parse(payload.clone(), MAX) else { panic!("not an entry") };
    assert_eq!(entry.event.data.as_ptr(), payload[payload.len() - 4..].as_ptr());
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let name = proptest::option::of(any::<String>()).prop_map(|text| EventName::parse(&text?).ok());
    let ids = (any::<(u64, u64)>(), any::<(u64, u64)>())
        .prop_map(|(one, two)| (one.max(two), one.min(two)))
        .prop_filter("the predecessor is less", |(id, prev)| id > prev);
    (ids, name, vec(any::<u8>(), 0..200)).prop_map(|((id, prev), name, data)| Entry {
        id: EntryId { ms: id.0, seq: id.1 },
        prev: Some(EntryId { ms: prev.0, seq: prev.1 }),
        event: Event { name, data: data.into() },
    })
}

proptest! {
    #[test]
    fn every_entry_survives_its_push(entry in any_entry()) {
        prop_assert_eq!(Push::parse(encode_push(&entry).into(), MAX), Push::Entry(entry));
    }

    #[test]
    fn whatever_parses_as_a_push_is_spelled_back_the_same(
        entry in any_entry(),
        place in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), proptest::sample::select(b"0 -\n".to_vec())],
        how in 0..3,
    ) {
        let mut payload = encode_push(&entry);
        let place = place.index(payload.len().min(100));
        match how {
            0 => payload[place] = byte,
            1 => payload.insert(place, byte),
            _ => payload.truncate(place),
        }
        if let Push::Entry(parsed) = parse(&payload) {
            prop_assert_eq!(encode_push(&parsed), payload);
        }
    }

    #[test]
    fn no_message_makes_the_parser_panic(marked: bool, rest in vec(any::<u8>(), 0..150)) {
        let payload = if marked { [b"\x1eff1 ", &rest[..]].concat() } else { rest };
        if let Push::Entry(parsed) = parse(&payload) {
            prop_assert_eq!(encode_push(&parsed), payload);
        }
    }
}
