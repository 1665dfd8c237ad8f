//! What the node knows about its Redis: for `/status`, metrics and the log.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fanfare_log::Permanence;
use fanfare_log::stats::Durations;
use fanfare_protocol::Foreign;
use tokio::time::Instant;

use crate::eviction::Eviction;
use crate::feed::observer::FeedObserver;
use crate::functions::Library;

/// Shared and always up to date; cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    connections: AtomicU64,
    subscriptions: AtomicUsize,
    foreign_event_names: AtomicU64,
    foreign_without_data: AtomicU64,
    unfounded_pushes: AtomicU64,
    archive_reads: AtomicU64,
    archive_bytes: AtomicU64,
    timings: Timings,
    permanence: Permanence,
}

/// How long the archive's commands take.
#[derive(Debug, Default)]
pub struct Timings {
    /// From asking for a connection of the pool to having one. Those that got none are counted with their whole wait.
    pub waits: Durations,
    /// From sending a command, or one transaction, to its answer, or to its failure.
    pub commands: Durations,
}

#[derive(Debug, Default)]
struct State {
    connected_at: Option<Instant>,
    probed_at: Option<Instant>,
    eviction: Option<Eviction>,
    /// Whether Redis itself says that it may evict any key.
    evicts_any: Option<bool>,
    server_version: Option<String>,
    library: Option<Library>,
    last_error: Option<(Instant, String)>,
}

/// A snapshot of [`Status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// For how long the feed's connection has been up; `None` while it is down.
    pub connected_for: Option<Duration>,
    /// Age of the last proven round trip through the path of pushes; `None` before the first.
    pub probe_age: Option<Duration>,
    /// Connections of the feed after the first.
    pub reconnects: u64,
    /// Channels that Redis acknowledged on the current connection.
    pub subscriptions: usize,
    /// `redis_version`, once known.
    pub server_version: Option<String>,
    /// Whether Redis may evict keys under memory pressure; `None` while unknown.
    pub evicts: Option<bool>,
    /// Whether Redis said so last of any key, also of those that do not expire; not if it does not tell. `None` until it was asked.
    pub evicts_any: Option<bool>,
    /// What became of the publishing library, once known.
    pub library: Option<Library>,
    /// The last failure of a connection and its age. It stays after recovery.
    pub last_error: Option<(Duration, String)>,
    /// Entries with an event name that was not valid, read from the archive.
    pub foreign_event_names: u64,
    /// Entries without a `data` field, read from the archive.
    pub foreign_without_data: u64,
    /// Pushes, of those that were looked up, whose entry the stream does not have.
    pub unfounded_pushes: u64,
    /// Channels whose streams were seen to expire, or to be gone, against the promise that none does ([`fanfare_log::Permanence`]).
    pub expiring_channels: u64,
    /// Reads of the archive that Redis answered.
    pub archive_reads: u64,
    /// Bytes of entries in those answers.
    pub archive_bytes: u64,
}

impl Status {
    /// With what is promised about the expiry of streams.
    pub(crate) fn with(permanence: Permanence) -> Self {
        Self(Arc::new(Inner { permanence, ..Inner::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What is known now.
    #[must_use]
    pub fn report(&self) -> StatusReport {
        let inner = &self.0;
        let state = self.lock();
        StatusReport {
            connected_for: state.connected_at.map(|at| at.elapsed()),
            probe_age: state.probed_at.map(|at| at.elapsed()),
            reconnects: inner.connections.load(Ordering::Relaxed).saturating_sub(1),
            subscriptions: inner.subscriptions.load(Ordering::Relaxed),
            server_version: state.server_version.clone(),
            evicts: state.eviction.map(|eviction| eviction != Eviction::Nothing),
            evicts_any: state.evicts_any,
            library: state.library.clone(),
            last_error: state.last_error.as_ref().map(|(at, text)| (at.elapsed(), text.clone())),
            foreign_event_names: inner.foreign_event_names.load(Ordering::Relaxed),
            foreign_without_data: inner.foreign_without_data.load(Ordering::Relaxed),
            unfounded_pushes: inner.unfounded_pushes.load(Ordering::Relaxed),
            expiring_channels: inner.permanence.broken(),
            archive_reads: inner.archive_reads.load(Ordering::Relaxed),
            archive_bytes: inner.archive_bytes.load(Ordering::Relaxed),
        }
    }

    /// How long the archive's commands take.
    #[must_use]
    pub fn timings(&self) -> &Timings {
        &self.0.timings
    }

    /// What is wrong, while the feed has no connection.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let state = self.lock();
        match (&state.connected_at, &state.last_error) {
            (Some(_), _) => None,
            (None, Some((_, reason))) => Some(reason.clone()),
            (None, None) => Some("not connected yet".into()),
        }
    }

    pub(crate) fn permanence(&self) -> &Permanence {
        &self.0.permanence
    }

    pub(crate) fn eviction(&self) -> Option<Eviction> {
        self.lock().eviction
    }

    /// Records the eviction policy; `None` makes the next reader of the archive ask Redis again.
    pub(crate) fn set_eviction(&self, eviction: Option<Eviction>) {
        self.lock().eviction = eviction;
    }

    /// Records what Redis says of keys that do not expire.
    pub(crate) fn set_evicts_any(&self, evicts_any: bool) {
        self.lock().evicts_any = Some(evicts_any);
    }

    pub(crate) fn set_server_version(&self, version: Option<String>) {
        self.lock().server_version = version;
    }

    pub(crate) fn set_library(&self, library: Library) {
        self.lock().library = Some(library);
    }

    pub(crate) fn failed(&self, reason: &str) {
        self.lock().last_error = Some((Instant::now(), reason.to_owned()));
    }

    pub(crate) fn count_foreign(&self, foreign: Foreign) {
        self.0.foreign_event_names.fetch_add(u64::from(foreign.invalid_event_name), Ordering::Relaxed);
        self.0.foreign_without_data.fetch_add(u64::from(foreign.no_data), Ordering::Relaxed);
    }

    pub(crate) fn count_unfounded_push(&self) {
        self.0.unfounded_pushes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_read(&self, bytes: usize) {
        self.0.archive_reads.fetch_add(1, Ordering::Relaxed);
        self.0.archive_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl FeedObserver for Status {
    fn connected(&self) {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        self.lock().connected_at = Some(Instant::now());
    }

    fn disconnected(&self, reason: &str) {
        self.0.subscriptions.store(0, Ordering::Relaxed);
        self.lock().connected_at = None;
        self.failed(reason);
    }

    fn probed(&self) {
        self.lock().probed_at = Some(Instant::now());
    }

    fn subscribed(&self, count: usize) {
        self.0.subscriptions.store(count, Ordering::Relaxed);
    }
}
