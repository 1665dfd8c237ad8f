//! One followed channel: it decides what its answers, pushes and losses mean, and returns what is to be done. It does no I/O,
//! charges no budget, and stands in no queue.
//!
//! Reads, and what moves each of them on. Every wait ends with an event of the right-hand column:
//!
//! | read | from | to | when | what ends the wait |
//! |---|---|---|---|---|
//! | tip | – | in flight | `begin_tip`, from the schedule | its answer, or its failure after the archive's deadline |
//! | | in flight | – | `on_tip`; one that began before a loss asks for another | |
//! | head | `Idle` | `Wanted` | a doorbell, a comparison that differs, a page that found the tail behind | the schedule's turn |
//! | | `Wanted` | `InFlight` | `begin_head`; not before the log is open, and not while it backs off | the answer; priming and `on_retry` queue it again |
//! | | `InFlight` | `Idle` or `Wanted` | `on_head`; wanted again if something rang meanwhile, more is there or it failed | |
//! | page | `Idle` | `InFlight` | `begin_page`, for the oldest want of the payer whose turn it is; not while it backs off | the answer; `on_retry` queues it again |
//! | | `InFlight` | `Idle` | `on_page`, `on_newest`; read again if another history was read | |
//! | all | | backing off | any failure | the retry timer, at most 5 s; an acknowledged subscription |
//!
//! A reader ahead of a stale head (`waiting_for_head`) waits for the read of the head, which is wanted or in flight as long as
//! there is such a reader.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanfare_protocol::{Decoded, Entry, EntryId, Frame, GapReason, Position};
use tokio::time::Instant;

use super::continuity::Continuity;
use super::effect::{Broken, Effect, Effects, Extension, PageAnswer, Pushed};
use super::reads::{BackOff, HeadRead, PageRead, TipReads};
use crate::archive::{ArchiveError, Newest, Snapshot, Tip};
use crate::channel::{Channel, Shared};
use crate::feed::FeedId;
use crate::pages;
use crate::payer::Payer;
use crate::proof::{self, Verdict, id_of};
use crate::refusal::Refusal;
use crate::tail::{Seam, Tail};
use crate::wants::Want;

/// So many reads of a channel fail in a row before operators are told, once.
const FAILURES_TOLD: u32 = 3;

/// How far the feed has come with the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Following {
    /// In the desired set.
    Desired,
    /// Acknowledged on the current connection of the feed.
    Acknowledged,
}

/// What the registry knows about a channel beside its shared state.
#[derive(Debug)]
pub(super) struct ChannelLog {
    pub(super) channel: Arc<Channel>,
    /// Where its messages come from.
    pub(super) feed: FeedId,
    following: Following,
    continuity: Continuity,
    tip_reads: TipReads,
    head_read: HeadRead,
    page_read: PageRead,
    back_off: BackOff,
    /// Positions after which the archive had nothing although the tail ends elsewhere: their readers wait for the next read
    /// of the head.
    waiting_for_head: BTreeSet<Position>,
    /// Keyspace notifications whose push has not arrived.
    missing_pushes: u32,
    /// Readers have been told that the key holds another type now.
    wrong_type_told: bool,
    /// Since when the channel has no reader.
    idle_since: Option<Instant>,
}

impl ChannelLog {
    pub(super) fn new(channel: Arc<Channel>, feed: FeedId) -> Self {
        Self {
            channel,
            feed,
            following: Following::Desired,
            continuity: Continuity::default(),
            tip_reads: TipReads::default(),
            head_read: HeadRead::default(),
            page_read: PageRead::default(),
            back_off: BackOff::default(),
            waiting_for_head: BTreeSet::new(),
            missing_pushes: 0,
            wrong_type_told: false,
            idle_since: None,
        }
    }

    /// Whether the stream is known not to exist.
    pub(super) fn is_absent(&self) -> bool {
        self.head().is_some_and(|head| head.is_absent())
    }

    /// Whether the archive failed lately, so that no read begins.
    pub(super) fn is_backing_off(&self) -> bool {
        self.back_off.is_active()
    }

    /// Whether a reader wants a page and does not wait for the head.
    pub(super) fn wants_page(&self) -> bool {
        self.channel.lock().wants.iter().any(|want| self.is_due(want))
    }

    /// Bytes in its tail and its pages.
    #[cfg(feature = "testing")]
    pub(super) fn held_bytes(&self) -> usize {
        let shared = self.channel.lock();
        shared.tail.as_ref().map_or(0, Tail::held_bytes) + shared.pages.bytes()
    }

    fn head(&self) -> Option<Position> {
        self.channel.lock().tail.as_ref().map(Tail::head)
    }

    // Readers that come and go.

    /// The channel has readers. Returns since when it had none.
    pub(super) fn on_watched(&mut self) -> Option<Instant> {
        self.idle_since.take()
    }

    /// The channel has no reader. Returns whether it had one until now.
    pub(super) fn on_unwatched(&mut self, now: Instant) -> bool {
        let is_news = self.idle_since.is_none();
        self.idle_since.get_or_insert(now);
        is_news
    }

    /// Since when the channel has no reader; `None` if it has one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.idle_since
    }

    /// Whether it cannot be followed: its readers are refused.
    pub(super) fn is_refused(&self) -> bool {
        self.channel.lock().refusal.is_some()
    }

    /// Whether the current connection of the feed brings its messages.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.following == Following::Acknowledged
    }

    /// Whether its readers have a place in it: it was primed.
    pub(super) fn is_open(&self) -> bool {
        self.head().is_some()
    }

    // What the feed says.

    /// The subscription was acknowledged: whatever is published from now on arrives. What the stream holds now is the log's
    /// beginning, or, after a reconnect, is compared with its head. The link is there, so that there is nothing to wait for.
    pub(super) fn on_acknowledged(&mut self) -> Effects {
        self.following = Following::Acknowledged;
        self.on_loss();
        if self.back_off.cut_short() { self.read_everything() } else { vec![Effect::ReadTip] }
    }

    /// The feed is away: nothing arrives.
    pub(super) fn on_disconnected(&mut self) {
        if self.following == Following::Acknowledged {
            self.following = Following::Desired;
        }
        self.on_loss();
    }

    /// Some messages may not have arrived: what was asked for before now proves nothing about that.
    pub(super) fn on_loss(&mut self) {
        self.saw_unknown_event();
        self.tip_reads.doubt();
        // Where the newest entries begin may change with the store, too: what had been trimmed may be back.
        self.channel.lock().newest.clear();
        self.page_read.doubt_newest();
    }

    /// Something was published that is not in the tail: should the stream be gone when the archive is read, it was there.
    fn saw_unknown_event(&mut self) {
        self.continuity.doubt();
        self.tip_reads.saw_unknown_event();
    }

    /// The append rule: only what provably follows the head goes in; only what is certainly here is dropped.
    pub(super) fn on_entry(&mut self, entry: &Entry) -> Pushed {
        let shared = self.channel.lock();
        let Some(tail) = &shared.tail else { return Pushed::Unknown };
        if tail.head() == Position::At(entry.id) || tail.contains(entry.id) {
            return Pushed::Known;
        }
        if !self.continuity.follows(tail, entry.id, entry.prev) {
            return Pushed::Unknown;
        }
        drop(shared);
        self.missing_pushes = self.missing_pushes.saturating_sub(1);
        Pushed::Follows
    }

    /// Something was published that is not here: a read of the head is wanted.
    pub(super) fn on_doorbell(&mut self) {
        self.saw_unknown_event();
        self.head_read.want();
    }

    /// The stream grew; the push of the entry should follow. Returns whether it is the first one that is missing.
    pub(super) fn on_keyspace_add(&mut self) -> bool {
        self.missing_pushes += 1;
        if self.is_absent() {
            self.saw_unknown_event();
        }
        self.missing_pushes == 1
    }

    /// Whether a push is still missing.
    pub(super) fn takes_missing_pushes(&mut self) -> bool {
        std::mem::take(&mut self.missing_pushes) > 0
    }

    // Reads that begin.

    /// A read of the tip begins.
    pub(super) fn begin_tip(&mut self) {
        self.tip_reads.asked();
    }

    /// Begins a read of the head, if one is wanted and possible. A log that is not open yet goes on wanting it.
    pub(super) fn begin_head(&mut self) -> Option<Position> {
        let from = self.head()?;
        if self.head_read != HeadRead::Wanted || self.is_backing_off() {
            return None;
        }
        self.missing_pushes = 0;
        self.head_read = HeadRead::InFlight { from, again: false };
        Some(from)
    }

    /// Begins a read for the oldest want of a payer; for none that waits for the head.
    pub(super) fn begin_page(&mut self, payer: Payer) -> Option<Want> {
        if self.is_reading_page() || self.is_backing_off() {
            return None;
        }
        let mut shared = self.channel.lock();
        let Shared { wants, pages, newest, .. } = &mut *shared;
        let is_answered = |want: &Want| match want {
            Want::Page(position) => pages.serve(*position).is_some(),
            Want::Newest(count) => newest.contains_key(count),
        };
        let want = wants.next(payer, |want| self.is_due(want), is_answered);
        drop(shared);
        self.page_read = PageRead::InFlight { want: want?, stale: false };
        want
    }

    /// Whether a read for readers who are behind is in flight.
    pub(super) fn is_reading_page(&self) -> bool {
        self.page_read != PageRead::Idle
    }

    /// Whether a payer wants a page and does not wait for the head.
    pub(super) fn has_want_of(&self, payer: Payer) -> bool {
        self.channel.lock().wants.has(payer, |want| self.is_due(want))
    }

    /// Who has asked for a page since the last call and does not wait for the head.
    pub(super) fn take_askers(&self) -> BTreeSet<Payer> {
        let wants = &mut self.channel.lock().wants;
        let mut askers = wants.take_askers();
        askers.retain(|payer| wants.has(*payer, |want| self.is_due(want)));
        askers
    }

    /// Who wants a page.
    pub(super) fn wanting(&self) -> Vec<Payer> {
        self.channel.lock().wants.payers().collect()
    }

    fn is_due(&self, want: &Want) -> bool {
        !matches!(want, Want::Page(position) if self.waiting_for_head.contains(position))
    }

    fn read_head(&mut self) -> Effect {
        self.head_read.want();
        Effect::ReadHead
    }

    // What the archive answers about the tip.

    /// Where the stream ends: opens the log, or compares it.
    /// `proofs`: see [`Continuity::believes_expiry`].
    pub(super) fn on_tip(&mut self, answer: Result<Tip, ArchiveError>, proofs: Option<u64>) -> Effects {
        let fresh = self.tip_reads.answered();
        match (answer, self.head()) {
            (Err(error), _) => self.on_failure(&error),
            (Ok(_), _) if !fresh => {
                if self.tip_reads.is_idle() {
                    vec![Effect::ReadTip]
                } else {
                    Effects::new()
                }
            }
            // The tip of a stream that is not followed yet proves nothing about what is published next.
            (Ok(_), None) if self.following != Following::Acknowledged => Effects::new(),
            (Ok(tip), None) => self.open(tip),
            (Ok(tip), Some(head)) => self.compare(head, tip, proofs),
        }
    }

    fn open(&mut self, tip: Tip) -> Effects {
        self.channel.lock().tail = Some(Tail::new(tip.position));
        self.note_proven_afresh(tip);
        let mut effects = vec![Effect::Accept, Effect::Notify];
        effects.extend(tip.position.is_absent().then_some(Effect::RenewAbsence));
        effects.extend(self.head_read.is_wanted().then_some(Effect::ReadHead));
        effects
    }

    fn compare(&mut self, head: Position, tip: Tip, proofs: Option<u64>) -> Effects {
        if let (Position::At(id), Position::Absent { .. }, Some(count)) = (head, tip.position, proofs)
            && self.continuity.has_expired(id, tip)
            && !self.continuity.believes_expiry(proofs)
        {
            let mut effects = vec![Effect::Compared { differ: false }];
            effects.extend(self.continuity.note_expiry(count).map(Effect::AwaitProofs));
            return effects;
        }
        if !self.continuity.agrees(head, tip) {
            // While the feed is away, two absences on a store that evicts are not compared: the comparison after the reconnect tells
            // the gap once.
            let is_moot =
                tip.evicts && self.following != Following::Acknowledged && head.is_absent() && tip.position.is_absent();
            return match is_moot {
                true => vec![Effect::Compared { differ: false }],
                false => vec![Effect::Compared { differ: true }, self.read_head()],
            };
        }
        self.note_proven_afresh(tip);
        let mut effects = vec![Effect::Compared { differ: false }];
        effects.extend((head != tip.position).then_some(Effect::MoveHead(tip.position)));
        effects.extend(tip.position.is_absent().then_some(Effect::RenewAbsence));
        effects
    }

    /// Notes that the head was the stream's end at `tip`.
    fn note_proven(&mut self, tip: Tip) {
        self.continuity.note_proven(tip);
        self.back_off.succeeded();
        self.wrong_type_told = false;
    }

    /// Notes the same, for a tip that was requested after the feed last lost something.
    fn note_proven_afresh(&mut self, tip: Tip) {
        self.note_proven(tip);
        let no_message_missed = self.following == Following::Acknowledged && self.tip_reads.is_quiet();
        self.continuity.note_proven_afresh(tip, no_message_missed);
    }

    // What the archive answers about the head: proven before anything is appended.

    /// A page from the head.
    /// `proofs`: see [`Continuity::believes_expiry`].
    pub(super) fn on_head(&mut self, answer: Result<Snapshot, ArchiveError>, proofs: Option<u64>) -> Effects {
        let Some(from) = self.head_read.answered() else { return Effects::new() };
        let mut effects = match answer {
            Ok(snapshot) => self.on_snapshot(from, &snapshot, proofs),
            Err(error) => {
                self.head_read.want();
                self.on_failure(&error)
            }
        };
        effects.extend(self.release_waiting_for_head());
        effects.extend(self.head_read.is_wanted().then_some(Effect::ReadHead));
        effects
    }

    fn on_snapshot(&mut self, from: Position, snapshot: &Snapshot, proofs: Option<u64>) -> Effects {
        let Some(head) = self.head() else { return Effects::new() };
        let verdict = self.continuity.verdict(from, snapshot);
        if head != from {
            return self.on_older_snapshot(head, verdict, snapshot);
        }
        match (verdict, from, snapshot.tip.position) {
            // Ids still order the segment: an absence is older than what is proven to follow it, and begins only when the
            // entries before it are older still.
            (Verdict::Continues, _, _) => self.extend(from, &snapshot.entries, snapshot),
            (Verdict::Gap(_), Position::At(id), Position::Absent { .. })
                if self.continuity.has_expired(id, snapshot.tip) && self.continuity.believes_expiry(proofs) =>
            {
                self.finish(head, snapshot)
            }
            (Verdict::Gap(reason), _, _) => self.seal(reason, from, snapshot),
        }
    }

    /// Pushes moved the head while the read was under way: only what follows the present head may go in.
    fn on_older_snapshot(&mut self, head: Position, verdict: Verdict, snapshot: &Snapshot) -> Effects {
        let Position::At(id) = head else { return vec![self.read_head()] };
        let found = snapshot.entries.iter().position(|entry| id_of(entry) == id);
        match (verdict, found) {
            (Verdict::Continues, Some(index)) => self.extend(head, &snapshot.entries[index + 1..], snapshot),
            // The page ends before the head: it is older than the pushes and has nothing to add.
            (Verdict::Continues, None) if matches!(snapshot.tip.position, Position::At(tip) if tip < id) => {
                Effects::new()
            }
            _ => vec![self.read_head()],
        }
    }

    fn extend(&mut self, from: Position, entries: &[Decoded], snapshot: &Snapshot) -> Effects {
        let extension = Extension { seam: None, entries: self.encoded_after(from, entries) };
        self.append(extension, from, snapshot)
    }

    /// History is not contiguous: appends a seam, by which readers are told, and begins a new segment.
    fn seal(&mut self, reason: GapReason, from: Position, snapshot: &Snapshot) -> Effects {
        let mut effects = vec![Effect::Warn(Broken { reason, after: from, is_wrong_type: false })];
        // A trim leaves what was read before true; anything else means that another history was read.
        if reason != GapReason::Trimmed {
            effects.push(self.forget_pages());
        }
        let (resume, is_exact) = proof::resume_exactly(snapshot, from);
        let seam = Some((Seam { reason, after: from, resume }, is_exact));
        let extension = Extension { seam, entries: self.encoded_after(from, &snapshot.entries) };
        effects.extend(self.append(extension, from, snapshot));
        effects
    }

    fn append(&mut self, extension: Extension, head: Position, snapshot: &Snapshot) -> Effects {
        let head = extension.end().unwrap_or(head);
        let mut effects = vec![Effect::Append(extension)];
        effects.extend(self.finish(head, snapshot));
        effects
    }

    fn encoded_after(&self, from: Position, entries: &[Decoded]) -> Vec<(EntryId, Frame)> {
        let fresh = entries.iter().filter(|entry| !matches!(from, Position::At(from) if id_of(entry) <= from));
        fresh.map(|entry| (id_of(entry), pages::encode(&self.channel.name, entry))).collect()
    }

    /// After a page was merged and the log ends at `head`: reads on if there is more, otherwise notes that this is the stream's
    /// end.
    fn finish(&mut self, head: Position, snapshot: &Snapshot) -> Effects {
        if !snapshot.complete {
            return vec![self.read_head()];
        }
        self.note_proven(snapshot.tip);
        let end = snapshot.tip.position;
        let is_behind = match (head, end) {
            // The last entries were retracted: the next one will name this id as its predecessor.
            (Position::At(head), Position::At(end)) => end > head,
            (head, end) => head != end,
        };
        let renewed = end.is_absent().then_some(Effect::RenewAbsence);
        let moved = is_behind.then_some(Effect::MoveHead(end));
        moved.into_iter().chain(renewed).collect()
    }

    /// Forgets what was read of a history that is not the stream's any more.
    fn forget_pages(&mut self) -> Effect {
        self.page_read.doubt();
        Effect::ForgetPages
    }

    /// A read of the head has ended, with or without success: the readers that waited for it may ask again; after a failure, when
    /// the back-off is over.
    fn release_waiting_for_head(&mut self) -> Option<Effect> {
        let waiting = std::mem::take(&mut self.waiting_for_head);
        if self.is_backing_off() || waiting.is_empty() {
            return None;
        }
        Some(Effect::ReleaseWants(waiting))
    }

    /// Forgets the wants of readers at these positions.
    pub(super) fn release_wants(&self, positions: &BTreeSet<Position>) {
        let mut shared = self.channel.lock();
        positions.iter().for_each(|position| shared.wants.remove(&Want::Page(*position)));
    }

    // What the archive answers to readers who are behind.

    /// A page for readers that are behind.
    pub(super) fn on_page(&mut self, answer: Result<Snapshot, ArchiveError>) -> PageAnswer {
        let PageRead::InFlight { want: Want::Page(after), stale } = std::mem::take(&mut self.page_read) else {
            return PageAnswer::Nothing(Effects::new());
        };
        match answer {
            Err(error) => PageAnswer::Nothing(self.on_failure(&error)),
            Ok(_) if stale => {
                self.back_off.succeeded();
                PageAnswer::Nothing(vec![Effect::ReadPage])
            }
            Ok(snapshot) => {
                self.back_off.succeeded();
                PageAnswer::Page(after, Box::new(snapshot))
            }
        }
    }

    /// A page found that the tail has to catch up before it can place a reader at this position: the archive would answer the
    /// same until then.
    pub(super) fn wait_for_head(&mut self, position: Position) -> Effect {
        self.waiting_for_head.insert(position);
        self.read_head()
    }

    /// Where the newest entries begin.
    pub(super) fn on_newest(&mut self, answer: Result<Newest, ArchiveError>) -> Effects {
        let PageRead::InFlight { want: Want::Newest(count), stale } = std::mem::take(&mut self.page_read) else {
            return Effects::new();
        };
        let newest = match answer {
            Err(error) => return self.on_failure(&error),
            Ok(newest) => newest,
        };
        self.back_off.succeeded();
        if stale {
            return vec![Effect::ReadPage];
        }
        let mut shared = self.channel.lock();
        shared.newest.insert(count, newest);
        shared.wants.answered(&Want::Newest(count));
        vec![Effect::Notify]
    }

    // When the archive fails.

    /// The archive failed for the channel: backs off, longer each time, then compares and reads again. Readers keep their place.
    fn on_failure(&mut self, error: &ArchiveError) -> Effects {
        tracing::debug!(channel = %self.channel.name, %error, "a read of the archive failed");
        let mut effects = Effects::new();
        let refusal = match error {
            ArchiveError::WrongType => Some(Refusal::WrongType),
            ArchiveError::Denied(_) => Some(Refusal::Denied(Arc::from(error.to_string()))),
            _ => None,
        };
        let is_refused = refusal.is_some();
        effects.extend(refusal.filter(|_| self.head().is_none()).map(Effect::Refuse));
        if matches!(error, ArchiveError::WrongType) {
            effects.extend(self.on_wrong_type());
        }
        effects.push(Effect::Failed { back_off: self.back_off.begin() });
        if self.back_off.failures() == FAILURES_TOLD && !is_refused {
            effects.push(Effect::TellFailure(error.to_string()));
        }
        effects
    }

    /// The key of an open log holds another type: the stream that its readers follow is gone. They are told once and stay
    /// where they were. As soon as the key is a stream again it is compared with that place, which tells them how it goes on.
    fn on_wrong_type(&mut self) -> Effects {
        let Some(after @ Position::At(_)) = self.head() else { return Effects::new() };
        if std::mem::replace(&mut self.wrong_type_told, true) {
            return Effects::new();
        }
        let reason = GapReason::Reset;
        let seam = Seam { reason, after, resume: after };
        vec![
            Effect::Warn(Broken { reason, after, is_wrong_type: true }),
            self.forget_pages(),
            Effect::Append(Extension { seam: Some((seam, true)), entries: Vec::new() }),
        ]
    }

    /// A timer of the back-off has fired: the archive may be asked again.
    pub(super) fn on_retry(&mut self) -> Effects {
        if self.back_off.timer_fired() { self.read_everything() } else { Effects::new() }
    }

    /// Nothing stands in a queue after a back-off.
    fn read_everything(&self) -> Effects {
        let mut effects = vec![Effect::ReadTip];
        effects.extend(self.head_read.is_wanted().then_some(Effect::ReadHead));
        effects.extend(self.wants_page().then_some(Effect::ReadPage));
        effects
    }
}
