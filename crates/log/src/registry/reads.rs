//! Which reads of the archive to start. One per channel and kind is in flight; what arrives meanwhile sets a flag.

use fanfare_protocol::limits::{TIP_REQUESTS_MAX, TIPS_PER_REQUEST_MAX};
use tokio::time::Instant;

use super::{Command, Registry};
use crate::archive::ReadRequest;
use crate::channel::Want;

impl Registry {
    pub(super) fn start_tips(&mut self, commands: &mut Vec<Command>) {
        while self.tip_requests < TIP_REQUESTS_MAX && !self.tips.is_empty() {
            let (mut keys, mut names) = (Vec::new(), Vec::new());
            while keys.len() < TIPS_PER_REQUEST_MAX
                && let Some(key) = self.tips.pop_front()
            {
                if let Some(log) = self.logs.get_mut(&key) {
                    log.tip_queued = false;
                    log.tip_asked();
                    keys.push(key);
                    names.push(log.channel.name.clone());
                }
            }
            if !keys.is_empty() {
                self.tip_requests += 1;
                commands.push(Command::Tips { keys, names });
            }
        }
    }

    pub(super) fn start_heads(&mut self, commands: &mut Vec<Command>) {
        // Repairs come first, but a storm of them leaves something for readers who are behind. Pages do not count against
        // their half: a reader who is ahead of a stale head waits until that head has been read.
        let all = self.options.archive_concurrency.max(1);
        let most = if self.paging.is_empty() { all } else { all.div_ceil(2) };
        while self.reads < all
            && self.head_reads < most
            && let Some(key) = self.dirty.pop_front()
        {
            let Some(log) = self.logs.get_mut(&key) else { continue };
            log.dirty_queued = false;
            let head = log.channel.lock().tail.as_ref().map(crate::tail::Tail::head);
            // A log that is not primed yet stays dirty; priming queues it again.
            let Some(head) = head else { continue };
            if !log.dirty || log.head_read.is_some() || log.resting {
                continue;
            }
            log.dirty = false;
            log.awaited = 0;
            log.head_read = Some(head);
            let request = ReadRequest {
                channel: log.channel.name.clone(),
                after: head,
                max_entries: self.options.page_entries,
                max_bytes: self.options.page_bytes,
            };
            self.reads += 1;
            self.head_reads += 1;
            self.stats.head_reads.add(1);
            commands.push(Command::Head { key, request });
        }
    }

    pub(super) fn start_pages(&mut self, now: Instant, commands: &mut Vec<Command>) {
        while self.reads < self.options.archive_concurrency.max(1)
            && !self.paging.is_empty()
            && self.allowance.is_available(now)
            && self.has_room_for_a_page()
        {
            let Some(key) = self.paging.pop_front() else { break };
            let Some(log) = self.logs.get_mut(&key) else { continue };
            log.page_queued = false;
            if log.page_read.is_some() || log.resting {
                continue;
            }
            let Some(want) = log.next_want() else { continue };
            log.page_read = Some(want);
            log.page_is_stale = false;
            self.reads += 1;
            self.stats.page_reads.add(1);
            let name = log.channel.name.clone();
            commands.push(match want {
                Want::Newest(count) => Command::Newest { key, name, count },
                Want::Page(after) => {
                    // Reserved until its size is known: pages that are read at the same time share one allowance.
                    self.allowance.spend(self.options.page_bytes);
                    let request = ReadRequest {
                        channel: name,
                        after,
                        max_entries: self.options.page_entries,
                        max_bytes: self.options.page_bytes,
                    };
                    Command::Page { key, request }
                }
            });
        }
    }

    /// Whether one more page fits into the budget beside those that are being read or wait for their readers. As many as may
    /// be read at a time may be there in any case.
    fn has_room_for_a_page(&mut self) -> bool {
        let pages = self.reads - self.head_reads + 1;
        let bytes = pages.saturating_mul(self.options.page_bytes);
        self.untaken.leaves_room((pages, bytes), self.options.archive_concurrency.max(1), self.budget.limit())
    }

    pub(super) fn queue_tip(&mut self, key: usize) {
        if let Some(log) = self.logs.get_mut(&key)
            && !log.tip_queued
            && !log.resting
        {
            log.tip_queued = true;
            self.tips.push_back(key);
        }
    }

    pub(super) fn queue_dirty(&mut self, key: usize) {
        if let Some(log) = self.logs.get_mut(&key) {
            log.dirty = true;
            if !log.dirty_queued {
                log.dirty_queued = true;
                self.dirty.push_back(key);
            }
        }
    }

    pub(super) fn queue_page(&mut self, key: usize) {
        if let Some(log) = self.logs.get_mut(&key)
            && !log.page_queued
        {
            log.page_queued = true;
            self.paging.push_back(key);
        }
    }
}
