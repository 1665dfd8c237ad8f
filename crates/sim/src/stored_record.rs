//! What was really stored, told to the judge of `fanfare-oracle` by the fake Redis, which knows everything: each entry, each
//! end of a stream, and what a stream had right before and after each change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare_oracle::{Entry, EntryId, History, IncarnationEnd, Place, RedisClock};
use tokio::time::{Duration, Instant};

use crate::WALL_MS;

/// The record. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct StoredRecord(Arc<Mutex<Known>>);

/// What is in the record.
#[derive(Debug)]
struct Known {
    began: Instant,
    channels: BTreeMap<String, History>,
    /// When each was stored first, by its name.
    published: BTreeMap<String, u64>,
    clock: RedisClock,
}

impl Known {
    fn now_ms(&self) -> u64 {
        self.ms(Instant::now())
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    fn history(&mut self, channel: &str) -> &mut History {
        let history = self.channels.entry(channel.to_owned()).or_default();
        history.clock.clone_from(&self.clock);
        history
    }
}

impl StoredRecord {
    pub(crate) fn new() -> Self {
        let (channels, published, clock) = Default::default();
        Self(Arc::new(Mutex::new(Known { began: Instant::now(), channels, published, clock })))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the world began: the clock of everything that is judged.
    pub(crate) fn now_ms(&self) -> u64 {
        self.lock().now_ms()
    }

    /// The moment at so many milliseconds since the world began.
    pub(crate) fn at(&self, ms: u64) -> Instant {
        self.lock().began + Duration::from_millis(ms)
    }

    /// What the clock of Redis says at so many milliseconds since the world began, where it is so far ahead of the machine's.
    pub(crate) fn redis_ms(&self, ms: u64, ahead_ms: i64) -> u64 {
        (WALL_MS + ms).saturating_add_signed(ahead_ms)
    }

    /// The same of another moment.
    pub(crate) fn ms(&self, at: Instant) -> u64 {
        self.lock().ms(at)
    }

    /// When the event of this name was stored, for the first time if it was twice.
    pub(crate) fn published_ms(&self, name: &str) -> Option<u64> {
        self.lock().published.get(name).copied()
    }

    /// The clock of Redis was set from one time to another.
    pub(crate) fn clock_was_set(&self, before_ms: u64, after_ms: u64) {
        let mut known = self.lock();
        let now = known.now_ms();
        known.clock.set(now, before_ms, after_ms);
    }

    /// Whether some entry of the channel has or had this id.
    pub(crate) fn knows(&self, channel: &str, id: EntryId) -> bool {
        let mut known = self.lock();
        let history = known.history(channel);
        history.numbers().any(|number| history.entry(Place::behind(number, id)).is_some())
    }

    /// An entry was stored, at that time of the Redis clock.
    pub(crate) fn append(&self, channel: &str, entry: Entry, redis_ms: u64) {
        let mut known = self.lock();
        let (stored, now) = (known.clock.now(redis_ms), known.now_ms());
        known.published.entry(entry.data.clone()).or_insert(now);
        let history = known.history(channel);
        history.insert(history.present(), Entry { stored, ..entry });
    }

    /// The oldest entry that the stream has right now, before or after a change.
    pub(crate) fn look(&self, channel: &str, oldest: Option<EntryId>) {
        let mut known = self.lock();
        let now = known.now_ms();
        known.history(channel).look(now, oldest);
    }

    /// `XDEL`.
    pub(crate) fn retract(&self, channel: &str, id: EntryId) {
        self.lock().history(channel).retract(id);
    }

    /// The stream is no more.
    pub(crate) fn end(&self, channel: &str, end: IncarnationEnd) {
        let mut known = self.lock();
        let now = known.now_ms();
        known.history(channel).end(end, now);
    }

    /// The number of the stream that a channel has now.
    pub(crate) fn present(&self, channel: &str) -> usize {
        self.lock().history(channel).present()
    }

    /// How the stream with that number has ended is known better now.
    pub(crate) fn amend_end(&self, channel: &str, number: usize, end: IncarnationEnd) {
        self.lock().history(channel).amend_end(number, end);
    }

    /// The end of each channel's record so far.
    pub(crate) fn ends(&self) -> BTreeMap<String, Place> {
        let end = |(channel, history): (&String, &History)| {
            let last = history.present_incarnation().entries.back().map_or(EntryId::ZERO, |entry| entry.id);
            (channel.clone(), Place::behind(history.present(), last))
        };
        self.lock().channels.iter().map(end).collect()
    }

    /// A replica takes over with what had been stored up to there; without a place with nothing.
    pub(crate) fn replace(&self, channel: &str, kept: Option<Place>) {
        let mut known = self.lock();
        let now = known.now_ms();
        let history = known.history(channel);
        let of = |end: Place| {
            Some(history.incarnation(end.incarnation)?.entries.iter().filter(move |entry| entry.id <= end.id))
        };
        let entries: Vec<Entry> = kept.and_then(of).into_iter().flatten().cloned().collect();
        history.undo_flushes(kept.map_or(0, |end| end.incarnation));
        history.replace(entries, now);
    }

    /// Everything that is known of a channel.
    pub(crate) fn history(&self, channel: &str) -> History {
        self.lock().history(channel).clone()
    }
}
