//! Positions: what holds for all of them.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_protocol::limits::{POSITION_BYTES_MAX, POSITION_BYTES_SAFE};
use fanfare_protocol::{Epoch, LastEventId, Position};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use support::positions::{
    MS_SHORT_MAX, SEQ_SHORT_MAX, SHARE_3_CHARACTERS, SHARE_6_CHARACTERS, at, encode, is_safe, resolve,
};

fn any_position() -> impl Strategy<Value = Position> {
    let epoch = any::<u32>().prop_map(Epoch::from_bits);
    prop_oneof![
        ordinary_position(),
        (any::<u64>(), any::<u64>()).prop_map(|(ms, seq)| at(ms, seq)),
        (MS_SHORT_MAX - 1..=MS_SHORT_MAX + 1, SEQ_SHORT_MAX - 1..=SEQ_SHORT_MAX + 1).prop_map(|(ms, seq)| at(ms, seq)),
        (0..=MS_SHORT_MAX, epoch).prop_map(|(at_ms, epoch)| Position::Absent { at_ms, epoch }),
    ]
}

/// What eight channels in ordinary use may have: any time until 2109, any sequence number of up to five digits.
fn ordinary_position() -> impl Strategy<Value = Position> {
    let epoch = any::<u32>().prop_map(Epoch::from_bits);
    prop_oneof![
        (0..=MS_SHORT_MAX, 0..100u64).prop_map(|(ms, seq)| at(ms, seq)),
        (0..=MS_SHORT_MAX, 0..=SEQ_SHORT_MAX).prop_map(|(ms, seq)| at(ms, seq)),
        (0..=MS_SHORT_MAX, epoch).prop_map(|(at_ms, epoch)| Position::Absent { at_ms, epoch }),
    ]
}

/// Distinct names, among them such that share the beginnings of their tags.
fn names(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<String>> {
    let name = prop_oneof![
        4 => "[a-z]{1,8}",
        1 => proptest::sample::select([SHARE_3_CHARACTERS, SHARE_6_CHARACTERS].concat()).prop_map(str::to_owned),
    ];
    btree_set(name, count).prop_map(|names| names.into_iter().collect::<Vec<_>>()).prop_shuffle()
}

fn some_channels() -> impl Strategy<Value = Vec<(String, Option<Position>)>> {
    names(0..12).prop_flat_map(|names| {
        let count = names.len();
        vec(proptest::option::weighted(0.9, any_position()), count)
            .prop_map(move |positions| names.iter().cloned().zip(positions).collect())
    })
}

proptest! {
    #[test]
    fn positions_of_any_channels_come_back_as_they_left(items in some_channels()) {
        let items: Vec<_> = items.iter().map(|(name, position)| (name.as_str(), *position)).collect();
        let text = encode(&items);
        prop_assert!(is_safe(&text), "{}", text);
        prop_assert!(text.len() <= POSITION_BYTES_MAX);

        let parsed = LastEventId::parse(&text);
        prop_assert_eq!(parsed.as_ref().map(ToString::to_string), Ok(text.clone()));
        let known: Vec<_> = items.iter().copied().filter(|(_, position)| position.is_some()).collect();
        let (names, positions): (Vec<_>, Vec<_>) = known.into_iter().unzip();
        prop_assert_eq!(resolve(&text, &names), positions);
    }

    #[test]
    fn one_position_comes_back_as_it_left(position in any_position()) {
        let text = position.to_string();
        prop_assert!(is_safe(&text) && text.len() <= 42, "{}", text);
        prop_assert_eq!(text.parse(), Ok(position));
        prop_assert_eq!(LastEventId::parse(&text), Ok(LastEventId::One(position)));
    }

    #[test]
    fn eight_ordinary_channels_need_no_preflight(
        names in btree_set("[a-z]{1,8}", 8),
        positions in vec(ordinary_position(), 8),
    ) {
        let items: Vec<_> = names.iter().map(String::as_str).zip(positions.into_iter().map(Some)).collect();
        let text = encode(&items);
        // One in ten thousand sets of eight names needs longer tags.
        prop_assume!(text.starts_with('v'));
        prop_assert!(is_safe(&text) && text.len() <= POSITION_BYTES_SAFE, "{} bytes: {}", text.len(), text);
    }

    #[test]
    fn the_order_in_which_channels_are_encoded_does_not_matter(items in some_channels()) {
        let forth: Vec<_> = items.iter().map(|(name, position)| (name.as_str(), *position)).collect();
        let back: Vec<_> = forth.iter().rev().copied().collect();
        prop_assert_eq!(encode(&forth), encode(&back));
    }

    #[test]
    fn whatever_parses_is_spelled_back_the_same(
        items in some_channels(),
        cut in any::<prop::sample::Index>(),
        kept in any::<prop::sample::Index>(),
        put in "[0-9A-Za-z_.~-]{0,3}",
    ) {
        let items: Vec<_> = items.iter().map(|(name, position)| (name.as_str(), *position)).collect();
        let text = encode(&items);
        let (one, two) = (cut.index(text.len() + 1), kept.index(text.len() + 1));
        let (start, end) = (one.min(two), one.max(two));
        for text in [
            format!("{}{put}{}", &text[..start], &text[start..]),
            format!("{}{put}{}", &text[..start], &text[end..]),
            format!("{}{put}{}", &text[..start], &text[(start + put.len()).min(text.len())..]),
        ] {
            if let Ok(parsed) = LastEventId::parse(&text) {
                prop_assert_eq!(parsed.to_string(), text);
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in prop_oneof![
        any::<String>(),
        "[vwx~]?[0-9A-Za-z_.~-]{0,80}",
        "[0-9~]{1,25}[-.][0-9A-Za-z_-]{0,25}",
    ]) {
        if let Ok(parsed) = LastEventId::parse(&text) {
            prop_assert!(is_safe(&text));
            prop_assert_eq!(parsed.to_string(), text);
        }
    }
}
