//! What arrives on the connection, understood as it is read and handed straight to the ingest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fanfare_log::{FeedEvent, FeedSink};
use fanfare_protocol::{Entry, EntryId, LogName, Push, limits};
use redis::{PushInfo, PushKind};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::options::FeedOptions;
use crate::keys::Keys;
use crate::pushes::Pushes;
use crate::witness::Witness;

/// The receiving end of one connection. A connection that was given up may still deliver what it had read: a closed
/// receiver lets nothing through, so that it cannot be taken for the next connection's.
pub(crate) struct Receiver(Arc<Inner>);

struct Inner {
    sink: FeedSink,
    witness: Arc<Witness>,
    keys: Keys,
    /// What the Pub/Sub channels of keyspace notifications begin with, before the key.
    keyspace_prefix: String,
    probe_channel: String,
    /// What this connection's probes begin with: one that an earlier connection sent may still come.
    nonce: String,
    pushes: Pushes,
    max_event_bytes: usize,
    open: AtomicBool,
    closed_by_peer: AtomicBool,
    /// A message of a log has come.
    carried: AtomicBool,
    /// The number of the last probe that has come back.
    probe: AtomicU64,
    /// The probes that are under way, each with when it was sent, in order.
    expected: Mutex<VecDeque<(u64, Instant)>>,
    changed: Notify,
    dropped: Notify,
}

impl Receiver {
    pub(crate) fn new(options: &FeedOptions, sink: FeedSink) -> Self {
        Self(Arc::new(Inner {
            keyspace_prefix: keyspace_channel(options.database(), ""),
            probe_channel: format!("{}$probe:{}", options.keys.prefix, options.node),
            nonce: format!("{:016x}-", options.random.number()),
            keys: options.keys.clone(),
            witness: Arc::clone(&options.witness),
            sink,
            pushes: options.pushes,
            max_event_bytes: options.max_event_bytes,
            open: AtomicBool::new(true),
            closed_by_peer: AtomicBool::new(false),
            carried: AtomicBool::new(false),
            probe: AtomicU64::new(0),
            expected: Mutex::default(),
            changed: Notify::new(),
            dropped: Notify::new(),
        }))
    }

    /// What the library calls for every push that comes to it.
    pub(crate) fn sender(&self) -> impl Fn(PushInfo) -> Result<(), redis::aio::SendError> + Send + Sync + 'static {
        let inner = Arc::clone(&self.0);
        move |info| {
            inner.take(&info.kind);
            Ok(())
        }
    }

    /// Takes the messages, which never come to the library.
    pub(crate) fn messages(&self) -> Messages {
        Messages { inner: Arc::clone(&self.0), taken: Vec::new() }
    }

    /// Lets nothing through any more.
    pub(super) fn close(&self) {
        self.0.open.store(false, Ordering::Release);
    }

    /// The Pub/Sub channel on which this node hears itself.
    pub(super) fn probe_channel(&self) -> &str {
        &self.0.probe_channel
    }

    /// What the probe with this number says.
    pub(super) fn probe_text(&self, number: u64) -> String {
        format!("{}{number}", self.0.nonce)
    }

    /// Whether the connection has brought anything of a log.
    pub(super) fn has_carried(&self) -> bool {
        self.0.carried.load(Ordering::Relaxed)
    }

    /// The probe with this number, higher than those before, is sent now. Of at most [`limits::PROBES_UNDER_WAY_MAX`] it is known when that was.
    pub(super) fn expect_probe(&self, number: u64, began: Instant) {
        let mut expected = self.0.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.push_back((number, began));
        if expected.len() > limits::PROBES_UNDER_WAY_MAX {
            expected.pop_front();
        }
    }

    /// Waits until the probe with this number has come back. Cancel-safe.
    pub(super) async fn probe_seen(&self, number: u64) {
        loop {
            let changed = self.0.changed.notified();
            if self.0.probe.load(Ordering::Acquire) >= number {
                return;
            }
            changed.await;
        }
    }

    /// Waits until the library says that the connection is closed. Cancel-safe.
    pub(super) async fn disconnected(&self) {
        loop {
            let dropped = self.0.dropped.notified();
            if self.0.closed_by_peer.load(Ordering::Acquire) {
                return;
            }
            dropped.await;
        }
    }
}

/// Takes messages as they lie in a buffer. The ingest is told of those that lie there together in one step: woken by the first, it
/// would run beside the feed for a few messages each time, which costs more than the messages do.
pub(crate) struct Messages {
    inner: Arc<Inner>,
    /// What was taken and not handed over yet.
    taken: Vec<FeedEvent>,
}

impl Messages {
    /// Takes a message. It is handed over by [`deliver`](Self::deliver), or with others when there are many.
    pub(super) fn take(&mut self, channel: &[u8], payload: &[u8]) {
        if self.inner.open.load(Ordering::Acquire) {
            self.taken.extend(self.inner.message(channel, payload));
        }
        if self.taken.len() >= limits::FEED_HANDED_OVER_MAX {
            self.deliver();
        }
    }

    /// Hands over what was taken.
    pub(super) fn deliver(&mut self) {
        if !self.taken.is_empty() {
            self.inner.sink.send_all(self.taken.drain(..));
        }
    }
}

impl Inner {
    /// Acknowledgements are told by the command that asked for them.
    fn take(&self, kind: &PushKind) {
        if *kind == PushKind::Disconnection {
            self.closed_by_peer.store(true, Ordering::Release);
            self.dropped.notify_waiters();
        }
    }

    /// What a message tells the ingest, if anything.
    fn message(&self, channel: &[u8], payload: &[u8]) -> Option<FeedEvent> {
        let channel = std::str::from_utf8(channel).ok()?;
        if channel == self.probe_channel {
            return self.take_probe(self.probe_number(payload)?);
        }
        if let Some(key) = channel.strip_prefix(&self.keyspace_prefix) {
            let channel = (payload == b"xadd").then(|| self.keys.log(key))??;
            return Some(FeedEvent::KeyspaceAdd { channel });
        }
        let channel = self.keys.log(channel)?;
        self.carried.store(true, Ordering::Relaxed);
        Some(self.tell(channel, understand(payload, self.max_event_bytes)))
    }

    /// A probe has come back: all messages before it have been told of.
    fn take_probe(&self, number: u64) -> Option<FeedEvent> {
        self.probe.fetch_max(number, Ordering::AcqRel);
        self.changed.notify_waiters();
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((sent, began)) = expected.pop_front_if(|(sent, _)| *sent <= number) {
            if sent == number {
                return Some(FeedEvent::Probe { began });
            }
        }
        None
    }

    /// What a message of a log tells the ingest. Of an entry that is not believed that is no more than which one it is, so that nothing
    /// behind the feed can deliver the rest.
    fn tell(&self, channel: LogName, push: Push) -> FeedEvent {
        match push {
            Push::Entry(Entry { id, prev, .. }) if !self.pushes.are_believed(&channel) => {
                FeedEvent::Announced { channel, id, prev }
            }
            Push::Entry(entry) => {
                self.witness.see(&channel, entry.id);
                FeedEvent::Push { channel, push: Push::Entry(entry) }
            }
            push => FeedEvent::Push { channel, push },
        }
    }

    /// The number of a probe that this connection sent.
    fn probe_number(&self, payload: &[u8]) -> Option<u64> {
        std::str::from_utf8(payload).ok()?.strip_prefix(&self.nonce)?.parse().ok()
    }
}

/// Bytes of a push that are not data, at most: the marker, two ids, the length of the name, what separates them, and the name.
const HEAD_MAX: usize = 2 * EntryId::TEXT_MAX + limits::EVENT_NAME_MAX + 16;

/// What a message means. One that is too long whatever its head is is judged by its beginning: data of any length is too long
/// there, and no copy of the rest is made to be thrown away.
fn understand(payload: &[u8], max_event_bytes: usize) -> Push {
    if payload.len() > max_event_bytes.saturating_add(HEAD_MAX) {
        return Push::parse(Bytes::copy_from_slice(&payload[..HEAD_MAX + 1]), 0);
    }
    Push::parse(Bytes::copy_from_slice(payload), max_event_bytes)
}

/// The Pub/Sub channel of keyspace notifications for a key that begins with `key`
/// (<https://redis.io/docs/latest/develop/use/keyspace-notifications/>).
pub(super) fn keyspace_channel(database: i64, key: &str) -> String {
    format!("__keyspace@{database}__:{key}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn receiver() -> (Receiver, fanfare_log::FeedSource) {
        receiver_where(Pushes::Trusted)
    }

    fn receiver_where(pushes: Pushes) -> (Receiver, fanfare_log::FeedSource) {
        let (sink, source) = fanfare_log::feed(1 << 20);
        (Receiver::new(&FeedOptions { pushes, ..FeedOptions::offline(10) }, sink), source)
    }

    fn send(receiver: &Receiver, channel: &str, payload: &str) {
        let mut messages = receiver.messages();
        messages.take(channel.as_bytes(), payload.as_bytes());
        messages.deliver();
    }

    #[test]
    fn a_connection_that_was_given_up_delivers_nothing_any_more() {
        let (receiver, mut source) = receiver();
        send(&receiver, "sse:a", "1");
        assert_eq!(source.take().events.len(), 1);
        receiver.close();
        send(&receiver, "sse:a", "2");
        assert!(source.take().events.is_empty());
    }

    // Seen to fail when each message is handed over as it is taken.
    #[test]
    fn messages_that_lie_together_are_handed_over_together_and_many_in_parts() {
        let (receiver, mut source) = receiver();
        let mut messages = receiver.messages();
        let mut handed_over = |count: usize| {
            (0..count).for_each(|_| messages.take(b"sse:a", b"1"));
            source.take().events.len()
        };
        assert_eq!(handed_over(limits::FEED_HANDED_OVER_MAX - 1), 0);
        assert_eq!(handed_over(3), limits::FEED_HANDED_OVER_MAX);
        messages.deliver();
        assert_eq!(source.take().events.len(), 2);
    }

    // Fails when a probe is told beside the messages, and when it is told when it comes back and not when it was sent.
    #[tokio::test(start_paused = true)]
    async fn a_probe_is_told_once_in_its_place_among_the_messages_as_what_it_was_when_it_was_sent() {
        let (receiver, mut source) = receiver();
        let began = Instant::now();
        receiver.expect_probe(7, began);
        tokio::time::advance(Duration::from_secs(1)).await;
        let mut messages = receiver.messages();
        messages.take(b"sse:a", b"1");
        for number in [6, 7, 7] {
            messages.take(b"sse:$probe:n", receiver.probe_text(number).as_bytes());
        }
        messages.take(b"sse:a", b"2");
        messages.deliver();
        let events: Vec<_> = source.take().events.into_iter().map(|(_, event)| event).collect();
        let [FeedEvent::Push { .. }, FeedEvent::Probe { began: told }, FeedEvent::Push { .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(*told, began);
    }

    #[test]
    fn only_messages_of_channels_and_additions_to_their_streams_are_delivered() {
        let (receiver, mut source) = receiver();
        let foreign =
            ["other:a", "sse:", "sse:$probe:else", "sse:a\nb", "__keyspace@0__:sse:a", "__keyspace@3__:other:a"];
        foreign.iter().for_each(|channel| send(&receiver, channel, "xadd"));
        send(&receiver, "__keyspace@3__:sse:a", "xtrim");
        send(&receiver, "sse:$probe:n", &receiver.probe_text(7));
        let mut messages = receiver.messages();
        messages.take(b"sse:\xff", b"xadd");
        messages.deliver();
        assert!(source.take().events.is_empty());
        send(&receiver, "__keyspace@3__:sse:a", "xadd");
        send(&receiver, "sse:a", "text");
        send(&receiver, "sse:a", "much too long");
        let events: Vec<_> = source.take().events.into_iter().map(|(_, event)| event).collect();
        let [
            FeedEvent::KeyspaceAdd { .. },
            FeedEvent::Push { push: Push::Ephemeral(_), .. },
            FeedEvent::Push { push: Push::Malformed, .. },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
    }

    // Fails if system logs are believed where channels are.
    #[test]
    fn what_is_not_believed_says_which_entry_it_names_and_nothing_else() {
        let (channel, system) = ("sse:a", "$fanfare:{sse:}:revoked");
        let is_believed = [(Pushes::Trusted, channel, true), (Pushes::Trusted, system, false)];
        for (pushes, log, is_believed) in
            is_believed.into_iter().chain([channel, system].map(|log| (Pushes::Verified, log, false)))
        {
            let (receiver, mut source) = receiver_where(pushes);
            for payload in ["\u{1e}ff1 7-0 6-0 0\nFORGED", "", "typing"] {
                send(&receiver, log, payload);
            }
            let events: Vec<_> = source.take().events.into_iter().map(|(_, event)| event).collect();
            let [entry, FeedEvent::Push { push: Push::Doorbell, .. }, FeedEvent::Push { push: Push::Ephemeral(_), .. }] =
                &events[..]
            else {
                panic!("{pushes:?} {log}: {events:?}")
            };
            match entry {
                FeedEvent::Push { push: Push::Entry(_), .. } => assert!(is_believed, "{pushes:?} {log}"),
                FeedEvent::Announced { id, prev, .. } => {
                    assert!(!is_believed, "{pushes:?} {log}");
                    assert_eq!((id.ms, prev.map(|prev| prev.ms)), (7, Some(6)));
                }
                other => panic!("{pushes:?} {log}: {other:?}"),
            }
        }
    }

    // Seen to fail when the beginning is as long as the shortest head.
    #[test]
    fn a_message_that_is_too_long_means_what_the_whole_of_it_would() {
        let id = EntryId { ms: u64::MAX, seq: u64::MAX };
        let (prev, name) = (EntryId { ms: u64::MAX, seq: 1 << 63 }, "n".repeat(limits::EVENT_NAME_MAX));
        let entry = |name: &str| format!("\u{1e}ff1 {id} {prev} {}\n{name}", name.len());
        let heads = [String::new(), entry(""), entry(&name), entry("two\nlines"), "\u{1e}ff1 no entry".into()];
        assert!(heads.iter().all(|head| head.len() <= HEAD_MAX));
        for (head, data) in heads.iter().flat_map(|head| (0..1_000).map(move |data| (head, data))) {
            let payload = format!("{head}{}", "x".repeat(data));
            let whole = Push::parse(payload.clone().into(), 10);
            assert_eq!(understand(payload.as_bytes(), 10), whole, "{data} bytes after {head:?}");
        }
    }

    #[tokio::test]
    async fn a_probe_is_seen_once_it_or_a_later_one_has_come_back() {
        let (receiver, _source) = receiver();
        send(&receiver, "sse:$probe:n", &receiver.probe_text(7));
        receiver.probe_seen(6).await;
        receiver.probe_seen(7).await;
        let waits = tokio::time::timeout(Duration::from_millis(20), receiver.probe_seen(8)).await;
        assert!(waits.is_err());
    }

    // Seen to fail when probes are only numbered: the second connection takes the first one's for its own.
    #[tokio::test]
    async fn a_probe_of_an_earlier_connection_proves_nothing() {
        let options = FeedOptions::offline(10);
        let (sink, _source) = fanfare_log::feed(1 << 20);
        let (earlier, later) = (Receiver::new(&options, sink.clone()), Receiver::new(&options, sink));
        for text in [earlier.probe_text(1), "1".into(), String::new(), "-1".into()] {
            send(&later, "sse:$probe:n", &text);
        }
        assert!(tokio::time::timeout(Duration::from_millis(20), later.probe_seen(1)).await.is_err());
        send(&later, "sse:$probe:n", &later.probe_text(1));
        later.probe_seen(1).await;
    }
}
