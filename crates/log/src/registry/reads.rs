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
        // their half: readers who are ahead of a stale head ask for pages until that head has been read.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fanfare_protocol::{ChannelName, EntryId, Epoch, Position, Push};

    use super::*;
    use crate::archive::{Snapshot, Tip};
    use crate::channel::Hub;
    use crate::cursor::Place;
    use crate::feed::{Desired, FeedBatch, FeedEvent};
    use crate::options::Options;
    use crate::view::CoreLog;

    fn at(ms: u64) -> Position {
        Position::At(EntryId { ms, seq: 0 })
    }

    fn tip(position: Position) -> Tip {
        Tip { position, now_ms: 100, epoch: Epoch::from_bits(7), evicts: false }
    }

    /// The stream ends at the reader's position, which the node's head has not reached.
    fn nothing_follows(position: Position) -> Snapshot {
        Snapshot { tip: tip(position), first: None, untouched: false, entries: Vec::new(), complete: true }
    }

    /// A node whose heads are stale: its clients were elsewhere meanwhile and are ahead of it.
    #[test]
    fn readers_ahead_of_stale_heads_do_not_keep_the_heads_from_being_read() {
        let now = Instant::now();
        let hub = Arc::new(Hub::new(1));
        let mut registry = Registry::new(Options::default(), Arc::clone(&hub), Desired::new(), Arc::default(), now);
        let concurrency = registry.options.archive_concurrency;
        let core = CoreLog::new(Arc::clone(&hub), 0);
        let names: Vec<_> =
            (0..3 * concurrency).map(|number| ChannelName::parse(&format!("c{number}")).unwrap()).collect();
        let place = |name| core.open(name, Some(Place::At(at(9))), 0);
        let mut readers: Vec<_> = names.iter().map(place).collect();
        let mut touched = Vec::new();
        let mut turn = |registry: &mut Registry, events: Vec<FeedEvent>| {
            registry.on_feed(FeedBatch { events: events.into(), ..FeedBatch::default() }, now);
            hub.take_touched(&mut touched);
            registry.on_touched(&touched, now);
            registry.settle(now)
        };
        turn(&mut registry, Vec::new());
        let mut commands = turn(&mut registry, vec![FeedEvent::Subscribed(names.clone())]);
        let Some(Command::Tips { keys, .. }) = commands.pop() else { panic!("{commands:?}") };
        registry.on_tips(&keys, Ok(keys.iter().map(|_| Ok(tip(at(5)))).collect()), now);
        let mut pages = Vec::new();
        let mut heads = 0;
        for round in 0..10 * concurrency {
            core.sync(|_, _| {}, |_| {});
            for (view, cursor) in &mut readers {
                core.next(*view, cursor, |_, _, _| ());
            }
            let doorbell = FeedEvent::Push { channel: names[0].clone(), push: Push::Doorbell };
            for command in turn(&mut registry, if round == 2 { vec![doorbell] } else { Vec::new() }) {
                match command {
                    Command::Page { key, .. } => pages.push(key),
                    Command::Head { .. } => heads += 1,
                    other => panic!("{other:?}"),
                }
            }
            assert!(pages.len() + heads <= concurrency, "round {round}");
            if !pages.is_empty() {
                registry.on_page(pages.remove(0), Ok(nothing_follows(at(9))), now);
            }
        }
        assert_eq!(heads, concurrency.div_ceil(2), "half of the reads are for heads, however many pages are wanted");
    }
}
