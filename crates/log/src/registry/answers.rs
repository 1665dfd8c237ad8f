//! What the archive answers: proven before anything is appended.

use fanfare_protocol::{Decoded, EntryId, GapReason, Position};
use tokio::time::Instant;

use super::Registry;
use crate::archive::{ArchiveError, Newest, Snapshot, Tip};
use crate::budget::Charge;
use crate::channel::Want;
use crate::pages::{Page, encode, resume_before};
use crate::proof::{self, Verdict, id_of};
use crate::tail::{Seam, Tail};

impl Registry {
    /// Where streams end: opens logs, and compares those that are open.
    pub fn on_tips(
        &mut self,
        keys: &[usize],
        answer: Result<Vec<Result<Tip, ArchiveError>>, ArchiveError>,
        now: Instant,
    ) {
        self.tip_requests -= 1;
        match answer {
            Ok(tips) => {
                for (&key, tip) in keys.iter().zip(tips) {
                    match tip {
                        Ok(tip) => self.on_tip(key, tip),
                        Err(error) => self.on_failure(key, &error, now),
                    }
                }
            }
            Err(error) => keys.iter().for_each(|&key| self.on_failure(key, &error, now)),
        }
    }

    fn on_tip(&mut self, key: usize, tip: Tip) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let mut shared = log.channel.lock();
        let Some(tail) = &mut shared.tail else {
            // The tip of a stream that is not followed yet proves nothing about what is published next.
            if log.subscribed {
                shared.tail = Some(Tail::new(tip.position));
                drop(shared);
                log.prove(tip);
                if log.dirty {
                    self.queue_dirty(key);
                }
                self.mark(key);
            }
            return;
        };
        self.stats.reconciles.add(1);
        let head = tail.head();
        match (head, tip.position) {
            (Position::At(ours), Position::At(theirs)) if ours == theirs => {
                drop(shared);
                log.prove(tip);
            }
            (Position::Empty { at_ms, epoch }, Position::Empty { .. })
                if epoch == tip.epoch && !tip.evicts && proof::still_absent(at_ms, tip.now_ms) =>
            {
                tail.move_head(tip.position);
                drop(shared);
                log.prove(tip);
                self.mark(key);
            }
            (Position::At(_), Position::Empty { .. }) if log.has_expired(tip) => {
                tail.move_head(tip.position);
                drop(shared);
                log.prove(tip);
                self.mark(key);
            }
            _ => {
                drop(shared);
                self.stats.reconcile_misses.add(1);
                self.queue_dirty(key);
            }
        }
    }

    /// A page from the head.
    pub fn on_head(&mut self, key: usize, answer: Result<Snapshot, ArchiveError>, now: Instant) {
        self.reads -= 1;
        let Some(log) = self.logs.get_mut(&key) else { return };
        let Some(from) = log.head_read.take() else { return };
        match answer {
            Ok(snapshot) => self.merge(key, from, &snapshot),
            Err(error) => {
                log.dirty = true;
                self.on_failure(key, &error, now);
            }
        }
        if self.logs.get(&key).is_some_and(|log| log.dirty) {
            self.queue_dirty(key);
        }
    }

    fn merge(&mut self, key: usize, from: Position, snapshot: &Snapshot) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let shared = log.channel.lock();
        let Some(tail) = &shared.tail else { return };
        let (head, newest) = (tail.head(), tail.newest());
        drop(shared);
        let verdict = proof::prove(from, snapshot);
        if head != from {
            self.merge_moved(key, head, verdict, snapshot);
            return;
        }
        match verdict {
            Verdict::Continues if !restarts_below(newest, from, snapshot) => {
                self.extend(key, from, &snapshot.entries);
                self.finish(key, snapshot);
            }
            Verdict::Continues => self.seal(key, GapReason::Reset, from, snapshot),
            Verdict::Gap(_)
                if matches!(snapshot.tip.position, Position::Empty { .. })
                    && matches!(from, Position::At(_))
                    && log.has_expired(snapshot.tip) =>
            {
                self.finish(key, snapshot);
            }
            Verdict::Gap(reason) => self.seal(key, reason, from, snapshot),
        }
    }

    /// Pushes moved the head while the read was under way: only what follows the present head may go in.
    fn merge_moved(&mut self, key: usize, head: Position, verdict: Verdict, snapshot: &Snapshot) {
        let Position::At(head) = head else {
            self.queue_dirty(key);
            return;
        };
        let found = snapshot.entries.iter().position(|entry| id_of(entry) == head);
        match (verdict, found) {
            (Verdict::Continues, Some(index)) => {
                self.extend(key, Position::At(head), &snapshot.entries[index + 1..]);
                self.finish(key, snapshot);
            }
            // The page ends before the head: it is older than the pushes and has nothing to add.
            (Verdict::Continues, None) if matches!(snapshot.tip.position, Position::At(tip) if tip < head) => {}
            _ => self.queue_dirty(key),
        }
    }

    fn extend(&mut self, key: usize, from: Position, entries: &[Decoded]) {
        let Some(log) = self.logs.get(&key) else { return };
        let channel = std::sync::Arc::clone(&log.channel);
        for entry in entries {
            let id = id_of(entry);
            if matches!(from, Position::At(from) if id <= from) {
                continue;
            }
            self.stats.repaired.add(1);
            self.append(key, id, encode(&channel.name, entry));
        }
    }

    /// After a page was merged: reads on if there is more, otherwise notes that the head is the stream's end.
    fn finish(&mut self, key: usize, snapshot: &Snapshot) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        if !snapshot.complete {
            self.queue_dirty(key);
            return;
        }
        log.prove(snapshot.tip);
        let mut shared = log.channel.lock();
        let Some(tail) = &mut shared.tail else { return };
        let behind = match (tail.head(), snapshot.tip.position) {
            // The last entries were retracted: the next one will name this id as its predecessor.
            (Position::At(head), Position::At(tip)) => tip > head,
            (head, tip) => head != tip,
        };
        if behind {
            tail.move_head(snapshot.tip.position);
            drop(shared);
            self.mark(key);
        }
    }

    /// History is not contiguous: tells the readers and begins a new segment.
    fn seal(&mut self, key: usize, reason: GapReason, from: Position, snapshot: &Snapshot) {
        let Some(log) = self.logs.get(&key) else { return };
        let mut shared = log.channel.lock();
        let Some(tail) = &mut shared.tail else { return };
        let index = tail.end();
        let seam = Seam { reason, after: from, resume: resume_before(snapshot, from) };
        let cost = tail.push_seam(seam);
        shared.newest.clear();
        // A trim leaves what was read before true; anything else means that another history was read.
        let released = if reason == GapReason::Trimmed { Vec::new() } else { shared.pages.clear() };
        drop(shared);
        released.into_iter().for_each(|bytes| self.budget.release(bytes));
        self.budget.charge(Charge::Item { channel: key, index }, cost);
        self.stats.seams.of(reason).add(1);
        tracing::warn!(channel = %log.channel.name, reason = reason.as_str(), after = %from, "history is not contiguous");
        self.mark(key);
        self.extend(key, from, &snapshot.entries);
        self.finish(key, snapshot);
    }

    /// A page for readers that are behind.
    pub fn on_page(&mut self, key: usize, answer: Result<Snapshot, ArchiveError>, now: Instant) {
        self.reads -= 1;
        let Some(log) = self.logs.get_mut(&key) else { return };
        let Some(Want::Page(after)) = log.page_read.take() else { return };
        let snapshot = match answer {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.on_failure(key, &error, now);
                return;
            }
        };
        log.failures = 0;
        let mut shared = log.channel.lock();
        let number = shared.pages.allocate();
        let page = Page::new(number, &log.channel.name, after, &snapshot);
        self.allowance.spend(page.bytes());
        let fleeting = page.is_fleeting();
        let behind = fleeting && shared.tail.as_ref().is_some_and(|tail| tail.head() != after);
        if !fleeting {
            self.budget.charge(Charge::Page { channel: key, number }, page.bytes());
            shared.pages.insert(page);
        }
        // Whoever is not served by this page wants again when it is woken; the rest shared one read.
        self.stats.shared_reads.add(shared.wants.len().saturating_sub(1) as u64);
        shared.wants.clear();
        drop(shared);
        if behind {
            self.queue_dirty(key);
        }
        self.mark(key);
    }

    /// Where the newest entries begin.
    pub fn on_newest(&mut self, key: usize, answer: Result<Newest, ArchiveError>, now: Instant) {
        self.reads -= 1;
        let Some(log) = self.logs.get_mut(&key) else { return };
        let Some(Want::Newest(count)) = log.page_read.take() else { return };
        match answer {
            Ok(newest) => {
                log.failures = 0;
                let mut shared = log.channel.lock();
                shared.newest.insert(count, newest);
                shared.wants.clear();
                drop(shared);
                self.mark(key);
            }
            Err(error) => self.on_failure(key, &error, now),
        }
    }
}

/// Whether a stream that did not exist came back with ids that are not above the old ones: then ids no longer order the
/// segment.
fn restarts_below(newest: EntryId, from: Position, snapshot: &Snapshot) -> bool {
    matches!(from, Position::Empty { .. }) && snapshot.entries.first().is_some_and(|entry| id_of(entry) <= newest)
}
