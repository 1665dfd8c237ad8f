//! What the ingest and the connection threads share: one [`Channel`] per followed channel, and the [`Hub`] that finds
//! them and carries "look at this channel again" both ways.
//!
//! Nothing is queued here. The ingest changes a channel under its lock and marks it dirty for the threads that watch it;
//! a thread wants a page and marks the channel touched for the ingest. A mark is a bit, so each list holds a channel at
//! most once, and the thread that takes the list reads the channel's present state.

use std::collections::{BTreeSet, HashMap};

use fanfare_protocol::limits::LEFT_WANTS_MIN;
use fanfare_protocol::{LogName, Position};

use crate::archive::Newest;
use crate::pages::Pages;
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, MutexGuard, Notify, Ordering, PoisonError};
use crate::tail::Tail;

/// Maximum number of connection threads: a watcher is one bit.
pub const MAX_CORES: usize = 64;

/// Something that a reader needs from the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Want {
    /// Where the newest n entries begin.
    Newest(usize),
    /// The page after a position.
    Page(Position),
}

/// A channel's state, behind its lock. Held for the time of a copy, never across I/O.
#[derive(Debug, Default)]
pub struct Shared {
    /// The tail, once the channel is primed.
    pub tail: Option<Tail>,
    /// Pages of the archive.
    pub pages: Pages,
    /// What readers wait for: each has at most one want per channel. Those of readers that left are forgotten in time (see
    /// [`leave_want`](Self::leave_want)).
    pub wants: BTreeSet<Want>,
    /// Readers that were behind and left since wants were last forgotten: so many wants, at most, are nobody's.
    left_wants: usize,
    /// Answers to [`Want::Newest`]; forgotten when the head moves or the link to the store was lost.
    pub newest: HashMap<usize, Newest>,
    /// Why the channel cannot be followed at present.
    pub refusal: Option<std::sync::Arc<str>>,
}

impl Shared {
    /// A reader that is behind has left, perhaps with a want. Whether another reader wants the same is not known, so no single
    /// want is taken back. When as many may be left as are wanted, or nobody is there any more, all are forgotten: then those who
    /// still wait have to be woken, and want again what they need. Returns whether that is so.
    pub(crate) fn leave_want(&mut self, is_watched: bool) -> bool {
        self.left_wants += 1;
        let forgets = !is_watched || self.left_wants > LEFT_WANTS_MIN.max(self.wants.len() / 2);
        if forgets {
            self.left_wants = 0;
            self.wants.clear();
        }
        forgets
    }
}

/// One followed channel.
#[derive(Debug)]
pub struct Channel {
    /// Its name.
    pub name: LogName,
    /// Its key: unique for as long as the node runs.
    pub key: usize,
    shared: Mutex<Shared>,
    watchers: AtomicU64,
    queued: AtomicU64,
    touched: AtomicBool,
    forgotten: AtomicBool,
}

impl Channel {
    /// Locks the channel's state for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the hub has dropped the channel. A new reader gets another channel of the same name; a late touch must not revive
    /// this one.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Whether any connection thread has a reader.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Acquire) != 0
    }
}

#[derive(Debug, Default)]
struct Mailbox {
    channels: Mutex<Vec<Arc<Channel>>>,
    notify: Notify,
}

impl Mailbox {
    fn push(&self, channel: Arc<Channel>) {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
    }

    fn take(&self, into: &mut Vec<Arc<Channel>>) {
        into.clear();
        std::mem::swap(into, &mut *self.channels.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[derive(Debug, Default)]
struct Directory {
    by_name: HashMap<LogName, Arc<Channel>>,
    next_key: usize,
}

/// Finds channels by name and carries marks between the ingest and the connection threads.
#[derive(Debug)]
pub struct Hub {
    directory: Mutex<Directory>,
    ingest: Mailbox,
    cores: Box<[Mailbox]>,
}

impl Hub {
    /// A hub for `cores` connection threads (1 to [`MAX_CORES`]).
    #[must_use]
    pub fn new(cores: usize) -> Self {
        let cores = cores.clamp(1, MAX_CORES);
        Self {
            directory: Mutex::default(),
            ingest: Mailbox::default(),
            cores: (0..cores).map(|_| Mailbox::default()).collect(),
        }
    }

    /// Number of connection threads.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// Finds or makes a channel and registers the thread as a watcher.
    pub(crate) fn watch(&self, name: &LogName, core: usize) -> Arc<Channel> {
        let channel = {
            let mut directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
            let channel = match directory.by_name.get(name) {
                Some(channel) => Arc::clone(channel),
                None => {
                    directory.next_key += 1;
                    let channel = Arc::new(Channel {
                        name: name.clone(),
                        key: directory.next_key,
                        shared: Mutex::default(),
                        watchers: AtomicU64::new(0),
                        queued: AtomicU64::new(0),
                        touched: AtomicBool::new(false),
                        forgotten: AtomicBool::new(false),
                    });
                    directory.by_name.insert(name.clone(), Arc::clone(&channel));
                    channel
                }
            };
            channel.watchers.fetch_or(1 << core, Ordering::AcqRel);
            channel
        };
        self.notify_ingest(&channel);
        channel
    }

    /// Takes the thread off the channel's watchers.
    pub(crate) fn unwatch(&self, channel: &Arc<Channel>, core: usize) {
        channel.watchers.fetch_and(!(1 << core), Ordering::AcqRel);
        self.notify_ingest(channel);
    }

    /// Drops a channel unless a connection thread watches it. Atomic with respect to [`Hub::watch`].
    pub(crate) fn forget(&self, channel: &Channel) -> bool {
        let mut directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        if channel.is_watched() {
            return false;
        }
        if directory.by_name.get(&channel.name).is_some_and(|found| found.key == channel.key) {
            directory.by_name.remove(&channel.name);
        }
        channel.forgotten.store(true, Ordering::Release);
        true
    }

    /// Asks the ingest to look at a channel.
    pub(crate) fn notify_ingest(&self, channel: &Arc<Channel>) {
        if !channel.touched.swap(true, Ordering::AcqRel) {
            self.ingest.push(Arc::clone(channel));
            self.ingest.notify.notify_one();
        }
    }

    /// Waits until some channel was touched. Cancel-safe.
    pub(crate) async fn touched(&self) {
        self.ingest.notify.notified().await;
    }

    /// The channels touched since the last call, for [`Registry::on_touched`](crate::Registry::on_touched). Their marks are cleared before their state is looked at, so no later touch
    /// is missed.
    pub fn take_touched(&self, into: &mut Vec<Arc<Channel>>) {
        self.ingest.take(into);
        for channel in into {
            channel.touched.swap(false, Ordering::AcqRel);
        }
    }

    /// Marks a channel dirty for its watchers and adds them to the set of threads to wake.
    pub(crate) fn notify_cores(&self, channel: &Arc<Channel>, wake: &mut u64) {
        let watchers = channel.watchers.load(Ordering::Acquire);
        let fresh = watchers & !channel.queued.fetch_or(watchers, Ordering::AcqRel);
        *wake |= fresh;
        for (core, mailbox) in self.cores.iter().enumerate() {
            if fresh & (1 << core) != 0 {
                mailbox.push(Arc::clone(channel));
            }
        }
    }

    /// Wakes the threads in a set.
    pub(crate) fn wake(&self, cores: u64) {
        for (core, mailbox) in self.cores.iter().enumerate() {
            if cores & (1 << core) != 0 {
                mailbox.notify.notify_one();
            }
        }
    }

    /// Waits until some channel that the thread watches is dirty. Cancel-safe.
    pub(crate) async fn dirty(&self, core: usize) {
        self.cores[core].notify.notified().await;
    }

    /// The channels dirty for a thread since its last call. Their marks are cleared before their state is looked at, so no
    /// later change is missed.
    pub(crate) fn take_dirty(&self, core: usize, into: &mut Vec<Arc<Channel>>) {
        self.cores[core].take(into);
        for channel in into {
            channel.queued.fetch_and(!(1 << core), Ordering::AcqRel);
        }
    }
}
