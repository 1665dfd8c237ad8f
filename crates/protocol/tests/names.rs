//! What may be the name of a channel or an event.
#![allow(clippy::unwrap_used)]

use fanfare_protocol::limits::{CHANNEL_NAME_MAX, EVENT_NAME_MAX};
use fanfare_protocol::{ChannelName, EntryId, EventName, NameError};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

#[test]
fn ordinary_names_are_taken_as_they_are() {
    for name in ["orders", "a", "user:42", "Ünïcode 😀", "with space", "{tag}x", "a$b", " lead", "prix/€", ":", "*"]
    {
        assert_eq!(ChannelName::parse(name).unwrap().as_str(), name);
        assert_eq!(EventName::parse(name).unwrap().to_string(), name);
    }
}

#[test]
fn each_rule_is_named_when_it_is_broken() {
    let refused = |name: &str| ChannelName::parse(name).unwrap_err();
    assert_eq!(refused(""), NameError::Empty);
    assert_eq!(refused("$gap"), NameError::Reserved);
    assert_eq!(refused("$"), NameError::Reserved);
    for name in ["a\rb", "a\nb", "a\0b", "\t", "a\u{7f}", "a\u{85}b", "\n"] {
        assert_eq!(refused(name), NameError::Control, "{name:?}");
        assert_eq!(EventName::parse(name), Err(NameError::Control), "{name:?}");
    }
}

#[test]
fn the_length_limit_counts_bytes_and_is_inclusive() {
    assert!(ChannelName::parse(&"x".repeat(CHANNEL_NAME_MAX)).is_ok());
    assert!(EventName::parse(&"x".repeat(EVENT_NAME_MAX)).is_ok());
    let euros = "€".repeat(CHANNEL_NAME_MAX / 3 + 1);
    assert_eq!(
        ChannelName::parse(&euros),
        Err(NameError::TooLong { bytes: CHANNEL_NAME_MAX + 3, max: CHANNEL_NAME_MAX })
    );
}

#[test]
fn maps_of_names_can_be_asked_with_text() {
    let name = ChannelName::parse("orders").unwrap();
    assert_eq!(HashMap::from([(name.clone(), 1)]).get("orders"), Some(&1));
    assert_eq!(BTreeMap::from([(name, 1)]).get("orders"), Some(&1));
}

#[test]
fn an_entry_id_has_exactly_one_spelling() {
    assert_eq!("1526919030474-55".parse(), Ok(EntryId { ms: 1_526_919_030_474, seq: 55 }));
    assert_eq!("0-0".parse(), Ok(EntryId::ZERO));
    assert_eq!(format!("{0}-{0}", u64::MAX).parse(), Ok(EntryId { ms: u64::MAX, seq: u64::MAX }));
    for text in [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "01-0",
        "1-00",
        "+1-0",
        "1-+0",
        " 1-0",
        "1-0 ",
        "1-0\n",
        "a-b",
        "1.0",
        "18446744073709551616-0",
        "0-18446744073709551616",
        "0-99999999999999999999",
        "1-*",
        "$",
        "١-٠",
        "0x1-0",
    ] {
        assert!(text.parse::<EntryId>().is_err(), "{text:?}");
    }
}

#[test]
fn entry_ids_are_ordered_by_time_and_then_by_number() {
    let id = |ms, seq| EntryId { ms, seq };
    assert!(id(9, 9) < id(10, 0) && id(10, 9) < id(10, 10) && EntryId::ZERO < id(0, 1));
}

proptest! {
    #[test]
    fn entry_ids_survive_their_text(ms: u64, seq: u64) {
        let id = EntryId { ms, seq };
        let text = id.to_string();
        prop_assert!(text.len() <= EntryId::TEXT_MAX);
        prop_assert_eq!(text.parse(), Ok(id));
    }

    #[test]
    fn what_is_taken_as_an_entry_id_is_spelled_back_the_same(text in "[0-9]{0,21}-?[-+0-9 ]{0,21}") {
        if let Ok(id) = text.parse::<EntryId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn no_accepted_name_can_end_a_line(name in any::<String>()) {
        if let Ok(name) = EventName::parse(&name) {
            prop_assert!(!name.as_str().contains(['\r', '\n', '\0']));
            prop_assert!(!name.as_str().starts_with('$'));
        }
    }
}
