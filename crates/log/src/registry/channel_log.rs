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
//! | each | | backing off | a failure of its kind | the retry timer, at most 5 s; an acknowledged subscription |
//!
//! A reader ahead of a stale head (`waiting_for_head`) waits for the read of the head, which is wanted or in flight as long as
//! there is such a reader. Exception: the head was read and its stream seems to have expired. Then the next comparison lets
//! such readers go on, which comes when the feed has proven itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use fanfare_protocol::{Entry, EntryId, GapReason, Position};
use tokio::time::Instant;

use super::announced::Announced;
use super::continuity::{Continuity, FeedLag};
use super::effect::{Broken, Effect, Effects, Extension, PageAnswer, Pushed};
use super::failures::Failures;
use super::head_page::HeadPage;
use super::own_log::OwnLog;
use super::paging::Paging;
use super::reads::{HeadRead, ReadKind, TipReads};
use super::successes::Evidence;
use crate::archive::{ArchiveError, Newest, Snapshot, Tip};
use crate::channel::Channel;
use crate::feed::FeedId;
use crate::payer::Payer;
use crate::proof::Verdict;
use crate::refusal::Refusal;
use crate::tail::{Located, Seam, Tail};
use crate::wants::Want;

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
    announced: Announced,
    tip_reads: TipReads,
    head_read: HeadRead,
    paging: Paging,
    failures: Failures,
    /// Keyspace notifications whose push has not arrived.
    missing_pushes: u32,
    /// Readers have been told that the key holds another type now.
    wrong_type_told: bool,
    /// What of its stream it holds, if it is one of the gateway's own.
    own: Option<Box<OwnLog>>,
    /// Since when the channel has no reader.
    idle_since: Option<Instant>,
}

impl ChannelLog {
    pub(super) fn new(channel: Arc<Channel>, feed: FeedId) -> Self {
        let own = OwnLog::of(&channel.name);
        Self {
            channel,
            feed,
            following: Following::Desired,
            continuity: Continuity::default(),
            announced: Announced::default(),
            tip_reads: TipReads::default(),
            head_read: HeadRead::default(),
            paging: Paging::default(),
            failures: Failures::default(),
            missing_pushes: 0,
            wrong_type_told: false,
            own,
            idle_since: None,
        }
    }

    /// Whether the stream is known not to exist.
    pub(super) fn is_absent(&self) -> bool {
        self.head().is_some_and(|head| head.is_absent())
    }

    /// Whether a read of that kind failed lately, so that none begins.
    pub(super) fn is_backing_off(&self, kind: ReadKind) -> bool {
        self.failures.are_backing_off(kind)
    }

    /// Whether a read of some kind failed and none of that kind has succeeded since.
    pub(super) fn is_failing(&self) -> bool {
        self.failures.are_any()
    }

    /// Whether a reader wants a page and does not wait for the head.
    pub(super) fn wants_page(&self) -> bool {
        self.paging.is_wanted(&self.channel)
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
    pub(super) fn on_readers_came(&mut self) -> Option<Instant> {
        self.idle_since.take()
    }

    /// The channel has no reader. Returns whether it had one until now.
    pub(super) fn on_readers_gone(&mut self, now: Instant) -> bool {
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

    /// Whether the store refused to tell its tip when it was last asked.
    pub(super) fn is_tip_refused(&self) -> bool {
        self.tip_reads.is_refused()
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
        self.on_other_link();
        self.on_loss();
        let mut effects = vec![Effect::ReadTip];
        for kind in [ReadKind::Tip, ReadKind::Head, ReadKind::Page] {
            if self.failures.cut_short(kind) {
                effects.extend(self.read_again(kind));
            }
        }
        effects
    }

    /// The feed is away: nothing arrives.
    pub(super) fn on_disconnected(&mut self) {
        if self.following == Following::Acknowledged {
            self.following = Following::Desired;
        }
        self.on_other_link();
        // The archive may be away as well.
        self.failures.doubt();
        self.on_loss();
    }

    fn on_other_link(&mut self) {
        if let Some(own) = &mut self.own {
            own.on_other_link();
        }
    }

    /// Some messages may not have arrived: what was asked for before now proves nothing about that.
    pub(super) fn on_loss(&mut self) {
        self.saw_unknown_event();
        self.announced.forget();
        self.tip_reads.doubt();
        // Where the newest entries begin may change with the store, too: what had been trimmed may be back.
        self.channel.lock().newest.clear();
        self.paging.doubt_newest();
    }

    /// Something was published that is not in the tail: should the stream be gone when the archive is read, it was there.
    fn saw_unknown_event(&mut self) {
        self.continuity.doubt();
        self.tip_reads.saw_unknown_event();
        self.head_read.doubt();
    }

    /// The append rule: only what provably follows the head goes in; only what is certainly here is dropped.
    pub(super) fn on_entry(&mut self, entry: &Entry) -> Pushed {
        if self.has(entry.id) {
            return Pushed::Known;
        }
        let shared = self.channel.lock();
        let Some(tail) = &shared.tail else { return Pushed::Unknown };
        if !self.continuity.follows(tail, entry.id, entry.prev) {
            return Pushed::Unknown;
        }
        drop(shared);
        self.missing_pushes = self.missing_pushes.saturating_sub(1);
        Pushed::Follows
    }

    /// Whether that very entry is here.
    fn has(&self, id: EntryId) -> bool {
        let shared = self.channel.lock();
        shared.tail.as_ref().is_some_and(|tail| tail.head() == Position::At(id) || tail.contains(id))
    }

    /// A message that is not believed names an entry: it is read, and then it shows whether the stream has it.
    pub(super) fn on_announced(&mut self, id: EntryId, prev: Option<EntryId>) -> Pushed {
        if self.has(id) {
            return Pushed::Known;
        }
        self.announced.add(id, prev);
        Pushed::Unknown
    }

    /// Something was published that is not here: a read of the head is wanted. `id`: the entry, if the message names one.
    pub(super) fn on_doorbell(&mut self, id: Option<EntryId>, now: Instant) -> Option<Effect> {
        self.continuity.hear(id);
        self.saw_unknown_event();
        self.head_read.want();
        let own = self.own.as_mut()?;
        own.on_doorbell(now);
        Some(own.cover())
    }

    /// What readers are told of it, if it is a log of the gateway's own.
    pub(super) fn cover(&self) -> Effects {
        self.own.iter().map(|own| own.cover()).collect()
    }

    /// The stream grew; the push of the entry should follow. Returns whether it is the first one that is missing.
    pub(super) fn on_keyspace_add(&mut self) -> bool {
        self.missing_pushes += 1;
        if self.is_absent() {
            self.continuity.hear(None);
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
        let end = self.channel.lock().tail.as_ref().map_or(0, Tail::end);
        self.tip_reads.asked(end);
    }

    /// Whether a read of the head, which needs no page, tells that the archive can be read.
    pub(super) fn can_be_compared(&self) -> bool {
        matches!(self.head(), Some(Position::At(_))) && !self.is_backing_off(ReadKind::Head)
    }

    /// A read of the head is wanted, although nothing is known to have been published.
    pub(super) fn want_head(&mut self) {
        self.head_read.want();
    }

    /// Begins a read of the head, if one is wanted and possible. A log that is not open yet goes on wanting it.
    pub(super) fn begin_head(&mut self) -> Option<Position> {
        let from = self.head()?;
        if self.head_read != HeadRead::Wanted || self.is_backing_off(ReadKind::Head) {
            return None;
        }
        self.missing_pushes = 0;
        self.announced.begin_read();
        let is_acknowledged = self.is_acknowledged();
        if let Some(own) = &mut self.own {
            own.begin_read(is_acknowledged);
        }
        self.continuity.begin_read();
        self.head_read = HeadRead::InFlight { from, again: false, is_quiet: self.is_acknowledged() };
        Some(from)
    }

    /// Begins a read for the oldest want of a payer; for none that waits for the head.
    pub(super) fn begin_page(&mut self, payer: Payer) -> Option<Want> {
        if self.is_reading_page() || self.is_backing_off(ReadKind::Page) {
            return None;
        }
        self.paging.begin(&self.channel, payer)
    }

    /// Whether a read for readers who are behind is in flight.
    pub(super) fn is_reading_page(&self) -> bool {
        self.paging.is_reading()
    }

    /// Whether a payer wants a page and does not wait for the head.
    pub(super) fn has_want_of(&self, payer: Payer) -> bool {
        self.paging.is_wanted_by(&self.channel, payer)
    }

    /// Who has asked for a page since the last call and does not wait for the head.
    pub(super) fn take_askers(&self) -> BTreeSet<Payer> {
        self.paging.take_askers(&self.channel)
    }

    /// Who wants a page.
    pub(super) fn wanting(&self) -> Vec<Payer> {
        self.channel.lock().wants.payers().collect()
    }

    fn read_head(&mut self) -> Effect {
        self.head_read.want();
        Effect::ReadHead
    }

    /// The same, unless one is wanted or under way.
    fn read_head_if_idle(&mut self) -> Option<Effect> {
        (self.head_read == HeadRead::Idle).then(|| self.read_head())
    }

    // What the archive answers about the tip.

    /// Where the stream ends: opens the log, or compares it.
    /// `lag`: see [`Continuity::doubts_expiry`].
    pub(super) fn on_tip(&mut self, answer: Result<Tip, ArchiveError>, lag: Option<FeedLag>) -> Effects {
        let fresh = self.tip_reads.answered();
        match &answer {
            Ok(_) => {
                self.failures.note_success(ReadKind::Tip);
                self.tip_reads.note_refused(false);
            }
            Err(ArchiveError::Denied(_) | ArchiveError::WrongType) => self.tip_reads.note_refused(true),
            // It says nothing of this channel.
            Err(_) => {}
        }
        match (answer, self.head()) {
            (Err(error), _) => self.on_failure(ReadKind::Tip, &error),
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
            (Ok(tip), Some(head)) => self.compare(head, tip, lag),
        }
    }

    fn open(&mut self, tip: Tip) -> Effects {
        self.channel.lock().tail = Some(Tail::new(tip.position));
        self.note_proven_afresh(tip);
        let mut effects = vec![Effect::Accept, Effect::Notify];
        effects.extend(self.confirm());
        effects.extend(tip.position.is_absent().then_some(Effect::RenewAbsence));
        effects.extend(self.head_read.is_wanted().then_some(Effect::ReadHead));
        effects
    }

    fn compare(&mut self, head: Position, tip: Tip, lag: Option<FeedLag>) -> Effects {
        if let Some(await_proof) = self.continuity.doubts_expiry(head, tip, lag) {
            let await_proof = await_proof.map(Effect::AwaitProof);
            return [Effect::Compared { differ: false }].into_iter().chain(await_proof).collect();
        }
        if head.is_absent() && self.continuity.is_absence_in_doubt(tip) {
            return [Effect::Compared { differ: false }].into_iter().chain(self.read_head_if_idle()).collect();
        }
        if !self.continuity.agrees(head, tip) {
            if self.is_older_than_pushes(tip.position) {
                let again = self.is_unconfirmed().then_some(Effect::ReadTip);
                return [Effect::Compared { differ: false }].into_iter().chain(again).collect();
            }
            // While the feed is away, two absences on a store that evicts are not compared: the comparison after the reconnect tells
            // the gap once.
            let is_moot =
                tip.evicts && self.following != Following::Acknowledged && head.is_absent() && tip.position.is_absent();
            if is_moot {
                return vec![Effect::Compared { differ: false }];
            }
            let early = self.continuity.early_end(head, tip);
            return early
                .map(Effect::EndedEarly)
                .into_iter()
                .chain([Effect::Compared { differ: true }, self.read_head()])
                .collect();
        }
        self.note_proven_afresh(tip);
        let mut effects = vec![Effect::Compared { differ: false }];
        effects.extend(self.confirm());
        effects.extend((head != tip.position).then_some(Effect::MoveHead(tip.position)));
        effects.extend(tip.position.is_absent().then_some(Effect::RenewAbsence));
        if self.head_read == HeadRead::Idle {
            effects.extend(self.release_waiting_for_head());
        }
        effects
    }

    /// The log ends where its stream does, by a read that began after the feed last lost something.
    fn confirm(&mut self) -> Option<Effect> {
        let is_acknowledged = self.is_acknowledged();
        let own = self.own.as_mut()?;
        if is_acknowledged {
            own.confirm();
        }
        Some(own.cover())
    }

    /// Whether somebody waits to hear that a log of the gateway's own holds all that its stream does.
    fn is_unconfirmed(&self) -> bool {
        self.is_acknowledged() && self.own.as_ref().is_some_and(|own| !own.is_confirmed())
    }

    /// Whether a tip is what the head was when its read began, or has been since: it was read before pushes that have overtaken its
    /// answer, and says nothing of what came after it. (A stream that was set back to that very entry looks the same. The next
    /// comparison, which begins behind the pushes, tells them apart.)
    fn is_older_than_pushes(&self, tip: Position) -> bool {
        let shared = self.channel.lock();
        let is_since = |tail: &Tail| match tail.locate(tip) {
            Located::Next(index) => index >= self.tip_reads.began_at() && index < tail.end(),
            Located::Unknown => false,
        };
        matches!(tip, Position::At(_)) && shared.tail.as_ref().is_some_and(is_since)
    }

    /// Notes that the head was the stream's end at `tip`.
    fn note_proven(&mut self, tip: Tip) {
        self.continuity.note_proven(tip);
        self.wrong_type_told = false;
    }

    /// Notes the same, for a tip that was requested after the feed last lost something.
    fn note_proven_afresh(&mut self, tip: Tip) {
        self.note_proven(tip);
        let no_message_missed = self.is_acknowledged() && self.tip_reads.is_quiet();
        self.continuity.note_proven_afresh(tip, no_message_missed);
    }

    // What the archive answers about the head: proven before anything is appended.

    /// A page from the head.
    /// `lag`: see [`Continuity::doubts_expiry`].
    /// `evidence`: what is known of other reads, should this one have failed.
    pub(super) fn on_head(
        &mut self,
        answer: Result<Snapshot, ArchiveError>,
        lag: Option<FeedLag>,
        evidence: Evidence,
    ) -> Effects {
        let Some((from, is_quiet)) = self.head_read.answered() else { return Effects::new() };
        let mut effects = match answer {
            Ok(snapshot) => {
                self.failures.note_success(ReadKind::Head);
                self.failures.note_done(ReadKind::Head, from);
                let page = HeadPage { snapshot: &snapshot, is_quiet, is_announced: self.announced.was_asked() };
                let unfounded = self.announced.compare(from, &snapshot);
                unfounded.into_iter().chain(self.on_head_page(from, page, lag)).collect()
            }
            Err(error) => {
                self.head_read.want();
                // A head that pushes have moved on is another place.
                let is_head = self.head() == Some(from);
                let resume = is_head.then(|| self.on_unreadable((ReadKind::Head, from), &error, evidence)).flatten();
                match resume {
                    Some(resume) => self.skip(from, resume),
                    None => self.on_failure(ReadKind::Head, &error),
                }
            }
        };
        // While an expiry is not believed yet the archive would answer them the same.
        if !self.is_backing_off(ReadKind::Head) && !self.continuity.awaits_proof() {
            effects.extend(self.release_waiting_for_head());
        }
        effects.extend(self.head_read.is_wanted().then_some(Effect::ReadHead));
        effects
    }

    fn on_head_page(&mut self, from: Position, page: HeadPage<'_>, lag: Option<FeedLag>) -> Effects {
        let Some(head) = self.head() else { return Effects::new() };
        let snapshot = page.snapshot;
        let verdict = self.continuity.verdict(from, snapshot);
        if head != from {
            return self.on_older_page(head, verdict, page);
        }
        // Nothing was published that is not here, so nothing rang for this read: another read caused it.
        if let Some(await_proof) = self.continuity.doubts_expiry(from, snapshot.tip, lag) {
            return await_proof.into_iter().map(Effect::AwaitProof).collect();
        }
        match (verdict, from, snapshot.tip.position) {
            // It rang since the read began, which may show what was before.
            (Verdict::Continues, _, _) if self.continuity.is_absence_in_doubt(snapshot.tip) => vec![self.read_head()],
            // Ids still order the segment: an absence is older than what is proven to follow it, and begins only when the
            // entries before it are older still.
            (Verdict::Continues, _, _) => self.append(page.extension(&self.channel.name, from), from, page),
            (Verdict::Gap(_), Position::At(id), Position::Absent { .. })
                if self.continuity.has_expired(id, snapshot.tip) =>
            {
                self.finish(head, page)
            }
            (Verdict::Gap(reason), _, _) => {
                let early = self.continuity.early_end(from, snapshot.tip).map(Effect::EndedEarly);
                let lost = self.continuity.has_lost(from, snapshot).then_some(Effect::Vanished);
                early.into_iter().chain(lost).chain(self.seal(reason, from, page)).collect()
            }
        }
    }

    /// Pushes moved the head while the read was under way: only what follows the present head may go in.
    fn on_older_page(&mut self, head: Position, verdict: Verdict, page: HeadPage<'_>) -> Effects {
        let Position::At(id) = head else { return vec![self.read_head()] };
        match (verdict, page.extension_after(&self.channel.name, id)) {
            (Verdict::Continues, Some(extension)) => self.append(extension, head, page),
            // The page ends before the head: it is older than the pushes and has nothing to add.
            (Verdict::Continues, None) if matches!(page.snapshot.tip.position, Position::At(tip) if tip < id) => {
                self.continuity.note_shown();
                Effects::new()
            }
            _ => vec![self.read_head()],
        }
    }

    /// History is not contiguous: appends a seam, by which readers are told, and begins a new segment.
    fn seal(&mut self, reason: GapReason, from: Position, page: HeadPage<'_>) -> Effects {
        let mut effects = vec![Effect::Warn(Broken { reason, after: from, is_wrong_type: false })];
        // A trim leaves what was read before true; anything else means that another history was read.
        if reason != GapReason::Trimmed {
            effects.push(self.forget_pages());
        }
        effects.extend(self.append(page.sealed(&self.channel.name, reason, from), from, page));
        effects
    }

    /// The entry after the head cannot be read: appends a seam by which readers are told. What follows it is read next.
    fn skip(&mut self, after: Position, resume: Position) -> Effects {
        self.continuity.doubt();
        let reason = GapReason::Unavailable;
        let seam = Some((Seam { reason, after, resume }, true));
        vec![
            Effect::Failed { kind: ReadKind::Head, back_off: None },
            Effect::Warn(Broken { reason, after, is_wrong_type: false }),
            Effect::Append(Extension { seam, ..Extension::default() }),
        ]
    }

    fn append(&mut self, extension: Extension, head: Position, page: HeadPage<'_>) -> Effects {
        let head = extension.end().unwrap_or(head);
        let mut effects = vec![Effect::Append(extension)];
        effects.extend(self.finish(head, page));
        effects
    }

    /// After a page was merged and the log ends at `head`: reads on if there is more, otherwise notes that this is the stream's
    /// end.
    fn finish(&mut self, head: Position, HeadPage { snapshot, is_quiet, .. }: HeadPage<'_>) -> Effects {
        self.continuity.note_shown();
        if !snapshot.complete {
            return vec![self.read_head()];
        }
        self.continuity.note_proven_by_head(snapshot.tip, is_quiet);
        self.wrong_type_told = false;
        if let Some(own) = &mut self.own {
            own.note_shown();
        }
        let end = snapshot.tip.position;
        let is_behind = match (head, end) {
            // The last entries were retracted: the next one will name this id as its predecessor.
            (Position::At(head), Position::At(end)) => end > head,
            (head, end) => head != end,
        };
        let renewed = end.is_absent().then_some(Effect::RenewAbsence);
        let moved = is_behind.then_some(Effect::MoveHead(end));
        // Not by this read, which began before the feed's present connection did.
        let compared = self.is_unconfirmed().then_some(Effect::ReadTip);
        moved.into_iter().chain(renewed).chain(compared).chain(self.own.as_ref().map(|own| own.cover())).collect()
    }

    /// Forgets what was read of a history that is not the stream's any more.
    fn forget_pages(&mut self) -> Effect {
        self.paging.doubt();
        Effect::ForgetPages
    }

    /// A read of the head has ended, with or without success: the readers that waited for it may ask again; after a failure, when
    /// the back-off is over.
    fn release_waiting_for_head(&mut self) -> Option<Effect> {
        self.paging.take_waiting().map(Effect::ReleaseWants)
    }

    /// Forgets the wants of readers at these positions.
    pub(super) fn release_wants(&self, positions: &BTreeSet<Position>) {
        let mut shared = self.channel.lock();
        positions.iter().for_each(|position| shared.wants.remove(&Want::Page(*position)));
    }

    // What the archive answers to readers who are behind.

    /// A page for readers that are behind.
    pub(super) fn on_page(&mut self, answer: Result<Snapshot, ArchiveError>, evidence: Evidence) -> PageAnswer {
        let Some((Want::Page(after), stale)) = self.paging.answered() else {
            return PageAnswer::Nothing(Effects::new());
        };
        match answer {
            Err(error) if stale => PageAnswer::Nothing(self.on_failure(ReadKind::Page, &error)),
            Err(error) => match self.on_unreadable((ReadKind::Page, after), &error, evidence) {
                Some(resume) => PageAnswer::Skip(Seam { reason: GapReason::Unavailable, after, resume }),
                None => PageAnswer::Nothing(self.on_failure(ReadKind::Page, &error)),
            },
            Ok(_) if stale => {
                self.failures.note_success(ReadKind::Page);
                PageAnswer::Nothing(vec![Effect::ReadPage])
            }
            Ok(snapshot) => {
                self.failures.note_success(ReadKind::Page);
                self.failures.note_done(ReadKind::Page, after);
                if after.is_absent() && self.continuity.is_absence_in_doubt(snapshot.tip) {
                    self.paging.wait_for_head(after);
                    return PageAnswer::Nothing(self.read_head_if_idle().into_iter().collect());
                }
                PageAnswer::Page(after, Box::new(snapshot))
            }
        }
    }

    /// A page found that the tail has to catch up before it can place a reader at this position: the archive would answer the
    /// same until then.
    pub(super) fn wait_for_head(&mut self, position: Position) -> Effect {
        self.paging.wait_for_head(position);
        self.read_head()
    }

    /// Where the newest entries begin.
    pub(super) fn on_newest(&mut self, answer: Result<Newest, ArchiveError>) -> Effects {
        let Some((Want::Newest(count), stale)) = self.paging.answered() else {
            return Effects::new();
        };
        let newest = match answer {
            Err(error) => return self.on_failure(ReadKind::Page, &error),
            Ok(newest) => newest,
        };
        self.failures.note_success(ReadKind::Page);
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
    fn on_failure(&mut self, kind: ReadKind, error: &ArchiveError) -> Effects {
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
        effects.extend(self.failures.begin(kind, error, is_refused));
        effects
    }

    /// Whether reads at a place failed for want of a single entry.
    pub(super) fn is_unreadable(&self, kind: ReadKind, after: Position) -> bool {
        self.failures.are_at(kind, after)
    }

    /// Where the stream ends, by a read that began in that turn: the archive can be read.
    pub(super) fn note_tip(&mut self, tip: Position, began: u64) {
        self.failures.note_tip(tip, began);
    }

    /// A read at a place failed. Returns where its readers go on if it is the fault of the entry there.
    fn on_unreadable(
        &mut self,
        place: (ReadKind, Position),
        error: &ArchiveError,
        evidence: Evidence,
    ) -> Option<Position> {
        let wants = |after| self.channel.lock().wants.iter().any(|want| *want == Want::Page(after));
        self.failures.give_up(place, error, evidence, wants)
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
            Effect::Append(Extension { seam: Some((seam, true)), ..Extension::default() }),
        ]
    }

    /// A timer of a back-off has fired: the archive may be asked again. The comparison shows whether anything is to be read.
    pub(super) fn on_retry(&mut self, kind: ReadKind) -> Effects {
        if !self.failures.timer_fired(kind) {
            return Effects::new();
        }
        let mut effects = vec![Effect::ReadTip];
        effects.extend(self.read_again(kind));
        effects
    }

    /// After a back-off nothing of its kind stands in a queue, but for tips.
    fn read_again(&mut self, kind: ReadKind) -> Effects {
        match kind {
            ReadKind::Tip => Effects::new(),
            ReadKind::Head => {
                let released = self.release_waiting_for_head();
                released.into_iter().chain(self.head_read.is_wanted().then_some(Effect::ReadHead)).collect()
            }
            ReadKind::Page => self.wants_page().then_some(Effect::ReadPage).into_iter().collect(),
        }
    }
}
