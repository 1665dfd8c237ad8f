use fanfare_log::{FirstEntry, Tip};
use fanfare_protocol::{Entry, EntryId, Event, EventName};
use serde_json::json;

use super::*;

fn channel() -> ChannelName {
    ChannelName::parse("orders").unwrap()
}

fn id(ms: u64) -> EntryId {
    EntryId { ms, seq: 0 }
}

fn entry(ms: u64, prev: Option<u64>) -> Decoded {
    let event = Event { name: (ms == 2).then(|| EventName::parse("paid").unwrap()), data: format!("d{ms}").into() };
    Decoded::Entry(Entry { id: id(ms), prev: prev.map(id), event })
}

fn snapshot(tip: u64, first: u64, entries: Vec<Decoded>) -> Snapshot {
    let tip = Tip {
        position: Position::At(id(tip)),
        now_ms: 99,
        epoch: Epoch::from_bits(1),
        evicts: false,
        min_life: fanfare_log::MinLife::LEAST,
    };
    let first = Some(FirstEntry { id: id(first), prev: None });
    Snapshot { tip, first, untouched: false, entries, complete: true }
}

fn ask(query: &str) -> Result<Request, String> {
    parse(channel(), Some(query), 50).map_err(|problem| problem.detail.into_owned())
}

fn shown(query: &str, snapshot: &Snapshot) -> serde_json::Value {
    serde_json::to_value(page(&ask(query).unwrap(), snapshot)).unwrap()
}

#[test]
fn a_page_holds_what_follows_the_position_and_says_where_the_next_begins() {
    let seen = snapshot(3, 1, vec![entry(1, None), entry(2, Some(1)), entry(3, Some(2))]);
    let expected = json!({"entries": [{"id": "2-0", "event": "paid", "data": "d2"},
        {"id": "3-0", "event": null, "data": "d3"}], "gap": null, "next": "3-0"});
    assert_eq!(shown("after=1-0", &seen), expected);
}

#[test]
fn a_position_that_was_trimmed_away_is_a_gap_and_never_silence() {
    let seen = snapshot(9, 8, vec![entry(8, None), entry(9, Some(8))]);
    let page = shown("after=1-0", &seen);
    assert_eq!(page["gap"], json!({"channel": "orders", "reason": "trimmed", "after": "1-0", "next": "8-0"}));
    assert_eq!(page["next"], "9-0");
}

#[test]
fn a_position_ahead_of_the_stream_is_a_reset_and_goes_on_at_its_end() {
    let page = shown("after=50-0", &snapshot(9, 8, vec![]));
    assert_eq!((&page["gap"]["reason"], &page["next"]), (&json!("reset"), &json!("9-0")));
}

#[test]
fn a_reader_at_the_end_gets_nothing_and_the_same_position() {
    let seen = snapshot(9, 8, vec![entry(9, Some(8))]);
    assert_eq!(shown("after=9-0", &seen), json!({"entries": [], "gap": null, "next": "9-0"}));
}

#[test]
fn without_a_position_a_page_begins_with_the_oldest_entry_and_has_no_gap() {
    let seen = snapshot(9, 8, vec![entry(8, None), entry(9, Some(8))]);
    let page = shown("limit=1", &seen);
    assert_eq!((&page["entries"][0]["id"], &page["gap"], &page["next"]), (&json!("8-0"), &json!(null), &json!("8-0")));
}

#[test]
fn an_entry_over_the_size_limit_keeps_its_place() {
    let seen = snapshot(9, 8, vec![Decoded::TooLarge { id: id(9), prev: Some(id(8)), bytes: 7 }]);
    let expected = json!([{"id": "9-0", "event": null, "data": null, "too_large": 7}]);
    assert_eq!(shown("after=8-0", &seen)["entries"], expected);
}

#[test]
fn the_query_is_checked() {
    assert_eq!(ask("").unwrap(), Request { channel: channel(), after: None, limit: 50 });
    for wrong in ["limit=0", "limit=51", "limit=x", "after=nonsense", "after=1", "after=%ff"] {
        assert!(ask(wrong).is_err(), "{wrong}");
    }
}
