//! Messages of the Pub/Sub channel.

use bytes::Bytes;
use fanfare_protocol::{Push, encode_push};

/// Small, so that messages on both sides of the limit are short.
const MAX_EVENT_BYTES: usize = 24;
const MARKER: &[u8] = b"\x1eff1 ";

/// Whatever the message is, it means exactly one of four things, and an entry is spelled in one way only.
pub(crate) fn run(data: &[u8]) {
    let payload = Bytes::copy_from_slice(data);
    match Push::parse(payload.clone(), MAX_EVENT_BYTES) {
        Push::Doorbell if data.is_empty() => {}
        // Over the limit: with room for it, it is an entry.
        Push::Doorbell => {
            let Push::Entry(entry) = Push::parse(payload, usize::MAX) else { panic!("no entry, yet a doorbell") };
            assert!(entry.event.data.len() > MAX_EVENT_BYTES);
        }
        Push::Entry(entry) => {
            assert!(data.starts_with(MARKER) && entry.event.data.len() <= MAX_EVENT_BYTES);
            assert!(entry.prev.is_some_and(|prev| prev < entry.id), "{entry:?}");
            assert_eq!(encode_push(&entry), data, "another spelling of the same push");
        }
        Push::Ephemeral(event) => {
            assert!(!data.starts_with(MARKER) && data.len() <= MAX_EVENT_BYTES);
            assert_eq!((event.name, &event.data[..]), (None, data));
        }
        Push::Malformed => assert!(data.starts_with(MARKER) || data.len() > MAX_EVENT_BYTES),
    }
}
