//! Which reads of the archive to start. One per channel and kind is in flight at a time (but for tips); what asks meanwhile stands
//! in a queue once.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fanfare_protocol::limits::{TIP_REQUESTS_MAX, TIPS_OF_NODE, TIPS_PER_REQUEST_MAX};
use fanfare_protocol::{LogName, Position};
use tokio::time::Instant;

use super::allowance::Allowance;
use super::channel_log::ChannelLog;
use super::directory::Directory;
use super::held_pages::HeldPages;
use super::since::Since;
use crate::archive::ReadRequest;
use crate::fair_queue::FairQueue;
use crate::options::Options;
use crate::pages::Page;
use crate::payer::Payer;
use crate::stats::IngestStats;
use crate::wants::Want;

/// A read that the ingest has to start. Its answer comes back through the `on_…` method of the same name.
#[derive(Debug)]
pub enum Command {
    /// Where these streams end.
    Tips {
        /// Their keys, in the order of the names.
        keys: Vec<usize>,
        /// Their names.
        names: Vec<LogName>,
    },
    /// A page from the head, to repair or extend a tail.
    Head {
        /// The channel's key.
        key: usize,
        /// What to read.
        request: ReadRequest,
    },
    /// A page for readers that are behind.
    Page {
        /// The channel's key.
        key: usize,
        /// What to read.
        request: ReadRequest,
    },
    /// Where the newest entries begin.
    Newest {
        /// The channel's key.
        key: usize,
        /// The channel.
        name: LogName,
        /// How many.
        count: usize,
    },
}

/// What is wanted, what is in flight, and what there is room and allowance for.
#[derive(Debug)]
pub(super) struct Schedule {
    tips: FairQueue<usize>,
    /// The same of channels whose tips were refused when they were last asked for.
    refused_tips: FairQueue<usize>,
    /// The keys of the request for such tips that is in flight; there is one at most, beside the others.
    refused_request: Vec<usize>,
    heads: FairQueue<usize>,
    /// Channels of which a payer wants pages.
    pages: FairQueue<(Payer, usize)>,
    /// The payers in `pages` by channel. The channel's own wants do not say that: they are forgotten with its last reader.
    waiting: HashMap<usize, BTreeSet<Payer>>,
    /// Channels of which a page is wanted or being read.
    paging: Since,
    /// Whose turn came while another page of the channel was being read: they are the next.
    passed_over: HashMap<usize, FairQueue<Payer>>,
    /// Requests for tips in flight.
    tip_requests: usize,
    /// Reads of pages and heads in flight.
    reads: usize,
    /// Those of heads.
    head_reads: usize,
    /// The read that was started last is one of a head.
    head_was_last: bool,
    allowance: Allowance,
    /// How long readers waited for the allowance, and since when they do.
    throttled: Duration,
    throttled_since: Option<Instant>,
    held_pages: HeldPages,
    /// Reads of pages and heads in flight at most.
    concurrency: usize,
    page_entries: usize,
    page_bytes: usize,
    /// The node's budget for tails and pages.
    budget: usize,
}

impl Schedule {
    pub(super) fn new(options: &Options, now: Instant) -> Self {
        Self {
            tips: FairQueue::default(),
            refused_tips: FairQueue::default(),
            refused_request: Vec::new(),
            heads: FairQueue::default(),
            pages: FairQueue::default(),
            waiting: HashMap::new(),
            paging: Since::default(),
            passed_over: HashMap::new(),
            tip_requests: 0,
            reads: 0,
            head_reads: 0,
            head_was_last: false,
            allowance: Allowance::new(options.archive_bytes_per_second, now),
            throttled: Duration::ZERO,
            throttled_since: None,
            held_pages: HeldPages::default(),
            concurrency: options.archive_concurrency.max(1),
            page_entries: options.page_entries,
            page_bytes: options.page_bytes,
            budget: options.budget,
        }
    }

    /// A read of the channel's tip is wanted.
    pub(super) fn want_tip(&mut self, payer: Payer, key: usize) {
        self.tips.push(payer, key);
    }

    /// A read of the tip is wanted of a channel whose tip was refused when it was last asked for: most likely it is refused again. One
    /// refused key makes Redis refuse a whole request, so such channels have a request of their own, which keeps no other waiting.
    pub(super) fn want_refused_tip(&mut self, payer: Payer, key: usize) {
        self.refused_tips.push(payer, key);
    }

    /// A read of the log's head is wanted.
    pub(super) fn want_head(&mut self, payer: Payer, key: usize) {
        self.heads.push(payer, key);
    }

    /// The next head to be read: first those of the gateway's own logs, for which others wait.
    fn pop_head(&mut self) -> Option<usize> {
        self.heads.pop_of(Payer::OWN_LOGS).or_else(|| self.heads.pop())
    }

    /// A reader of the channel wants a page.
    pub(super) fn want_page(&mut self, payer: Payer, key: usize, now: Instant) {
        self.paging.begin(key, now);
        self.pages.push(payer, (payer, key));
        self.waiting.entry(key).or_default().insert(payer);
    }

    /// The next payer whose turn it is, and the channel of which it wants a page.
    fn pop_page(&mut self) -> Option<(Payer, usize)> {
        let (payer, key) = self.pages.pop()?;
        if let Entry::Occupied(mut waiting) = self.waiting.entry(key) {
            waiting.get_mut().remove(&payer);
            if waiting.get().is_empty() {
                waiting.remove();
            }
        }
        Some((payer, key))
    }

    /// The channel is closed.
    pub(super) fn forget(&mut self, key: usize) {
        self.tips.remove(&key);
        self.refused_tips.remove(&key);
        self.heads.remove(&key);
        for payer in self.waiting.remove(&key).unwrap_or_default() {
            self.pages.remove(&(payer, key));
        }
        self.passed_over.remove(&key);
        self.paging.end(key);
    }

    /// A request for tips that a test makes up is in flight.
    #[cfg(test)]
    pub(super) fn tip_begun(&mut self) {
        self.tip_requests += 1;
    }

    /// The number of turns to have a page read.
    #[cfg(test)]
    pub(super) fn waiting_for_pages(&self) -> usize {
        assert_eq!(self.pages.len(), self.waiting.values().map(BTreeSet::len).sum::<usize>());
        self.pages.len()
    }

    /// A request for the tips of these channels was answered. (Should another one for exactly the same channels be in flight, the
    /// first answer counts as that of the one and the second as that of the other, which makes no difference.)
    pub(super) fn tips_answered(&mut self, keys: &[usize]) {
        if !keys.is_empty() && self.refused_request == keys {
            self.refused_request.clear();
        } else {
            self.tip_requests -= 1;
        }
    }

    /// A read of a head was answered.
    pub(super) fn head_answered(&mut self) {
        self.reads -= 1;
        self.head_reads -= 1;
    }

    /// A read for readers who are behind was answered. It cost so many bytes, in place of what was reserved for it.
    pub(super) fn page_answered(&mut self, key: usize, cost: usize, now: Instant) {
        self.reads -= 1;
        self.allowance.refund(self.page_bytes);
        self.allowance.spend(cost);
        // What waits still waits from now on: the channel is served.
        self.paging.end(key);
        if self.waiting.contains_key(&key) {
            self.paging.begin(key, now);
        }
        let mut passed_over = self.passed_over.remove(&key).unwrap_or_default();
        while let Some(payer) = passed_over.pop() {
            self.want_page(payer, key, now);
        }
    }

    /// Tells operators who waits for pages.
    pub(super) fn tell(&self, stats: &IngestStats, began: Instant) {
        self.paging.tell(&stats.paging, began);
        stats.throttled_ms.set(u64::try_from(self.throttled.as_millis()).unwrap_or(u64::MAX));
    }

    /// Keeps a page for its reader until then.
    pub(super) fn hold_page(&mut self, page: Arc<Page>, until: Instant) {
        self.held_pages.add(page, until);
    }

    /// When there is enough to spend again, or room again, for those who want pages. While as many reads as may be are in flight,
    /// only an answer lets another one start, whatever there is to spend.
    pub(super) fn next_page_at(&self) -> Option<Instant> {
        if self.pages.is_empty() || self.reads >= self.concurrency {
            return None;
        }
        [self.allowance.refill_at(), self.held_pages.until()].into_iter().flatten().min()
    }

    /// The reads to start now.
    pub(super) fn start(&mut self, logs: &mut Directory, now: Instant) -> Vec<Command> {
        self.held_pages.forget(now);
        let mut commands = Vec::new();
        self.start_tips(logs, &mut commands);
        // With room for a single read half of it is none: heads and pages take turns, so that a long repair keeps no reader waiting.
        if self.concurrency == 1 && self.head_was_last {
            self.start_pages(logs, now, &mut commands);
        }
        self.start_heads(logs, &mut commands);
        self.start_pages(logs, now, &mut commands);
        self.note_throttled(now);
        commands
    }

    fn start_tips(&mut self, logs: &mut Directory, commands: &mut Vec<Command>) {
        while self.tip_requests < TIP_REQUESTS_MAX && !self.tips.is_empty() {
            let (keys, names) = Self::begin_tips(logs, |count| self.pop_tip(count < TIPS_OF_NODE));
            if !keys.is_empty() {
                self.tip_requests += 1;
                commands.push(Command::Tips { keys, names });
            }
        }
        if self.refused_request.is_empty() && !self.refused_tips.is_empty() {
            let (keys, names) = Self::begin_tips(logs, |_| self.refused_tips.pop());
            if !keys.is_empty() {
                self.refused_request.clone_from(&keys);
                commands.push(Command::Tips { keys, names });
            }
        }
    }

    /// Makes one request of what is next, given how many it has already.
    fn begin_tips(logs: &mut Directory, mut next: impl FnMut(usize) -> Option<usize>) -> (Vec<usize>, Vec<LogName>) {
        let (mut keys, mut names) = (Vec::new(), Vec::new());
        while keys.len() < TIPS_PER_REQUEST_MAX
            && let Some(key) = next(keys.len())
        {
            if let Some(log) = logs.get_mut(key) {
                log.begin_tip();
                keys.push(key);
                names.push(log.channel.name.clone());
            }
        }
        (keys, names)
    }

    /// The next tip to be read: first those of the gateway's own logs, then the node's own up to their part of a request, then whose turn it is.
    fn pop_tip(&mut self, is_nodes_part: bool) -> Option<usize> {
        if let Some(of_own_logs) = self.tips.pop_of(Payer::OWN_LOGS) {
            return Some(of_own_logs);
        }
        let of_node = if is_nodes_part { self.tips.pop_of(Payer::NODE) } else { None };
        of_node.or_else(|| self.tips.pop())
    }

    fn start_heads(&mut self, logs: &mut Directory, commands: &mut Vec<Command>) {
        // Repairs come first, but a storm of them leaves something for readers who are behind. Pages do not count against
        // their half: a reader who is ahead of a stale head waits until that head has been read.
        let most = if self.pages.is_empty() { self.concurrency } else { self.concurrency.div_ceil(2) };
        while self.reads < self.concurrency
            && self.head_reads < most
            && let Some(key) = self.pop_head()
        {
            let Some(log) = logs.get_mut(key) else { continue };
            let Some(from) = log.begin_head() else { continue };
            let request = self.request(log, from);
            self.reads += 1;
            self.head_reads += 1;
            self.head_was_last = true;
            commands.push(Command::Head { key, request });
        }
    }

    fn start_pages(&mut self, logs: &mut Directory, now: Instant, commands: &mut Vec<Command>) {
        while self.reads < self.concurrency
            && !self.pages.is_empty()
            && self.allowance.is_available(now)
            && self.has_room_for_a_page()
        {
            let Some((payer, key)) = self.pop_page() else { break };
            let Some(log) = logs.get_mut(key) else {
                self.paging.end(key);
                continue;
            };
            if log.is_reading_page() {
                self.passed_over.entry(key).or_default().push(Payer::NODE, payer);
                continue;
            }
            let Some(want) = log.begin_page(payer) else {
                if !self.waiting.contains_key(&key) {
                    self.paging.end(key);
                }
                continue;
            };
            if log.has_want_of(payer) {
                self.want_page(payer, key, now);
            }
            self.reads += 1;
            self.head_was_last = false;
            // Reserved until its size is known: what is read at the same time shares one allowance.
            self.allowance.spend(self.page_bytes);
            commands.push(match want {
                Want::Newest(count) => Command::Newest { key, name: log.channel.name.clone(), count },
                Want::Page(after) => Command::Page { key, request: self.request(log, after) },
            });
        }
    }

    /// Adds up the time in which nothing but the allowance holds pages back.
    fn note_throttled(&mut self, now: Instant) {
        if let Some(since) = self.throttled_since.take() {
            self.throttled += now.saturating_duration_since(since);
        }
        let waits = !self.pages.is_empty() && self.reads < self.concurrency && self.allowance.refill_at().is_some();
        self.throttled_since = waits.then_some(now);
    }

    fn request(&self, log: &ChannelLog, after: Position) -> ReadRequest {
        ReadRequest { log: log.channel.name.clone(), after, max_entries: self.page_entries, max_bytes: self.page_bytes }
    }

    /// Whether one more page fits into the budget beside those that are being read or wait for their readers. As many as may
    /// be read at a time may be there in any case.
    fn has_room_for_a_page(&mut self) -> bool {
        let pages = self.reads - self.head_reads + 1;
        let bytes = pages.saturating_mul(self.page_bytes);
        self.held_pages.leaves_room((pages, bytes), self.concurrency, self.budget)
    }
}
