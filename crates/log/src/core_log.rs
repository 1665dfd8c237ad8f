//! What one connection thread sees of the logs: a copy of each tail that its readers follow (the frames themselves are shared) and the
//! readers of each channel.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use fanfare_protocol::limits::WAKES_OF_ONE_CHANNEL;
use fanfare_protocol::{LogName, Position};
use slab::Slab;

use crate::channel::{Channel, Hub};
use crate::coverage::Coverage;
use crate::cursor::{Cursor, ReaderId, Start};
use crate::occupancy::{Occupancy, Tally};
use crate::payer::Payer;
use crate::places::NoPlace;
use crate::refusal::Refusal;
use crate::tail::{Item, Tail};
use crate::top_channels::TopChannels;
use crate::view::{Next, View};

/// Names a view on its thread.
pub type ViewKey = u32;

#[derive(Debug, Default)]
struct Views {
    slab: Slab<View>,
    by_name: HashMap<LogName, usize>,
    by_key: HashMap<usize, usize>,
    dirty: Vec<Arc<Channel>>,
    /// The views with readers that are still to be woken, each once, in turn.
    waking: VecDeque<usize>,
}

/// The logs as one connection thread sees them. Not `Send`: it lives and dies with its thread.
#[derive(Debug)]
pub struct CoreLog {
    hub: Arc<Hub>,
    core: usize,
    views: RefCell<Views>,
}

impl CoreLog {
    /// The view of thread number `core` (less than [`Hub::cores`]; one `CoreLog` per number).
    #[must_use]
    pub fn new(hub: Arc<Hub>, core: usize) -> Self {
        Self { hub, core, views: RefCell::default() }
    }

    /// Adds a reader to a log, which is opened if this is the node's first. `payer` pays for that and for what is read for the
    /// reader.
    ///
    /// # Errors
    /// The log is not open and the node has no place for it. Nothing was made.
    pub fn open(
        &self,
        name: impl Into<LogName>,
        start: Option<Start>,
        reader: impl Into<ReaderId>,
        payer: Payer,
    ) -> Result<(ViewKey, Cursor), NoPlace> {
        let name = name.into();
        let mut views = self.views.borrow_mut();
        let key = match views.by_name.get(&name) {
            Some(key) => *key,
            None => {
                let channel = self.hub.add_viewer(&name, self.core, payer)?;
                let view = View::new(Arc::clone(&channel), self.hub.occupancy().tally(&name));
                let key = views.slab.insert(view);
                views.by_name.insert(name.clone(), key);
                views.by_key.insert(channel.key, key);
                key
            }
        };
        let view = &mut views.slab[key];
        let slot = view.readers.insert(reader.into());
        if let Some(tally) = &view.tally {
            self.hub.occupancy().enter(tally);
        }
        view.channel.add_reader();
        // Without a start the reader starts now; `resolve_start` fills it in once the log is open.
        let cursor = Cursor::new(start.unwrap_or(Start::Newest(0)), slot, payer);
        Ok((u32::try_from(key).expect("fewer than 2^32 channels on a thread"), cursor))
    }

    /// Removes a reader; the last one closes the view.
    pub fn close(&self, key: ViewKey, cursor: &Cursor) {
        let mut views = self.views.borrow_mut();
        let key = key as usize;
        let view = &mut views.slab[key];
        view.readers.remove(cursor.slot);
        if let Some(tally) = &view.tally {
            self.hub.occupancy().leave(tally);
        }
        view.channel.remove_reader();
        let left = view.is_behind(cursor).then(|| Arc::clone(&view.channel));
        if view.readers.is_empty() {
            let view = views.slab.remove(key);
            views.by_name.remove(&view.channel.name);
            views.by_key.remove(&view.channel.key);
            if view.readers.is_waking() {
                views.waking.retain(|waking| *waking != key);
            }
            self.hub.remove_viewer(&view.channel, self.core);
        }
        drop(views);
        if let Some(channel) = left
            && channel.lock().leave_want(channel.has_viewers())
        {
            let mut wake = 0;
            self.hub.notify_cores(&channel, &mut wake);
            self.hub.wake(wake);
        }
    }

    /// Waits until some channel with a view has changed. Cancel-safe; one waiter per thread.
    pub async fn changed(&self) {
        self.hub.dirty(self.core).await;
    }

    /// Takes over what has changed. Calls `fresh` for each new item with the number of its readers here. Those who wait for it are
    /// woken by [`wake`](Self::wake).
    pub fn take_over(&self, mut fresh: impl FnMut(&Item, usize)) {
        let mut views = self.views.borrow_mut();
        let mut dirty = std::mem::take(&mut views.dirty);
        self.hub.take_dirty(self.core, &mut dirty);
        for channel in dirty.drain(..) {
            let Some(key) = views.by_key.get(&channel.key).copied() else { continue };
            let view = &mut views.slab[key];
            let readers = view.readers.len();
            let grown = view.sync(|item| fresh(item, readers));
            if !view.readers.is_waking() {
                views.waking.push_back(key);
            }
            views.slab[key].readers.note(grown);
        }
        views.dirty = dirty;
    }

    /// Wakes readers that wait for what was taken over, `most` of them at most: a few of each channel in turn, so that a channel
    /// of thousands does not keep the others waiting. Returns whether there may be more.
    pub fn wake(&self, most: usize, mut wake: impl FnMut(ReaderId)) -> bool {
        let views = &mut *self.views.borrow_mut();
        let mut left = most;
        while left > 0
            && let Some(key) = views.waking.pop_front()
        {
            let readers = &mut views.slab[key].readers;
            left -= readers.wake(left.min(WAKES_OF_ONE_CHANNEL), &mut wake);
            if readers.is_waking() {
                views.waking.push_back(key);
            }
        }
        !views.waking.is_empty()
    }

    /// Takes over what has changed and wakes all who wait for it.
    #[cfg(feature = "testing")]
    pub fn sync(&self, fresh: impl FnMut(&Item, usize), wake: impl FnMut(ReaderId)) {
        self.take_over(fresh);
        self.wake(usize::MAX, wake);
    }

    /// Whether the channel's log is open (or why it cannot be). The reader is armed if it is not.
    pub fn is_open(&self, key: ViewKey, cursor: &Cursor) -> Result<bool, Refusal> {
        let mut views = self.views.borrow_mut();
        let view = &mut views.slab[key as usize];
        if view.copy.is_some() {
            return Ok(true);
        }
        view.readers.arm(cursor.slot);
        view.refusal.clone().map_or(Ok(false), Err)
    }

    /// Gives a cursor its exact position where it has none yet: "now" and `last=N` become positions once the log is open.
    /// Returns whether it has one; the reader is armed if it is not.
    pub fn resolve_start(&self, key: ViewKey, cursor: &mut Cursor) -> bool {
        let mut views = self.views.borrow_mut();
        views.slab[key as usize].resolve_start(cursor, &self.hub)
    }

    /// What the cursor can hand out now, given to `act` for the time of the call. This is the one read operation. `act`
    /// must not call back into this log.
    pub fn next<R>(
        &self,
        key: ViewKey,
        cursor: &mut Cursor,
        act: impl FnOnce(&mut Cursor, &LogName, Next<'_>) -> R,
    ) -> R {
        let mut views = self.views.borrow_mut();
        views.slab[key as usize].next(cursor, &self.hub, act)
    }

    /// Renews the position of a live cursor on a channel without a stream: absence is a position that ages.
    /// Returns whether it changed.
    pub fn refresh(&self, key: ViewKey, cursor: &mut Cursor) -> bool {
        let views = self.views.borrow();
        let Some(tail) = &views.slab[key as usize].copy else { return false };
        let head = Start::At(tail.head());
        let stale = cursor.index == tail.end() && cursor.at != head && tail.head().is_absent();
        if stale {
            cursor.at = head;
        }
        stale
    }

    /// The newest position that this node knows of, which may be older than a reader's; `None` before the log is open.
    pub fn head(&self, key: ViewKey) -> Option<Position> {
        let views = self.views.borrow();
        views.slab[key as usize].copy.as_ref().map(Tail::head)
    }

    /// What a reader of a log of the gateway's own has seen of its stream when it [has everything](Next::Live). The
    /// [link](Hub::link) is the present one, or none.
    pub fn coverage(&self, key: ViewKey) -> Coverage {
        let coverage = self.views.borrow().slab[key as usize].coverage.as_deref().copied().unwrap_or_default();
        Coverage { link: coverage.link.filter(|link| self.link() == Some(*link)), ..coverage }
    }

    /// See [`Hub::link`].
    #[must_use]
    pub fn link(&self) -> Option<u64> {
        self.hub.link()
    }

    /// Moves a cursor to the [head](Self::head), skipping what lies between. The caller announces the gap.
    pub fn jump(&self, key: ViewKey, cursor: &mut Cursor) {
        let views = self.views.borrow();
        if let Some(tail) = &views.slab[key as usize].copy {
            cursor.at = Start::At(tail.head());
            cursor.index = tail.end();
        }
    }

    /// The log's name.
    #[must_use]
    pub fn name(&self, key: ViewKey) -> LogName {
        self.views.borrow().slab[key as usize].channel.name.clone()
    }

    /// Where the readers of a channel are counted, if they are.
    #[must_use]
    pub fn tally(&self, key: ViewKey) -> Option<Arc<Tally>> {
        self.views.borrow().slab[key as usize].tally.clone()
    }

    /// The channels whose readers are counted.
    #[must_use]
    pub fn occupancy(&self) -> &Occupancy {
        self.hub.occupancy()
    }

    /// Offers the channels of this thread, by their readers on the whole node, in parts: `most` views at most from number `from` on.
    /// Begins at 0; returns where the next part begins, or `None` after the last. A channel that is opened or closed between two parts may be
    /// missing. The gateway's own logs are left out.
    pub fn offer(&self, from: usize, most: usize, top: &mut TopChannels) -> Option<usize> {
        let views = self.views.borrow();
        let end = from.saturating_add(most);
        for view in (from..end.min(views.slab.capacity())).filter_map(|key| views.slab.get(key)) {
            if let LogName::Channel(name) = &view.channel.name {
                top.offer(name, view.channel.readers());
            }
        }
        (end < views.slab.capacity()).then_some(end)
    }

    /// Number of channels with readers on this thread.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.views.borrow().slab.len()
    }
}

#[cfg(test)]
mod tests;
