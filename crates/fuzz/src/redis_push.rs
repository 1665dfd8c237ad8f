//! What Redis says unasked: messages of Pub/Sub channels, on any channel and with any payload.

use fanfare_log::FeedEvent;
use fanfare_protocol::{ChannelName, LogName, Push};
use fanfare_redis::fuzzing;

use crate::redis_reply::bulk;
use crate::text::line;

/// The first byte chooses: the rest is a push as it is, or a channel (the first line) and a payload (what follows).
pub(crate) fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    if kind % 4 == 0 {
        let _ = fuzzing::pushes(&[rest]);
        return;
    }
    let (channel, payload) = line(rest);
    let mut push = b">3\r\n$7\r\nmessage\r\n".to_vec();
    bulk(&mut push, channel);
    bulk(&mut push, payload);
    let heard = fuzzing::pushes(&[&push]);
    assert!(heard.len() <= 1);
    let name = |before: &[u8]| {
        let key = std::str::from_utf8(channel.strip_prefix(before)?).ok()?;
        match key.strip_prefix("$fanfare:{sse:}:") {
            Some(name) => ChannelName::parse(name).ok().map(LogName::system),
            None => ChannelName::parse(key.strip_prefix("sse:")?).ok().map(LogName::Channel),
        }
    };
    match heard.into_iter().next() {
        Some(FeedEvent::Push { channel, push }) => {
            // Of the gateway's own logs no message is believed.
            assert!(matches!(channel, LogName::Channel(_)) || !matches!(push, Push::Entry(_)));
            assert_eq!(Some(channel), name(b""));
            assert_eq!(push, Push::parse(payload.to_vec().into(), 1024));
        }
        Some(FeedEvent::Announced { channel, id, prev }) => {
            assert!(matches!(channel, LogName::System(_)));
            assert_eq!(Some(channel), name(b""));
            let Push::Entry(entry) = Push::parse(payload.to_vec().into(), 1024) else { panic!("{id} is no entry") };
            assert_eq!((entry.id, entry.prev), (id, prev));
        }
        Some(FeedEvent::KeyspaceAdd { channel }) => {
            assert_eq!(Some(channel), name(b"__keyspace@3__:"));
            assert_eq!(payload, b"xadd");
        }
        Some(other) => panic!("{other:?} is nothing that Redis says"),
        None => assert!(name(b"").is_none() && (payload != b"xadd" || name(b"__keyspace@3__:").is_none())),
    }
}
