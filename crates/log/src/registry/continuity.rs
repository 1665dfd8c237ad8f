//! What the node knows of a channel between its tail and its stream: the conditions under which a push, an absence or a snapshot
//! continues the head.

use fanfare_protocol::{EntryId, Position};
use tokio::time::Instant;

use super::heard::Heard;
use crate::absence;
use crate::archive::{Snapshot, Tip};
use crate::min_lives::{BrokenBy, Ending};
use crate::proof::{self, Verdict};
use crate::tail::Tail;

/// How far a feed that lags the archive has proven itself when an answer of the archive is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeedLag {
    /// When the answer is looked at: the archive made it before.
    pub(super) looked_at: Instant,
    /// When the latest round trip through the feed that was proven began. `None`: none was.
    pub(super) proven: Option<Instant>,
}

/// What is known beside the tail itself.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    /// The head was the stream's end at some time since which every message has arrived, as far as the node can know.
    no_message_missed: bool,
    /// When the head was last proven to be the stream's end.
    proven: Option<Tip>,
    /// When an expiry was first seen. It is believed when the feed has proven a round trip that began later.
    expiry_due: Option<Instant>,
    /// What messages have told that no read of the head has shown yet.
    heard: Heard,
}

impl Continuity {
    /// Something was published that is not in the tail, or some messages may not have arrived.
    pub(super) fn doubt(&mut self) {
        self.no_message_missed = false;
        self.expiry_due = None;
    }

    /// A message tells that something was stored that is not in the tail. `id`: the entry, if it names one.
    pub(super) fn hear(&mut self, id: Option<EntryId>) {
        self.heard.note(id);
    }

    /// A read of the head begins.
    pub(super) fn begin_read(&mut self) {
        self.heard.begin_read();
    }

    /// What that read has shown is in the tail.
    pub(super) fn note_shown(&mut self) {
        self.heard.note_shown();
    }

    /// Notes that the head was the stream's end at `tip`.
    pub(super) fn note_proven(&mut self, tip: Tip) {
        self.proven = Some(tip);
        self.expiry_due = None;
    }

    /// Notes the same, by a read that began after the feed last lost something. `no_message_missed`: every entry published since
    /// then is in the tail. If not, a read of the head may have shown meanwhile that none is missing, which stays true: every doubt
    /// since that would have taken it back ([`doubt`](Self::doubt)).
    pub(super) fn note_proven_afresh(&mut self, tip: Tip, no_message_missed: bool) {
        self.note_proven(tip);
        self.no_message_missed |= no_message_missed;
    }

    /// Notes that the head was the stream's end at `tip`, by a read of the head whose entries are in the tail.
    ///
    /// That proves as much as a tip does if the feed was whole from before the read began until now (`is_quiet`: acknowledged,
    /// nothing lost, nothing unknown). Let the store have made the answer at a time T. What was published before T is in the
    /// answer and so in the tail, or is gone, and then the answer is a gap by which readers were told; what is published after T
    /// has been announced on a connection that was there at T, so that its message is in the tail, or is still to come and will be
    /// judged by [`follows`](Self::follows). So the head was the stream's end at T, and no message has been missed since: exactly what
    /// the flag says, and a gap that was told once is not told again at the next comparison. After any doubt since the read began
    /// the flag stays as the doubt left it: some message since T may be missing.
    pub(super) fn note_proven_by_head(&mut self, tip: Tip, is_quiet: bool) {
        self.note_proven(tip);
        self.no_message_missed |= is_quiet;
    }

    /// Whether a pushed entry directly follows the head. An entry that created its stream is not taken from a push: only a read shows
    /// whether another incarnation of the stream lies between. Exception: stores that evict, where only messages can tell.
    pub(super) fn follows(&self, tail: &Tail, id: EntryId, prev: Option<EntryId>) -> bool {
        match tail.head() {
            Position::At(last) => prev == Some(last) && last != EntryId::ZERO && id > last,
            Position::Absent { at_ms, .. } => {
                let Some(proven) = self.proven.filter(|proven| proven.evicts) else { return false };
                let is_created = absence::is_created_after(at_ms, id, prev, proven.min_life);
                self.no_message_missed && id > tail.newest() && is_created
            }
        }
    }

    /// Whether a stream that ends at `tip` is one whose end is the head.
    pub(super) fn agrees(&self, head: Position, tip: Tip) -> bool {
        match (head, tip.position) {
            (Position::At(ours), Position::At(theirs)) => ours == theirs,
            (Position::At(ours), Position::Absent { .. }) => self.has_expired(ours, tip),
            (Position::Absent { at_ms, epoch }, Position::Absent { .. }) => {
                epoch == tip.epoch && absence::still(at_ms, tip.now_ms, tip.min_life) && !self.may_miss(tip)
            }
            (Position::Absent { .. }, Position::At(_)) => false,
        }
    }

    /// Whether the stream's absence now is its natural expiry and nothing else. Five reasons, all needed:
    /// - no message was missed: publishers that do not use the function may add to a stream that is about to expire;
    /// - the head has lived its time: a younger one did not expire but was deleted or rolled back;
    /// - the store does not evict, and did not when the head was proven;
    /// - the epoch is the same;
    /// - the head was proven so lately that an event published since would still exist.
    pub(super) fn has_expired(&self, head: EntryId, tip: Tip) -> bool {
        self.no_message_missed
            && tip.now_ms >= head.ms.saturating_add(tip.min_life.ms_since(head.ms))
            && self.proven.is_some_and(|proven| {
                !tip.evicts
                    && !proven.evicts
                    && proven.epoch == tip.epoch
                    && absence::still(proven.now_ms, tip.now_ms, tip.min_life)
            })
    }

    /// How the stream whose end the head was has ended at `tip`, if that was sooner than it was promised to: it was deleted, or its publishers gave
    /// it less time. Not where the store has lost more than that stream, or throws streams away.
    pub(super) fn early_end(&self, head: Position, tip: Tip) -> Option<Ending> {
        let (Position::At(head), Position::Absent { .. }) = (head, tip.position) else { return None };
        let is_same_life = self.proven.is_some_and(|proven| !tip.evicts && !proven.evicts && proven.epoch == tip.epoch);
        let is_early = is_same_life && tip.min_life.is_broken_by(head.ms, tip.now_ms);
        let ending = Ending { last_ms: head.ms, end_ms: tip.now_ms, seen_ms: tip.now_ms, by: BrokenBy::End };
        is_early.then_some(ending)
    }

    /// Whether the stream seems to have expired and that is not believed yet: the tip is read again when the feed has proven itself.
    /// Returns the time after which a round trip must have begun that proves it, the first time. `lag`: see
    /// [`believes_expiry`](Self::believes_expiry).
    pub(super) fn doubts_expiry(&mut self, head: Position, tip: Tip, lag: Option<FeedLag>) -> Option<Option<Instant>> {
        let (Position::At(id), Position::Absent { .. }) = (head, tip.position) else { return None };
        let lag = lag.filter(|_| self.has_expired(id, tip) && !self.believes_expiry(lag))?;
        Some(self.note_expiry(lag.looked_at))
    }

    /// Whether an expiry that was seen may be believed. `lag`: how far the feed has proven itself; `None` where nothing can be on
    /// the way to the registry that is older than what it looks at.
    ///
    /// A message that was published before the stream expired may still be on the way when the archive's answer is looked at. A
    /// round trip that begins after that ends behind the message: all that Redis announced on this connection before the probe was sent
    /// has arrived by then, so one is enough. How many come back says nothing. Several may be under way at once
    /// (`PROBES_UNDER_WAY_MAX`), and all of those began before.
    fn believes_expiry(&self, lag: Option<FeedLag>) -> bool {
        lag.is_none_or(|lag| self.expiry_due.zip(lag.proven).is_some_and(|(due, began)| began > due))
    }

    /// Notes that an expiry was seen. Returns the time after which a round trip must have begun that proves it, the first time. A later
    /// answer that shows no stream either does not put it off: whatever was added to the stream was announced before the first one.
    fn note_expiry(&mut self, seen_at: Instant) -> Option<Instant> {
        let is_news = self.expiry_due.is_none();
        let due = *self.expiry_due.get_or_insert(seen_at);
        is_news.then_some(due)
    }

    /// Whether an expiry was seen that is not believed yet, so that the tip is read again.
    pub(super) fn awaits_proof(&self) -> bool {
        self.expiry_due.is_some()
    }

    /// Whether a head continues in a snapshot. Where streams are evicted, messages tell only of what they have reached the node with: an
    /// answer that finds a new stream may have outrun the message of one that came and went before it, so it continues no absence. An
    /// answer that finds no stream may have outrun such a message as well, but then that is still to come, follows nothing and is
    /// a doubt ([`follows`](Self::follows)).
    pub(super) fn verdict(&self, head: Position, snapshot: &Snapshot) -> Verdict {
        let is_new = head.is_absent() && !snapshot.tip.position.is_absent();
        let may_miss = self.may_miss(snapshot.tip) || (snapshot.tip.evicts && is_new) || self.has_lost(head, snapshot);
        proof::prove_where(head, snapshot, may_miss)
    }

    /// Whether a read from the head shows that a stream is gone of which messages have told: it was evicted although, as is promised, streams do
    /// not expire, or somebody has deleted it at once, or it was never there and the message is forged. Nothing tells these apart.
    pub(super) fn has_lost(&self, head: Position, snapshot: &Snapshot) -> bool {
        let tip = snapshot.tip;
        let is_same_life = self.proven.is_some_and(|proven| proven.epoch == tip.epoch);
        let touches_absence = head.is_absent() || tip.position.is_absent();
        is_same_life && touches_absence && tip.min_life.rests_on_permanence() && self.heard.is_gone_in(snapshot)
    }

    /// Whether the absence of a stream proves nothing yet, since messages have told of one and a read of the head has still to show whether it is
    /// gone ([`has_lost`](Self::has_lost)).
    pub(super) fn is_absence_in_doubt(&self, tip: Tip) -> bool {
        tip.position.is_absent() && tip.min_life.rests_on_permanence() && self.heard.is_awaited()
    }

    /// Whether a stream may have come and gone unnoticed. On a store that evicts it may, but then its messages would have
    /// arrived: without this, every quiet channel of such a store would announce a gap at every reconcile.
    fn may_miss(&self, tip: Tip) -> bool {
        tip.evicts && !self.no_message_missed
    }
}

#[cfg(test)]
mod tests {
    use fanfare_protocol::Epoch;

    use super::*;
    use crate::min_life::MinLife;

    const T: u64 = 1_700_000_000_000;

    fn absent_at(now_ms: u64) -> Tip {
        let epoch = Epoch::from_bits(7);
        let position = Position::Absent { at_ms: now_ms, epoch };
        Tip { position, now_ms, epoch, evicts: false, min_life: MinLife::LEAST }
    }

    /// Whether a stream whose only entry is of T, and that was last proven at `proven`, has expired if nothing is there at `gone`.
    fn has_expired(proven: Tip, no_message_missed: bool, gone: Tip) -> bool {
        let head = EntryId { ms: T, seq: 0 };
        let mut continuity = Continuity::default();
        continuity.note_proven_afresh(Tip { position: Position::At(head), ..proven }, no_message_missed);
        continuity.has_expired(head, gone)
    }

    // Seen to fail without the last reason, which no seed of the simulation finds: it takes an archive that is away for a minute, and a stream
    // to which a plain producer adds in that minute.
    #[test]
    fn an_absence_is_an_expiry_for_five_reasons_all_of_them_needed() {
        let (proven, gone) = (absent_at(T + 20_000), absent_at(T + 70_000));
        let evicting = |tip| Tip { evicts: true, ..tip };
        let elsewhere = Tip { epoch: Epoch::from_bits(8), ..gone };
        assert!(has_expired(proven, true, gone));
        assert!(!has_expired(proven, false, gone), "a message may be missing");
        assert!(!has_expired(proven, true, absent_at(T + 59_999)), "it is too young");
        assert!(!has_expired(evicting(proven), true, gone) && !has_expired(proven, true, evicting(gone)));
        assert!(!has_expired(proven, true, elsewhere), "the data is another one");
        assert!(has_expired(proven, true, absent_at(T + 79_999)));
        assert!(!has_expired(proven, true, absent_at(T + 80_000)), "another stream may have come and gone since");
    }
}
