//! One connection to the fake Redis: what has arrived, what is to be said, and what its network does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use super::resp::{Command, Reply};
use super::troubles::Trouble;

/// A connection of one node.
#[derive(Debug)]
pub(super) struct Connection {
    /// Whose it is.
    pub(super) node: usize,
    /// For the trace.
    pub(super) name: String,
    pub(super) subscribed: BTreeSet<Bytes>,
    pub(super) latency: Duration,
    /// Bytes per second that can be sent on it.
    bandwidth: Option<u64>,
    /// Bytes in the outbox.
    pub(super) waiting: usize,
    pub(super) inbox: VecDeque<(Instant, Command)>,
    pub(super) outbox: VecDeque<(Instant, Vec<u8>)>,
    pub(super) queued: Option<Vec<Command>>,
    /// A command of its transaction was refused.
    pub(super) aborted: bool,
    /// `SET`s when it said `WATCH`.
    pub(super) watched: Option<u64>,
    /// Nothing that was sent arrives at the server before.
    pub(super) deaf_until: Option<Instant>,
    /// Nothing that the server says arrives before.
    pub(super) mute_until: Option<Instant>,
    /// What the server says from now on until then arrives later by this time, in order.
    pub(super) delayed: Option<(Instant, Duration)>,
    /// What keeps it from hearing and from being heard, also if that has been mended before its time.
    pub(super) trouble: Trouble,
    /// So many more bytes are sent, then the connection is closed.
    pub(super) cut: Option<usize>,
    pub(super) changed: Arc<Notify>,
}

impl Connection {
    pub(super) fn new(node: usize, name: String, latency: Duration, bandwidth: Option<u64>) -> Self {
        Self {
            node,
            name,
            subscribed: BTreeSet::new(),
            latency,
            bandwidth,
            waiting: 0,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            queued: None,
            aborted: false,
            watched: None,
            deaf_until: None,
            mute_until: None,
            delayed: None,
            trouble: Trouble::none(Instant::now()),
            cut: None,
            changed: Arc::default(),
        }
    }

    /// Whether everything arrives in both directions.
    pub(super) fn is_well(&self, now: Instant) -> bool {
        let is_over = |until: &Option<Instant>| until.is_none_or(|until| until <= now);
        self.cut.is_none() && is_over(&self.deaf_until) && is_over(&self.mute_until)
    }

    /// Something to be sent, after everything before it. Returns when it arrives, if nothing happens.
    pub(super) fn say(&mut self, due: Instant, bytes: Vec<u8>) -> Instant {
        let late = self.delayed.filter(|(until, _)| *until > Instant::now()).map_or(Duration::ZERO, |(_, by)| by);
        let begins = (due + self.latency + late).max(self.outbox.back().map_or(due, |(before, _)| *before));
        let micros = |rate: u64| bytes.len() as u64 * 1_000_000 / rate.max(1);
        let due = begins + self.bandwidth.map_or(Duration::ZERO, |rate| Duration::from_micros(micros(rate)));
        self.waiting += bytes.len();
        self.outbox.push_back((due, bytes));
        self.changed.notify_one();
        due
    }

    /// What it keeps from hearing and from being heard is over. What was said late arrives now.
    pub(super) fn heal(&mut self) {
        (self.deaf_until, self.mute_until) = (None, None);
        if self.delayed.take().is_some() {
            let now = Instant::now();
            self.outbox.iter_mut().for_each(|(due, _)| *due = now.min(*due));
        }
        self.changed.notify_one();
    }

    /// Whether it carries subscriptions.
    pub(super) fn is_feed_of(&self, node: usize) -> bool {
        self.node == node && !self.subscribed.is_empty()
    }

    /// Takes what is to be sent next.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let (_, bytes) = self.outbox.pop_front()?;
        self.waiting -= bytes.len();
        Some(bytes)
    }

    /// Two messages change places.
    pub(super) fn swap_last(&mut self) {
        let last = self.outbox.len().wrapping_sub(1);
        let is_message = |(_, bytes): &(Instant, Vec<u8>)| bytes.starts_with(b">3\r\n$7\r\nmessage");
        if self.outbox.len() > 1 && is_message(&self.outbox[last]) && is_message(&self.outbox[last - 1]) {
            let (before, after) = (self.outbox[last - 1].0, self.outbox[last].0);
            self.outbox.swap(last, last - 1);
            (self.outbox[last - 1].0, self.outbox[last].0) = (before, after);
        }
    }

    pub(super) fn arrives(&self, due: Instant, frozen: Instant) -> Instant {
        due.max(frozen).max(self.deaf_until.unwrap_or(due))
    }

    pub(super) fn leaves(&self, due: Instant, frozen: Instant) -> Instant {
        due.max(frozen).max(self.mute_until.unwrap_or(due))
    }

    /// The replies to `SUBSCRIBE` or `UNSUBSCRIBE`, one for each channel.
    pub(super) fn subscribe(&mut self, name: &str, channels: &[Bytes]) -> Vec<Reply> {
        let mut replies = Vec::new();
        for channel in channels {
            if name == "SUBSCRIBE" {
                self.subscribed.insert(channel.clone());
            } else {
                self.subscribed.remove(channel);
            }
            let count = i64::try_from(self.subscribed.len()).unwrap_or(i64::MAX);
            let kind = Reply::text(name.to_ascii_lowercase());
            replies.push(Reply::Push(vec![kind, Reply::Bulk(channel.clone()), Reply::Number(count)]));
        }
        replies
    }
}
