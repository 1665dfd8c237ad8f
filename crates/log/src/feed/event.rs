//! What a feed tells the ingest.

use fanfare_protocol::{EntryId, Event, LogName, Push};
use tokio::time::Instant;

/// What a feed tells the ingest.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// A connection is up; acknowledgements of its subscriptions follow.
    Connected,
    /// The connection is gone: nothing arrives until the next `Connected`.
    Disconnected,
    /// The server acknowledged these subscriptions on the current connection.
    Subscribed(Vec<LogName>),
    /// The server refused these subscriptions (an ACL, say). The feed goes on trying by itself.
    Refused {
        /// The channels refused.
        channels: Vec<LogName>,
        /// The server's words, for the log and for the client's error.
        detail: String,
    },
    /// A message on a channel.
    Push {
        /// Where it was published.
        channel: LogName,
        /// What it says.
        push: Push,
    },
    /// A message that names an entry, where messages are not believed: a read of the stream tells what it is, and whether there is
    /// such an entry.
    Announced {
        /// Where it was published.
        channel: LogName,
        /// The entry that it names.
        id: EntryId,
        /// What it names as that entry's predecessor.
        prev: Option<EntryId>,
    },
    /// A keyspace notification `xadd` for the channel's stream. It usually precedes the push of the same entry.
    KeyspaceAdd {
        /// The channel whose stream grew.
        channel: LogName,
    },
    /// A round trip through the very path that pushes take has been proven: all that was published before it began has been told before.
    Probe {
        /// When the probe that came back was sent.
        began: Instant,
    },
}

/// What an event costs beside its payload and its names: queue slot, reference counts, allocator overhead.
const EVENT_OVERHEAD: usize = 256;

/// What becomes of an event for which the queue has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// It has room always. There are only a handful of those at a time.
    Kept,
    /// The archive knows what it says: its channel has to be read then.
    Read(&'a LogName),
    /// It is for those who are connected and can get it now: it is gone then, which is all that an ephemeral event promises.
    Shed(&'a LogName),
}

impl FeedEvent {
    /// Bytes that the event holds, at least.
    pub(super) fn cost(&self) -> usize {
        let name = |event: &Event| event.name.as_ref().map_or(0, |name| name.as_str().len());
        let payload = match self {
            Self::Push { push: Push::Entry(entry), .. } => entry.event.data.len() + name(&entry.event),
            Self::Push { push: Push::Ephemeral(event), .. } => event.data.len() + name(event),
            Self::Subscribed(names) | Self::Refused { channels: names, .. } => names.len() * 32,
            _ => 0,
        };
        let channel = match self.standing() {
            Standing::Kept => 0,
            Standing::Read(channel) | Standing::Shed(channel) => channel.name().as_str().len(),
        };
        payload + channel + EVENT_OVERHEAD
    }

    pub(super) fn standing(&self) -> Standing<'_> {
        match self {
            Self::Push { channel, push: Push::Ephemeral(_) } => Standing::Shed(channel),
            Self::Push { channel, .. } | Self::Announced { channel, .. } | Self::KeyspaceAdd { channel } => {
                Standing::Read(channel)
            }
            _ => Standing::Kept,
        }
    }
}
