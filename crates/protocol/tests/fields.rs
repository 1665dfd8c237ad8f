//! Stream entries, by producers that know this gateway and by those that do not.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use fanfare_protocol::{Decoded, Entry, EntryId, Event, EventName, Foreign, decode_fields};
use proptest::collection::vec;
use proptest::prelude::*;

const ID: EntryId = EntryId { ms: 7, seq: 0 };
const PREV: EntryId = EntryId { ms: 6, seq: 2 };
const MAX: usize = 100;

fn decode<B: AsRef<[u8]>>(fields: &[(&str, B)]) -> (Decoded, Foreign) {
    let bytes = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    let fields: Vec<_> = fields.iter().map(|(field, value)| (bytes(field.as_bytes()), bytes(value.as_ref()))).collect();
    decode_fields(ID, &fields, MAX)
}

fn entry(prev: Option<EntryId>, name: Option<&str>, data: &str) -> Decoded {
    let name = name.map(|name| EventName::parse(name).unwrap());
    Decoded::Entry(Entry { id: ID, prev, event: Event { name, data: Bytes::copy_from_slice(data.as_bytes()) } })
}

const OURS: Foreign = Foreign { invalid_event_name: false, no_data: false };
const NO_DATA: Foreign = Foreign { no_data: true, ..OURS };
const BAD_NAME: Foreign = Foreign { invalid_event_name: true, ..OURS };

#[test]
fn an_entry_of_the_function_is_taken_as_it_is() {
    let decoded = decode(&[("data", "x"), ("event", "created"), ("prev", "6-2")]);
    assert_eq!(decoded, (entry(Some(PREV), Some("created"), "x"), OURS));
    assert_eq!((decoded.0.id(), decoded.0.prev()), (ID, Some(PREV)));
    assert_eq!(decode(&[("data", "x"), ("prev", "0-0")]), (entry(Some(EntryId::ZERO), None, "x"), OURS));
}

#[test]
fn an_entry_of_a_plain_xadd_names_no_predecessor() {
    assert_eq!(decode(&[("data", "x")]), (entry(None, None, "x"), OURS));
}

#[test]
fn data_may_be_any_bytes() {
    let (decoded, _) = decode(&[("data", b"\xff\0\r\n")]);
    let Decoded::Entry(entry) = decoded else { panic!("not an entry") };
    assert_eq!(&entry.event.data[..], b"\xff\0\r\n");
}

#[test]
fn the_first_of_repeated_fields_counts() {
    let fields = [("other", "0"), ("event", "a"), ("data", "1"), ("data", "2"), ("event", "b"), ("event", "$gap")];
    assert_eq!(decode(&fields), (entry(None, Some("a"), "1"), OURS));
}

#[test]
fn a_predecessor_counts_only_as_the_last_field_and_only_if_it_is_an_id() {
    for fields in [
        &[("prev", "6-2"), ("data", "x")][..],
        &[("data", "x"), ("prev", "6-2"), ("note", "copied")],
        &[("data", "x"), ("prev", "6")],
        &[("data", "x"), ("prev", "06-2")],
        &[("data", "x"), ("prev", "")],
        &[("data", "x"), ("Prev", "6-2")],
    ] {
        assert_eq!(decode(fields), (entry(None, None, "x"), OURS), "{fields:?}");
    }
    let twice = [("prev", "1-1"), ("data", "x"), ("prev", "6-2")];
    assert_eq!(decode(&twice), (entry(Some(PREV), None, "x"), OURS));
}

#[test]
fn an_invalid_event_name_is_dropped_and_counted() {
    for name in [&b"$gap"[..], b"a\nb", b"a\r", b"\0", b"\xff", &[b'x'; 256]] {
        let decoded = decode(&[("data", &b"x"[..]), ("event", name)]);
        assert_eq!(decoded, (entry(None, None, "x"), BAD_NAME), "{name:?}");
    }
}

#[test]
fn an_empty_event_name_is_no_name() {
    assert_eq!(decode(&[("data", "x"), ("event", "")]), (entry(None, None, "x"), OURS));
}

#[test]
fn an_entry_without_data_is_a_json_object_of_its_fields_in_their_order() {
    let decoded = decode(&[("op", "u"), ("event", "row"), ("after", "{\"a\":1}\n"), ("a\"", "\\")]);
    let json = r#"{"op":"u","event":"row","after":"{\"a\":1}\n","a\"":"\\"}"#;
    assert_eq!(decoded, (entry(None, Some("row"), json), NO_DATA));
}

#[test]
fn the_json_object_has_the_first_of_repeated_fields_and_not_the_predecessor() {
    let decoded = decode(&[("prev", "1-1"), ("k", "1"), ("k", "2"), ("prev", "6-2")]);
    assert_eq!(decoded, (entry(Some(PREV), None, r#"{"prev":"1-1","k":"1"}"#), NO_DATA));
    assert_eq!(decode(&[("k", "1"), ("prev", "no id")]), (entry(None, None, r#"{"k":"1","prev":"no id"}"#), NO_DATA));
    assert_eq!(decode(&[("prev", "6-2")]), (entry(Some(PREV), None, "{}"), NO_DATA));
}

#[test]
fn the_json_object_is_valid_even_if_the_fields_are_not_text() {
    assert_eq!(decode(&[("k", b"\xff\0")]), (entry(None, None, "{\"k\":\"\u{fffd}\\u0000\"}"), NO_DATA));
}

#[test]
fn data_over_the_limit_keeps_its_place_in_the_stream() {
    let too_large = |bytes| Decoded::TooLarge { id: ID, prev: Some(PREV), bytes };
    let long = "x".repeat(MAX);
    assert_eq!(decode(&[("data", &*long), ("prev", "6-2")]).0, entry(Some(PREV), None, &long));
    let long = "x".repeat(MAX + 1);
    let decoded = decode(&[("data", &*long), ("prev", "6-2")]);
    assert_eq!(decoded, (too_large(MAX + 1), OURS));
    assert_eq!((decoded.0.id(), decoded.0.prev()), (ID, Some(PREV)));
}

#[test]
fn an_entry_without_data_is_bounded_before_and_after_it_becomes_json() {
    let long = "x".repeat(MAX);
    assert!(matches!(decode(&[("k", &*long)]), (Decoded::TooLarge { bytes: 101, .. }, NO_DATA)));
    // 51 bytes raw, 6 for each as JSON, and 6 around.
    let controls = "\u{1}".repeat(50);
    assert!(matches!(decode(&[("k", &*controls)]), (Decoded::TooLarge { bytes: 308, .. }, NO_DATA)));
}

#[test]
fn other_fields_beside_the_data_do_not_count_against_the_limit() {
    let long = "x".repeat(10 * MAX);
    assert_eq!(decode(&[("data", "x"), ("trace", &*long)]), (entry(None, None, "x"), OURS));
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::sample::select(vec!["data", "event", "prev", "k"]).prop_map(|field| field.as_bytes().to_vec()),
        vec(any::<u8>(), 0..6),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(b"6-2".to_vec()), Just(b"$gap".to_vec()), Just(b"ok".to_vec()), vec(any::<u8>(), 0..40)]
}

proptest! {
    #[test]
    fn any_fields_decode_to_an_event_within_the_limits(fields in vec((field(), value()), 0..8)) {
        let fields: Vec<(Bytes, Bytes)> =
            fields.into_iter().map(|(field, value)| (field.into(), value.into())).collect();
        let (decoded, foreign) = decode_fields(ID, &fields, MAX);
        prop_assert_eq!(decoded.id(), ID);
        if decoded.prev().is_some() {
            prop_assert_eq!(&fields[fields.len() - 1].0[..], b"prev");
        }
        prop_assert_eq!(foreign.no_data, fields.iter().all(|(field, _)| field != "data"));
        let Decoded::Entry(entry) = decoded else { return Ok(()) };
        prop_assert!(entry.event.data.len() <= MAX);
        if foreign.no_data {
            let json: serde_json::Value = serde_json::from_slice(&entry.event.data).unwrap();
            prop_assert!(json.as_object().unwrap().values().all(serde_json::Value::is_string));
        }
        if let Some(name) = entry.event.name {
            let first = fields.iter().find(|(field, _)| field == "event").unwrap();
            prop_assert_eq!(name.as_str().as_bytes(), &first.1[..]);
        }
    }
}
