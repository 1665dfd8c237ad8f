//! The parsers of what Redis says, for the fuzz targets in `crates/fuzz`. No part of the crate's interface.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use fanfare_log::FeedEvent;
use fanfare_protocol::EntryId;
use tokio::io::{AsyncRead, ReadBuf};

use crate::archive::reply;
use crate::eviction;
use crate::feed::{FeedOptions, Receiver, Sieve};

/// An entry: its id, and its fields as names and values.
pub type Entry = (EntryId, Vec<(Bytes, Bytes)>);

/// A reply, in the bytes of the protocol, read as each of the replies that the archive asks for; the entries, if it was
/// one to `XRANGE`.
#[must_use]
pub fn reply(resp: &[u8]) -> Option<Vec<Entry>> {
    let value = redis::parse_redis_value(resp).ok()?;
    // Their answers are for proofs; here it is enough that they have one.
    let _ = (eviction::by_info(value.clone()), reply::stream_info(value.clone()), reply::time_ms(value.clone()));
    let entries = reply::entries(value).ok()?;
    Some(entries.into_iter().map(|entry| (entry.id, entry.fields)).collect())
}

/// What a node with the prefix `sse:` hears when these pushes, in the bytes of the protocol, arrive on its connection
/// for database 3. At most 1 KiB of data is an event.
#[must_use]
pub fn pushes(resp: &[&[u8]]) -> Vec<FeedEvent> {
    let (sink, mut source) = fanfare_log::feed(1 << 20);
    let receiver = Receiver::new(&FeedOptions::offline(1024), sink);
    for push in resp {
        let mut sieve = Sieve::new(*push, receiver.messages());
        // Everything is there, so it waits only to let others have their turn.
        let mut context = Context::from_waker(Waker::noop());
        let mut out = [0; 1024];
        loop {
            let mut rest = ReadBuf::new(&mut out);
            match Pin::new(&mut sieve).poll_read(&mut context, &mut rest) {
                Poll::Ready(_) if rest.filled().is_empty() => break,
                _ => {}
            }
        }
    }
    source.take().events.into_iter().map(|(_, event)| event).collect()
}
