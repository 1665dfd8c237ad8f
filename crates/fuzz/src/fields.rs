//! The fields of a stream entry, whatever producer wrote them.

use arbitrary::Unstructured;
use bytes::Bytes;
use fanfare_protocol::{ChannelName, Decoded, EntryId, EventName, Frame, decode_fields};

use crate::support::event_stream;

const ID: EntryId = EntryId { ms: 7, seq: 1 };
/// Small, so that entries on both sides of the limit are short.
const MAX_EVENT_BYTES: usize = 64;

/// Fields as pairs of any bytes; a byte chooses the names that mean something more often than chance would.
fn input(data: &[u8]) -> arbitrary::Result<Vec<(Bytes, Bytes)>> {
    let mut data = Unstructured::new(data);
    let mut fields = Vec::new();
    while !data.is_empty() && fields.len() < 16 {
        let name: Vec<u8> = match data.arbitrary::<u8>()? % 5 {
            0 => b"data".to_vec(),
            1 => b"event".to_vec(),
            2 => b"prev".to_vec(),
            _ => data.arbitrary()?,
        };
        fields.push((Bytes::from(name), Bytes::from(data.arbitrary::<Vec<u8>>()?)));
    }
    Ok(fields)
}

/// Every entry is delivered or is too large, and what is delivered is what the first field of a name says.
pub(crate) fn run(data: &[u8]) {
    let Ok(fields) = input(data) else { return };
    let first = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let (decoded, foreign) = decode_fields(ID, &fields, MAX_EVENT_BYTES);
    assert_eq!(decoded.id(), ID);
    assert_eq!(foreign.no_data, first("data").is_none());
    if let Some(prev) = decoded.prev() {
        let (name, value) = fields.last().expect("a predecessor stands in the last field");
        assert_eq!((&name[..], &value[..]), (&b"prev"[..], prev.to_string().as_bytes()));
    }
    match decoded {
        Decoded::TooLarge { bytes, .. } => {
            assert!(bytes > MAX_EVENT_BYTES);
            let channel = ChannelName::parse("a").expect("a name");
            let told = event_stream::parse(Frame::too_large(&channel, ID, decoded.prev()).plain());
            assert_eq!((told.len(), told[0].event.as_str(), told[0].last_event_id.as_str()), (1, "$gap", "7-1"));
        }
        Decoded::Entry(entry) => {
            assert!(entry.event.data.len() <= MAX_EVENT_BYTES);
            let named = first("event").and_then(|name| EventName::parse(std::str::from_utf8(name).ok()?).ok());
            assert_eq!(entry.event.name, named);
            match first("data") {
                Some(data) => assert_eq!(&entry.event.data, data),
                None => is_object_of(&entry.event.data, &fields, entry.prev.is_some()),
            }
        }
    }
}

/// Without `data`: a JSON object in which each name has the value of its first field.
fn is_object_of(json: &[u8], fields: &[(Bytes, Bytes)], without_last: bool) {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(json).expect("an object");
    let fields = &fields[..fields.len() - usize::from(without_last)];
    let mut expected = serde_json::Map::new();
    for (name, value) in fields {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        expected.entry(text(name)).or_insert_with(|| text(value).into());
    }
    assert_eq!(object, expected);
}
