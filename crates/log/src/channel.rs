//! What the ingest and the connection threads share: one [`Channel`] per followed channel, and the [`Hub`] that finds
//! them and carries "look at this channel again" both ways.
//!
//! Nothing is queued here. The ingest changes a channel under its lock and marks it dirty for the threads that view it;
//! a thread wants a page and marks the channel touched for the ingest. A mark is a bit, so each list holds a channel at
//! most once, and the thread that takes the list reads the channel's present state.

use std::collections::HashMap;

use fanfare_protocol::limits::LEFT_WANTS_MIN;
use fanfare_protocol::{LogName, limits};

use crate::coverage::Coverage;
use crate::newest_answers::NewestAnswers;
use crate::occupancy::Occupancy;
use crate::pages::Pages;
use crate::payer::Payer;
use crate::places::{NoPlace, Places};
use crate::refusal::Refusal;
use crate::sync::{Arc, AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Notify, Ordering, PoisonError};
use crate::tail::Tail;
use crate::wants::Wants;

/// Maximum number of connection threads: a viewer is one bit.
pub const MAX_CORES: usize = 64;

/// A channel's state, behind its lock. Held for the time of a copy, never across I/O.
#[derive(Debug, Default)]
pub struct Shared {
    /// The tail, once the channel is primed.
    pub tail: Option<Tail>,
    /// Pages of the archive.
    pub pages: Pages,
    /// What readers wait for. Those of readers that left are forgotten in time (see [`leave_want`](Self::leave_want)).
    pub wants: Wants,
    /// Readers that were behind and left since wants were last forgotten: so many wants, at most, are nobody's.
    left_wants: usize,
    /// Answers to [`Want::Newest`](crate::wants::Want::Newest); forgotten when the head moves or the link to the store was lost.
    pub newest: NewestAnswers,
    /// Why the channel cannot be followed at present.
    pub refusal: Option<Refusal>,
    /// What of its stream the log holds, if it is one of the gateway's own.
    pub coverage: Option<Box<Coverage>>,
}

impl Shared {
    /// A reader that is behind has left, perhaps with a want. Whether another reader wants the same is not known, so no single
    /// want is taken back. When as many may be left as are wanted, or nobody is there any more, all are forgotten: then those who
    /// still wait have to be woken, and want again what they need. Returns whether that is so.
    pub(crate) fn leave_want(&mut self, has_viewers: bool) -> bool {
        self.left_wants += 1;
        let forgets = !has_viewers || self.left_wants > LEFT_WANTS_MIN.max(self.wants.len() / 2);
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
    /// Who asked for it first.
    pub payer: Payer,
    shared: Mutex<Shared>,
    /// The connection threads that have a view of it, a bit each.
    viewers: AtomicU64,
    queued: AtomicU64,
    /// Readers on all connection threads: for those who look, nothing is decided by it.
    readers: AtomicU32,
    touched: AtomicBool,
    forgotten: AtomicBool,
    /// It gave up its place to another one and is not closed yet.
    leaving: AtomicBool,
}

impl Channel {
    fn new(name: &LogName, key: usize, payer: Payer) -> Arc<Self> {
        Arc::new(Self {
            name: name.clone(),
            key,
            payer,
            shared: Mutex::default(),
            viewers: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            readers: AtomicU32::new(0),
            touched: AtomicBool::new(false),
            forgotten: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
        })
    }

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

    /// Number of readers on all connection threads, as of a moment ago.
    #[must_use]
    pub fn readers(&self) -> u32 {
        self.readers.load(Ordering::Relaxed)
    }

    /// A connection thread has one reader more.
    pub(crate) fn add_reader(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection thread has one reader less.
    pub(crate) fn remove_reader(&self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether any connection thread has a reader.
    #[must_use]
    pub fn has_viewers(&self) -> bool {
        self.viewers.load(Ordering::Acquire) != 0
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

/// A channel that can be found, and its place.
#[derive(Debug)]
struct Held {
    channel: Arc<Channel>,
    /// Who pays for the place.
    payer: Payer,
    /// The number of its idleness, while it has no reader.
    idle: Option<u64>,
}

#[derive(Debug)]
struct Directory {
    by_name: HashMap<LogName, Held>,
    places: Places<Arc<Channel>>,
    next_key: usize,
}

/// Finds channels by name and carries marks between the ingest and the connection threads.
#[derive(Debug)]
pub struct Hub {
    directory: Mutex<Directory>,
    ingest: Mailbox,
    cores: Box<[Mailbox]>,
    /// Channels for which there was no place.
    refused: AtomicU64,
    /// See [`Hub::link`]; 0 while there is none.
    link: AtomicU64,
    occupancy: Occupancy,
}

impl Hub {
    /// A hub for `cores` connection threads (1 to [`MAX_CORES`]), with places for the default number of channels.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        Self::with_places(cores, limits::CHANNELS_PER_NODE_DEFAULT)
    }

    /// The same with places for `channels`, and a reserve of 1/16 beside it for payers below their share.
    #[must_use]
    pub fn with_places(cores: usize, channels: usize) -> Self {
        let cores = cores.clamp(1, MAX_CORES);
        let directory = Directory { by_name: HashMap::new(), places: Places::new(channels), next_key: 0 };
        Self {
            directory: Mutex::new(directory),
            ingest: Mailbox::default(),
            cores: (0..cores).map(|_| Mailbox::default()).collect(),
            refused: AtomicU64::new(0),
            link: AtomicU64::new(0),
            occupancy: Occupancy::default(),
        }
    }

    /// The same, with these channels counted.
    #[must_use]
    pub fn counting(self, occupancy: Occupancy) -> Self {
        Self { occupancy, ..self }
    }

    /// The channels whose readers are counted.
    #[must_use]
    pub fn occupancy(&self) -> &Occupancy {
        &self.occupancy
    }

    /// The number of the feed's connection, from 1 on; `None` while it has none. It changes before anything that is published to a channel
    /// afterwards gets into the channel's tail: who sees that sees the change.
    #[must_use]
    pub fn link(&self) -> Option<u64> {
        Some(self.link.load(Ordering::Acquire)).filter(|link| *link > 0)
    }

    /// The feed has another connection, or none: 0.
    pub(crate) fn set_link(&self, link: u64) {
        self.link.store(link, Ordering::Release);
    }

    /// Number of connection threads.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// How often a channel was asked for and had no place.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds or makes a channel and registers the thread as a viewer. The place is asked for before the channel is made: what
    /// has none leaves no trace.
    pub(crate) fn add_viewer(&self, name: &LogName, core: usize, payer: Payer) -> Result<Arc<Channel>, NoPlace> {
        let mut directory = self.lock();
        let Directory { by_name, places, next_key } = &mut *directory;
        let channel = match by_name.get_mut(name) {
            Some(held) => {
                if let Some(number) = held.idle.take() {
                    places.wake(held.payer, number, payer);
                    held.payer = payer;
                }
                Arc::clone(&held.channel)
            }
            None => {
                let evicted = places.take(payer).inspect_err(|_| _ = self.refused.fetch_add(1, Ordering::Relaxed))?;
                if let Some(evicted) = evicted {
                    by_name.remove(&evicted.name);
                    self.evict(&evicted);
                }
                *next_key += 1;
                let channel = Channel::new(name, *next_key, payer);
                by_name.insert(name.clone(), Held { channel: Arc::clone(&channel), payer, idle: None });
                channel
            }
        };
        channel.viewers.fetch_or(1 << core, Ordering::AcqRel);
        drop(directory);
        self.notify_ingest(&channel);
        Ok(channel)
    }

    /// Hands a channel that gave up its place to the ingest, under the directory's lock: the ingest hears of it before it hears
    /// of another channel of the same name.
    fn evict(&self, channel: &Arc<Channel>) {
        channel.leaving.store(true, Ordering::Release);
        channel.forgotten.store(true, Ordering::Release);
        self.notify_ingest(channel);
    }

    /// Takes the thread off the channel's viewers.
    pub(crate) fn remove_viewer(&self, channel: &Arc<Channel>, core: usize) {
        let mut directory = self.lock();
        let Directory { by_name, places, .. } = &mut *directory;
        channel.viewers.fetch_and(!(1 << core), Ordering::AcqRel);
        if !channel.has_viewers()
            && let Some(held) = by_name.get_mut(&channel.name).filter(|held| held.channel.key == channel.key)
            && held.idle.is_none()
        {
            held.idle = Some(places.fall_idle(held.payer, Arc::clone(channel)));
        }
        drop(directory);
        self.notify_ingest(channel);
    }

    /// Drops a channel unless a connection thread views it. Atomic with respect to [`Hub::add_viewer`].
    pub(crate) fn forget(&self, channel: &Channel) -> bool {
        let mut directory = self.lock();
        if channel.has_viewers() {
            return false;
        }
        if let Some(held) = directory.by_name.get(&channel.name).filter(|held| held.channel.key == channel.key) {
            let (payer, idle) = (held.payer, held.idle);
            directory.by_name.remove(&channel.name);
            if let Some(number) = idle {
                directory.places.leave(payer, number);
            }
        }
        channel.forgotten.store(true, Ordering::Release);
        true
    }

    /// The ingest has closed a channel that is forgotten.
    pub(crate) fn note_closed(&self, channel: &Channel) {
        if channel.leaving.swap(false, Ordering::AcqRel) {
            self.lock().places.note_closed();
        }
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

    /// Marks a channel dirty for its viewers and adds them to the set of threads to wake.
    pub(crate) fn notify_cores(&self, channel: &Arc<Channel>, wake: &mut u64) {
        let viewers = channel.viewers.load(Ordering::Acquire);
        let fresh = viewers & !channel.queued.fetch_or(viewers, Ordering::AcqRel);
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

    /// Waits until some channel that the thread views is dirty. Cancel-safe.
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
