//! The places of a node for channels: how many there are, who holds them, and who gets none when they run short.
//!
//! A place is asked for before the channel exists, and a channel without readers gives its place up as soon as another one needs it.
//! So only channels with readers can keep anybody out:
//!
//! | channels with readers | the payer's own | a new channel |
//! |---|---|---|
//! | fewer than 7/8 of the limit | any number | gets a place |
//! | up to the limit and a reserve of 1/16 of it | less than its share: the limit, divided by those who have readers, the payer included | gets a place |
//! | | its share or more | is refused |
//! | more | any number | is refused |
//!
//! A payer that is alone has the whole limit for its share. The reserve is for those who come after it. When a channel without
//! readers has to go, the payer that keeps most of them loses the one that has been without readers for longest.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fanfare_protocol::limits::CHANNELS_LEAVING_MAX;

use crate::payer::Payer;

/// The part of the limit that is left to payers below their share.
const SCARCE_PART: usize = 8;

/// The part of the limit that such payers find beside it.
const RESERVE_PART: usize = 16;

/// There is no place for another channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this node follows as many channels as it may")]
pub struct NoPlace;

/// What one payer holds.
#[derive(Debug)]
struct Account<T> {
    /// Number of its channels with readers.
    with_readers: usize,
    /// Its channels without readers, by the number of their idleness: the longest idle one is first.
    idle: BTreeMap<u64, T>,
}

/// Who holds how many places.
#[derive(Debug)]
pub(crate) struct Places<T> {
    limit: usize,
    /// Channels with readers.
    with_readers: usize,
    /// Channels without.
    idle: usize,
    /// Channels that gave up their place and are not closed yet.
    leaving: usize,
    /// Payers that have channels with readers.
    payers: usize,
    /// Every payer that holds a place.
    accounts: HashMap<Payer, Account<T>>,
    /// Payers of channels without readers, by the number of those.
    by_idle: BTreeSet<(usize, Payer)>,
    /// The number of the next idleness.
    next: u64,
}

impl<T> Places<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            with_readers: 0,
            idle: 0,
            leaving: 0,
            payers: 0,
            accounts: HashMap::new(),
            by_idle: BTreeSet::new(),
            next: 0,
        }
    }

    /// Takes a place for a new channel, which has a reader. Returns the channel that gives up its place for it, if one has to: it is
    /// leaving from now on.
    pub(crate) fn take(&mut self, payer: Payer) -> Result<Option<T>, NoPlace> {
        if !self.has_place_for(payer) {
            return Err(NoPlace);
        }
        let evicted = if self.with_readers + self.idle >= self.limit { self.evict() } else { None };
        self.add_with_readers(payer);
        Ok(evicted)
    }

    fn has_place_for(&self, payer: Payer) -> bool {
        // What leaves is in memory until the ingest has closed it.
        if self.leaving >= CHANNELS_LEAVING_MAX {
            return false;
        }
        if self.with_readers < self.limit - self.limit / SCARCE_PART {
            return true;
        }
        let own = self.accounts.get(&payer).map_or(0, |account| account.with_readers);
        let payers = self.payers + usize::from(own == 0);
        let most = self.limit.saturating_add(self.limit / RESERVE_PART);
        self.with_readers < most && own < self.limit / payers.max(1)
    }

    /// A channel has lost its last reader. Returns the number of its idleness.
    pub(crate) fn fall_idle(&mut self, payer: Payer, channel: T) -> u64 {
        self.next += 1;
        let number = self.next;
        let Some(account) = self.accounts.get_mut(&payer) else { return number };
        account.with_readers -= 1;
        self.payers -= usize::from(account.with_readers == 0);
        account.idle.insert(number, channel);
        let count = account.idle.len();
        self.with_readers -= 1;
        self.idle += 1;
        self.by_idle.remove(&(count - 1, payer));
        self.by_idle.insert((count, payer));
        number
    }

    /// A channel that was idle has a reader again, who pays from now on.
    pub(crate) fn wake(&mut self, payer: Payer, number: u64, reader: Payer) {
        self.leave(payer, number);
        self.add_with_readers(reader);
    }

    /// An idle channel gives its place back.
    pub(crate) fn leave(&mut self, payer: Payer, number: u64) {
        _ = self.take_idle(payer, |idle| idle.remove(&number));
    }

    /// A channel that was leaving is closed.
    pub(crate) fn note_closed(&mut self) {
        self.leaving -= 1;
    }

    fn evict(&mut self) -> Option<T> {
        let (_, payer) = *self.by_idle.last()?;
        let evicted = self.take_idle(payer, |idle| idle.pop_first().map(|(_, channel)| channel))?;
        self.leaving += 1;
        Some(evicted)
    }

    fn take_idle(&mut self, payer: Payer, take: impl FnOnce(&mut BTreeMap<u64, T>) -> Option<T>) -> Option<T> {
        let account = self.accounts.get_mut(&payer)?;
        let taken = take(&mut account.idle)?;
        let (left, is_over) = (account.idle.len(), account.idle.is_empty() && account.with_readers == 0);
        self.idle -= 1;
        self.by_idle.remove(&(left + 1, payer));
        if left > 0 {
            self.by_idle.insert((left, payer));
        }
        if is_over {
            self.accounts.remove(&payer);
        }
        Some(taken)
    }

    fn add_with_readers(&mut self, payer: Payer) {
        let account = self.accounts.entry(payer).or_insert_with(|| Account { with_readers: 0, idle: BTreeMap::new() });
        self.payers += usize::from(account.with_readers == 0);
        account.with_readers += 1;
        self.with_readers += 1;
    }
}

#[cfg(test)]
#[path = "places/tests.rs"]
mod tests;
