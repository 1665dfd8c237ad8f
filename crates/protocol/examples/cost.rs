//! What the wire costs: nanoseconds for each thing that this crate does per event, per connection or per request.
//!
//! ```sh
//! cargo run --release -p fanfare-protocol --example cost
//! ```
//!
//! The figures are for people: nothing depends on them. What is measured is checked, so that no line can become cheap
//! by becoming wrong.

use bytes::Bytes;
use fanfare_protocol::{
    ChannelName, ChannelTag, Decoded, Entry, EntryId, Event, EventName, Frame, LastEventId, NameError, Position, Push,
    WrittenVector, decode_fields, encode_push, encode_vector,
};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 20_000;
const MAX_EVENT_BYTES: usize = 1 << 20;

fn main() -> Result<(), NameError> {
    println!("{:<44} {:>9} {:>9}", "", "ns", "bytes");
    frames()?;
    positions()?;
    pushes()
}

fn frames() -> Result<(), NameError> {
    let id = EntryId { ms: 1_763_700_000_000, seq: 3 };
    let cases = [
        ("frame, 200 bytes of JSON", br#"{"symbol":"FAN","price":1}"#.repeat(8), Some("price")),
        ("frame, 200 bytes in 20 lines", b"line of 9\n".repeat(20), None),
        ("frame, 200 bytes of invalid UTF-8", vec![0xff; 200], None),
        ("frame, 64 KiB", vec![b'x'; 64 << 10], None),
        ("frame, 64 KiB of line breaks", vec![b'\n'; 64 << 10], None),
    ];
    for (what, data, name) in cases {
        let event = Event { name: name.map(EventName::parse).transpose()?, data: Bytes::from(data) };
        let rounds = if event.data.len() > 1024 { ROUNDS / 100 } else { ROUNDS };
        measure(what, rounds, || {
            let frame = Frame::entry(id, black_box(&event));
            assert!(frame.chunked().ends_with(b"\n\n\r\n"));
            frame.heap_bytes()
        });
    }
    Ok(())
}

fn positions() -> Result<(), NameError> {
    for count in [1, 8, 64] {
        let channels: Vec<_> =
            (0..count).map(|index| ChannelName::parse(&format!("user-{index}"))).collect::<Result<_, _>>()?;
        let position = Position::At(EntryId { ms: 1_763_700_000_000, seq: 3 });
        let mut items: Vec<_> = channels.iter().map(|name| (ChannelTag::of(name), Some(position))).collect();
        items.sort_by_key(|(tag, _)| *tag);

        let mut text = String::new();
        measure(&format!("position of {count} channels, encode"), ROUNDS, || {
            text.clear();
            encode_vector(&mut text, black_box(&items));
            text.len()
        });
        let mut moved = String::new();
        let Some(mut written) = WrittenVector::of(items.iter().copied()) else { continue };
        measure(&format!("position of {count} channels, another one has moved"), ROUNDS, || {
            assert!(written.set(black_box(count / 3), items[count / 3].0, position));
            written.as_ref().len()
        });
        measure(&format!("position of {count} channels, one has moved"), ROUNDS, || {
            moved.clear();
            let moving = written.moving(black_box(count / 2), items[count / 2].0);
            moving.into_iter().for_each(|mut vector| vector.advance(position, &mut moved));
            assert_eq!(moved, text);
            moved.len()
        });
        measure(&format!("position of {count} channels, parse and resolve"), ROUNDS / 10, || {
            let resolved = LastEventId::parse(black_box(&text)).map(|id| id.resolve(&channels)).unwrap_or_default();
            assert!(resolved.iter().all(|found| *found == Some(position)) && resolved.len() == count);
            text.len()
        });
    }
    Ok(())
}

fn pushes() -> Result<(), NameError> {
    let id = EntryId { ms: 1_763_700_000_000, seq: 3 };
    let prev = Some(EntryId { ms: 1_763_700_000_000, seq: 2 });
    let event = Event { name: Some(EventName::parse("price")?), data: Bytes::from(vec![b'x'; 200]) };
    let entry = Entry { id, prev, event: event.clone() };
    let payload = Bytes::from(encode_push(&entry));
    measure("push, 200 bytes, parse", ROUNDS, || {
        assert!(matches!(Push::parse(black_box(payload.clone()), MAX_EVENT_BYTES), Push::Entry(_)));
        payload.len()
    });

    let text = Bytes::from_static;
    let fields =
        [(text(b"data"), event.data), (text(b"event"), text(b"price")), (text(b"prev"), text(b"1763700000000-2"))];
    measure("stream fields, 200 bytes, decode", ROUNDS, || {
        let (decoded, _) = decode_fields(id, black_box(&fields), MAX_EVENT_BYTES);
        assert!(matches!(&decoded, Decoded::Entry(decoded) if *decoded == entry));
        200
    });
    Ok(())
}

/// Runs `work` once to warm up and then `rounds` times. It returns how many bytes it made or read.
fn measure(what: &str, rounds: u32, mut work: impl FnMut() -> usize) {
    let bytes = work();
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(work());
    }
    println!("{what:<44} {:>9} {bytes:>9}", (start.elapsed() / rounds).as_nanos());
}
