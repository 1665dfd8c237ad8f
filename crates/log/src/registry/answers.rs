//! What the archive answers about heads: proven before anything is appended.

use std::sync::Arc;

use fanfare_protocol::{Decoded, GapReason, Position};
use tokio::time::Instant;

use super::Registry;
use crate::archive::{ArchiveError, Snapshot, Tip};
use crate::pages::encode;
use crate::proof::{Verdict, id_of, resume_exactly};
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
                    self.on_tip(key, tip, now);
                }
            }
            Err(error) => keys.iter().for_each(|&key| self.on_tip(key, Err(error.clone()), now)),
        }
    }

    fn on_tip(&mut self, key: usize, answer: Result<Tip, ArchiveError>, now: Instant) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let fresh = log.tip_answered();
        let tip = match answer {
            Ok(tip) => tip,
            Err(error) => return self.on_failure(key, &error, now),
        };
        if !fresh {
            if log.tips_in_flight == 0 {
                self.queue_tip(key);
            }
            return;
        }
        let mut shared = log.channel.lock();
        let Some(tail) = &mut shared.tail else {
            // The tip of a stream that is not followed yet proves nothing about what is published next.
            if log.subscribed {
                shared.tail = Some(Tail::new(tip.position));
                drop(shared);
                log.prove_afresh(tip);
                self.note_absence(key, tip);
                if self.logs.get(&key).is_some_and(|log| log.dirty) {
                    self.queue_dirty(key);
                }
                self.accept(key);
                self.mark(key);
            }
            return;
        };
        self.stats.reconciles.add(1);
        let head = tail.head();
        let agrees = match (head, tip.position) {
            (Position::At(ours), Position::At(theirs)) => ours == theirs,
            (Position::At(ours), Position::Absent { .. }) => log.has_expired(ours, tip),
            (Position::Absent { .. }, Position::Absent { .. }) => log.is_still_absent(head, tip),
            (Position::Absent { .. }, Position::At(_)) => false,
        };
        if !agrees {
            drop(shared);
            // Whether there was a stream while the feed is away is told once, when it is back.
            let is_moot = tip.evicts && !log.subscribed && is_absent(head) && is_absent(tip.position);
            if !is_moot {
                self.stats.reconcile_misses.add(1);
                self.queue_dirty(key);
            }
            return;
        }
        if head != tip.position {
            tail.move_head(tip.position);
            shared.newest.clear();
        }
        drop(shared);
        log.prove_afresh(tip);
        self.note_absence(key, tip);
        if head != tip.position {
            self.mark(key);
        }
    }

    fn note_absence(&mut self, key: usize, tip: Tip) {
        if matches!(tip.position, Position::Absent { .. }) {
            self.absent.push(key);
        }
    }

    /// A page from the head.
    pub fn on_head(&mut self, key: usize, answer: Result<Snapshot, ArchiveError>, now: Instant) {
        self.reads -= 1;
        self.head_reads -= 1;
        let Some(log) = self.logs.get_mut(&key) else { return };
        let Some(from) = log.head_read.take() else { return };
        match answer {
            Ok(snapshot) => self.merge(key, from, &snapshot),
            Err(error) => {
                log.dirty = true;
                self.on_failure(key, &error, now);
            }
        }
        self.release_ahead(key);
        if self.logs.get(&key).is_some_and(|log| log.dirty) {
            self.queue_dirty(key);
        }
    }

    fn merge(&mut self, key: usize, from: Position, snapshot: &Snapshot) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let shared = log.channel.lock();
        let Some(tail) = &shared.tail else { return };
        let head = tail.head();
        drop(shared);
        let verdict = log.verdict(from, snapshot);
        if head != from {
            self.merge_moved(key, head, verdict, snapshot);
            return;
        }
        match (verdict, from, snapshot.tip.position) {
            // Ids still order the segment: an absence is older than what is proven to follow it, and begins only when the
            // entries before it are older still.
            (Verdict::Continues, _, _) => {
                self.extend(key, from, None, &snapshot.entries);
                self.finish(key, snapshot);
            }
            (Verdict::Gap(_), Position::At(id), Position::Absent { .. }) if log.has_expired(id, snapshot.tip) => {
                self.finish(key, snapshot);
            }
            (Verdict::Gap(reason), _, _) => self.seal(key, reason, from, snapshot),
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
                self.extend(key, Position::At(head), None, &snapshot.entries[index + 1..]);
                self.finish(key, snapshot);
            }
            // The page ends before the head: it is older than the pushes and has nothing to add.
            (Verdict::Continues, None) if matches!(snapshot.tip.position, Position::At(tip) if tip < head) => {}
            _ => self.queue_dirty(key),
        }
    }

    fn extend(&mut self, key: usize, from: Position, seam: Option<(Seam, bool)>, entries: &[Decoded]) {
        let Some(log) = self.logs.get(&key) else { return };
        let channel = Arc::clone(&log.channel);
        let fresh = entries.iter().filter(|entry| !matches!(from, Position::At(from) if id_of(entry) <= from));
        let fresh: Vec<_> = fresh.map(|entry| (id_of(entry), encode(&channel.name, entry))).collect();
        self.stats.repaired.add(fresh.len() as u64);
        self.append(key, seam, fresh);
    }

    /// After a page was merged: reads on if there is more, otherwise notes that the head is the stream's end.
    fn finish(&mut self, key: usize, snapshot: &Snapshot) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        if !snapshot.complete {
            self.queue_dirty(key);
            return;
        }
        log.prove(snapshot.tip);
        self.note_absence(key, snapshot.tip);
        let Some(log) = self.logs.get_mut(&key) else { return };
        let mut shared = log.channel.lock();
        let Some(tail) = &mut shared.tail else { return };
        let behind = match (tail.head(), snapshot.tip.position) {
            // The last entries were retracted: the next one will name this id as its predecessor.
            (Position::At(head), Position::At(tip)) => tip > head,
            (head, tip) => head != tip,
        };
        if behind {
            tail.move_head(snapshot.tip.position);
            shared.newest.clear();
            drop(shared);
            self.mark(key);
        }
    }

    /// History is not contiguous: tells the readers and begins a new segment.
    fn seal(&mut self, key: usize, reason: GapReason, from: Position, snapshot: &Snapshot) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        if self.broken.admit() {
            tracing::warn!(channel = %log.channel.name, reason = reason.as_str(), after = %from, "history is not contiguous");
        }
        // A trim leaves what was read before true; anything else means that another history was read.
        if reason != GapReason::Trimmed {
            self.drop_pages(key);
        }
        self.stats.seams.of(reason).add(1);
        let (resume, is_exact) = resume_exactly(snapshot, from);
        self.extend(key, from, Some((Seam { reason, after: from, resume }, is_exact)), &snapshot.entries);
        self.finish(key, snapshot);
    }
}

impl Registry {
    /// The key of an open log holds another type: the stream that its readers follow is gone. They are told once and stay
    /// where they were. As soon as the key is a stream again it is compared with that place, which tells them how it goes on.
    pub(super) fn on_wrong_type(&mut self, key: usize) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        let head = log.channel.lock().tail.as_ref().map(Tail::head);
        let Some(after @ Position::At(_)) = head else { return };
        if std::mem::replace(&mut log.usurped, true) {
            return;
        }
        tracing::warn!(channel = %log.channel.name, %after, "the channel's key holds another type than a stream");
        self.drop_pages(key);
        self.stats.seams.of(GapReason::Reset).add(1);
        self.append(key, Some((Seam { reason: GapReason::Reset, after, resume: after }, true)), []);
    }

    /// Forgets what was read of a history that is not the stream's any more.
    fn drop_pages(&mut self, key: usize) {
        let Some(log) = self.logs.get_mut(&key) else { return };
        log.page_is_stale = log.page_read.is_some();
        let released = log.channel.lock().pages.clear();
        released.into_iter().for_each(|bytes| self.budget.release(bytes));
    }
}

fn is_absent(position: Position) -> bool {
    matches!(position, Position::Absent { .. })
}
