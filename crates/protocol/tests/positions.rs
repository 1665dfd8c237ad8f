//! Positions: what a client keeps for us, and what may come back.
#![allow(clippy::unwrap_used)]

mod support;

use fanfare_protocol::limits::POSITION_BYTES_MAX;
use fanfare_protocol::{ChannelTag, Epoch, LastEventId, Position, PositionError, PositionVector, encode_vector};
use support::positions::{
    MS_SHORT_MAX, SEQ_SHORT_MAX, SHARE_3_CHARACTERS, SHARE_6_CHARACTERS, at, channel, encode, resolve,
};

// --- Goldens: these texts are in the hands of clients, so they must never change ---------------

// (The expected texts were worked out by a program in another language.)

#[test]
fn tags_never_change() {
    for (name, tag) in [("orders", "Cb8"), ("prices", "EH2"), ("a", "WgA"), ("😀", "sec")] {
        assert_eq!(encode(&[(name, Some(at(0, 0)))]), format!("v{tag}0000000"));
    }
}

#[test]
fn epochs_never_change() {
    assert_eq!(Epoch::from_key(b"3f0c9a1e").to_string(), "OnXs");
    assert_eq!(Epoch::from_key(b"").to_string(), "xz0V");
    assert_eq!(Epoch::from_bits(0xab_cdef).to_string(), "gytl");
    assert_eq!(Epoch::from_bits(0xffab_cdef).bits(), 0xab_cdef);
}

#[test]
fn a_position_of_one_channel_reads_like_its_entry_id() {
    assert_eq!(at(1_526_919_030_474, 55).to_string(), "1526919030474-55");
    let empty = Position::Absent { at_ms: 1_526_919_030_474, epoch: Epoch::from_bits(0xab_cdef) };
    assert_eq!(empty.to_string(), "~1526919030474.gytl");
}

#[test]
fn each_form_of_a_component_never_changes() {
    let epoch = Epoch::from_bits(0xab_cdef);
    for (position, text) in [
        (at(1_526_919_030_474, 0), "vCb8ME3TsRA"),
        (at(1_526_919_030_474, 55), "vCb8ME3TsRAt"),
        (at(MS_SHORT_MAX, SEQ_SHORT_MAX), "vCb8------------"),
        (at(MS_SHORT_MAX + 1, 0), "vCb8~~0001000000000000000000"),
        (at(u64::MAX, u64::MAX), "vCb8~~F----------F----------"),
        (Position::Absent { at_ms: 1_526_919_030_474, epoch }, "vCb8~ME3TsRAgytl"),
    ] {
        assert_eq!(encode(&[("orders", Some(position))]), text);
        assert_eq!(resolve(text, &["orders"]), [Some(position)]);
    }
}

#[test]
fn eight_ordinary_channels_take_88_bytes_in_the_order_of_their_tags() {
    let names = ["orders", "prices", "a", "b", "c", "d", "e", "f"];
    let items: Vec<_> =
        names.iter().enumerate().map(|(index, name)| (*name, Some(at(1_763_700_000_000 + index as u64, 0)))).collect();
    let text = encode(&items);
    assert_eq!(text, "vCb8PgajaK0.EE7PgajaK6.EH2PgajaK1.RcSPgajaK3.TmaPgajaK4.WgAPgajaK2.fPNPgajaK5.t89PgajaK7");
    assert_eq!(text.len(), 88);
}

#[test]
fn tags_grow_only_as_far_as_it_takes_to_tell_the_channels_apart() {
    let both = |[left, right]: [&'static str; 2]| {
        encode(&[(left, Some(at(1_763_700_000_000, 1))), (right, Some(at(1_763_700_000_000, 1)))])
    };
    assert_eq!(both(SHARE_3_CHARACTERS), "wyCKK6zPgajaK01.yCKPNePgajaK01");
    assert_eq!(both(SHARE_6_CHARACTERS), "xGqwR3E48TC8PgajaK01.GqwR3EcJZtKPgajaK01");
}

// --- What a request gets for its id ------------------------------------------------------------

#[test]
fn the_order_of_parameters_is_free_and_a_removed_channel_is_ignored() {
    let text = encode(&[("a", Some(at(1, 0))), ("b", Some(at(2, 0))), ("c", Some(at(3, 0)))]);
    assert_eq!(resolve(&text, &["c", "a"]), [Some(at(3, 0)), Some(at(1, 0))]);
}

#[test]
fn an_added_channel_has_no_position() {
    let text = encode(&[("a", Some(at(1, 0))), ("b", Some(at(2, 0)))]);
    assert_eq!(resolve(&text, &["a", "new", "b"]), [Some(at(1, 0)), None, Some(at(2, 0))]);
}

#[test]
fn the_position_of_one_channel_counts_for_exactly_one() {
    assert_eq!(resolve("7-1", &["any"]), [Some(at(7, 1))]);
    assert_eq!(resolve("7-1", &["a", "b"]), [None, None]);
    assert_eq!(resolve("7-1", &[]), []);
}

#[test]
fn a_vector_serves_a_request_of_one_channel_too() {
    let text = encode(&[("a", Some(at(1, 0))), ("b", Some(at(2, 0)))]);
    assert_eq!(resolve(&text, &["b"]), [Some(at(2, 0))]);
}

#[test]
fn channels_that_the_tags_in_use_cannot_tell_apart_get_no_position() {
    let [left, right] = SHARE_3_CHARACTERS;
    let text = encode(&[(left, Some(at(1, 0))), ("a", Some(at(2, 0)))]);
    assert_eq!(resolve(&text, &["a", left]), [Some(at(2, 0)), Some(at(1, 0))]);
    assert_eq!(resolve(&text, &["a", left, right]), [Some(at(2, 0)), None, None]);
}

#[test]
fn channels_with_longer_tags_find_their_own_positions() {
    for [left, right] in [SHARE_3_CHARACTERS, SHARE_6_CHARACTERS] {
        let text = encode(&[(left, Some(at(1, 0))), (right, Some(at(2, 0))), ("a", Some(at(3, 0)))]);
        assert_eq!(resolve(&text, &[right, "a", left]), [Some(at(2, 0)), Some(at(3, 0)), Some(at(1, 0))]);
    }
}

#[test]
fn unknown_positions_are_left_out_and_none_at_all_is_still_a_text() {
    assert_eq!(encode(&[("a", None), ("orders", Some(at(0, 0)))]), "vCb80000000");
    assert_eq!(encode(&[("a", None), ("b", None)]), "v");
    assert_eq!(encode(&[]), "v");
    assert_eq!(resolve("v", &["a", "b"]), [None, None]);
}

#[test]
fn an_emptiness_beyond_the_short_form_is_left_out_rather_than_misread() {
    let empty = |at_ms| Some(Position::Absent { at_ms, epoch: Epoch::from_bits(1) });
    assert_eq!(encode(&[("orders", empty(MS_SHORT_MAX + 1))]), "v");
    assert_eq!(encode(&[("orders", empty(MS_SHORT_MAX))]), "vCb8~-------0001");
}

// --- Strictness --------------------------------------------------------------------------------

#[test]
fn other_spellings_and_other_texts_are_refused() {
    for (text, why) in [
        ("", "empty counts as absent before it comes here"),
        ("0", "no sequence number"),
        ("01-0", "leading zero"),
        ("~5", "no epoch"),
        ("~5.", "no epoch"),
        ("~05.gytl", "leading zero"),
        ("~5.gyt", "short epoch"),
        ("~5.gytlx", "long epoch"),
        ("~5.gy+l", "not of the alphabet"),
        ("~.gytl", "no time"),
        ("~18446744073709551616.gytl", "more than 64 bits"),
        ("u", "unknown version"),
        ("vCb8", "no milliseconds"),
        ("vCb8000000", "too few milliseconds"),
        ("vCb800000000", "leading zero in the sequence number"),
        ("vCb80000000100000", "too long a sequence number"),
        ("vCb80000000.", "separator without a component"),
        ("v.Cb80000000", "separator without a component"),
        ("vCb80000000..EH20000000", "empty component"),
        ("vCb80000000.Cb80000000", "the same channel twice"),
        ("xGqwR3E48TC80000000.GqwR3E48TC80000000", "the same channel twice"),
        ("vEH20000000.Cb80000000", "not in order"),
        ("w", "longer tags without need"),
        ("wCb8FlR0000000", "longer tags without need"),
        ("xCb8FlRJQrRa0000000", "longer tags without need"),
        ("wyCKK6zPgajaK01.yCPPNePgajaK01", "longer tags without need"),
        ("xyCKK6zGpKtCPgajaK01.yCKPNem5Y5iPgajaK01", "longer tags than needed"),
        ("xGqwR3E48TC9PgajaK01.GqwR3EcJZtKPgajaK01", "bits beyond the tag"),
        ("vCb8~~00000000000", "half of the long form"),
        ("vCb8~~0000000000000000000001", "long form without need"),
        ("vCb8~~G----------F----------", "more than 64 bits"),
        ("vCb8~0000000gyt", "short epoch"),
        ("vCb8~0000000gytl0", "long epoch"),
        ("vCb8~~~0000000gytl", "no such form"),
        ("vCb8000 000", "not of the alphabet"),
        ("vCb80000000\n", "not of the alphabet"),
        ("vé80000000", "not of the alphabet"),
        ("[{\"topic\":\"a\"}]", "someone else's"),
        ("urn:uuid:6b2f", "someone else's"),
    ] {
        assert_eq!(LastEventId::parse(text), Err(PositionError::Malformed), "{text:?}: {why}");
    }
}

#[test]
fn more_than_any_node_writes_is_refused_before_it_is_read() {
    let many = |count: usize| -> String {
        let mut items: Vec<_> = (0..count)
            .map(|index| (ChannelTag::of(&channel(&format!("user-{index}"))), Some(at(u64::MAX, u64::MAX))))
            .collect();
        items.sort_by_key(|(tag, _)| *tag);
        let mut out = String::new();
        encode_vector(&mut out, &items);
        out
    };
    let most = many(256);
    assert!(most.len() <= POSITION_BYTES_MAX);
    assert_eq!(LastEventId::parse(&most).unwrap().to_string(), most);
    assert_eq!(PositionVector::parse(&many(257)), Err(PositionError::Malformed));
    assert_eq!(LastEventId::parse(&"9".repeat(POSITION_BYTES_MAX + 1)), Err(PositionError::TooLong));
}
