//! Follows the log of revocations, as a session follows its channels: a cursor that begins before the oldest entry.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Revocation, RevocationEntry, TargetUnreadable, TooManyRevocations, UnixSeconds};
use fanfare_log::{Coverage, Cursor, Item, Next, Payer, Seam, Start, ViewKey};
use fanfare_protocol::limits::{
    REVOCATIONS_BROKEN_PAUSE, REVOCATIONS_PATIENCE, REVOCATIONS_REREAD, REVOCATIONS_UNPROVEN_PATIENCE,
};
use fanfare_protocol::{EntryId, Frame, GapReason, LogName, Position};
use tokio::time::{Instant, sleep, sleep_until};

use crate::core::{Core, FOLLOWER};
use crate::known_revocations::KnownRevocations;
use crate::lapse_log::LapseLog;

/// Before the oldest entry that there can be.
const BEGINNING: Start = Start::Before(EntryId { ms: 0, seq: 1 });

/// Items of the tail that are taken before others have their turn.
const ITEMS_PER_TURN: usize = 256;

/// The pause after the log had no place on the node, which does not happen: it is opened before any channel, and never closed.
const NO_PLACE_PAUSE: Duration = Duration::from_secs(1);

/// Follows the log until it is dropped. For one thread of the node.
pub(crate) async fn follow(core: Rc<Core>, known: Arc<KnownRevocations>) {
    let is_told = Cell::new(false);
    let lapses = LapseLog::new(Instant::now());
    // The reader before. Without one the log would be a channel whose place the next one takes.
    let mut before = None;
    loop {
        let opened = core.log.open(LogName::revoked(), Some(BEGINNING), FOLLOWER, Payer::NODE);
        let Ok((view, cursor)) = opened else {
            sleep(NO_PLACE_PAUSE).await;
            continue;
        };
        let mut follower = Follower {
            core: &core,
            known: &known,
            view,
            cursor,
            waits_since: None,
            is_told: &is_told,
            lapses: &lapses,
        };
        drop(before.take());
        let pause = match follower.run().await {
            Stopped::TooMany => {
                known.note_too_many(true);
                REVOCATIONS_REREAD
            }
            Stopped::Broken => REVOCATIONS_BROKEN_PAUSE,
        };
        // Those that were added are in force; what else the log holds is not known.
        known.tell_incomplete(Instant::now());
        before = Some(follower);
        sleep(pause).await;
        known.forget_old();
    }
}

/// One reader of the log, from its beginning.
struct Follower<'a> {
    core: &'a Core,
    known: &'a KnownRevocations,
    view: ViewKey,
    cursor: Cursor,
    /// Since when a page of the archive is waited for.
    waits_since: Option<Instant>,
    /// Operators were told that the log is not contiguous, and nobody has read it to its end since.
    is_told: &'a Cell<bool>,
    lapses: &'a LapseLog,
}

/// Why a reader of the log has to begin again, some time later.
enum Stopped {
    /// There are more than the node holds.
    TooMany,
    /// The log is not contiguous: it is another one, whose entries may be older than those that were read, or one of them was passed over.
    Broken,
}

impl From<TooManyRevocations> for Stopped {
    fn from(_: TooManyRevocations) -> Self {
        Self::TooMany
    }
}

/// What came of a look at the log.
enum Looked {
    /// There is more.
    More,
    /// That was all for now.
    All,
    /// Nothing can be said before something changes.
    Waits,
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        self.core.log.close(self.view, &self.cursor);
    }
}

impl Follower<'_> {
    /// Returns when the log has to be read from its beginning again.
    async fn run(&mut self) -> Stopped {
        loop {
            match self.look() {
                Err(stopped) => return stopped,
                Ok(Looked::More) => {
                    // Threads carry them out while the rest is read: until they have, sessions wait.
                    self.known.tell_read();
                    tokio::task::yield_now().await;
                }
                Ok(Looked::All) => {
                    self.waits_since = None;
                    self.known.note_too_many(false);
                    self.tell(self.core.log.coverage(self.view)).await;
                }
                Ok(Looked::Waits) => {
                    let since = *self.waits_since.get_or_insert_with(Instant::now);
                    let coverage = self.core.log.coverage(self.view);
                    self.tell(Coverage { link: None, unread_since: Some(since), ..coverage }).await;
                }
            }
        }
    }

    /// Tells how far it is, and waits until something has changed. `link`: everything was read that there was when this link came up. For a
    /// moment something is unread of every revocation, and none is proven to have arrived; after that nothing is delivered by a grant.
    async fn tell(&self, Coverage { link, unread_since, proven }: Coverage) {
        let now = Instant::now();
        let good_until = proven.map_or(now, |proven| proven + REVOCATIONS_UNPROVEN_PATIENCE);
        let overdue_at = unread_since.map(|since| since + REVOCATIONS_PATIENCE);
        let ends = [Some(good_until), overdue_at].into_iter().flatten();
        let over = ends.clone().filter(|end| *end <= now).min();
        let told = match (over, link) {
            (Some(_), _) => self.known.tell_incomplete(unread_since.unwrap_or(good_until)),
            (None, Some(link)) => self.known.tell_complete(link, good_until),
            (None, None) => self.known.tell_read(),
        };
        if over.is_none() && link.is_some() {
            self.lapses.end();
        } else if self.lapses.note(now, self.core.log.link(), told.lapses) {
            tracing::warn!(
                proof_age_ms = proven.map(|proven| (now - proven).as_millis()),
                unread_ms = unread_since.map(|since| (now - since).as_millis()),
                "streams that need a token pause again and again, or for long: a message takes too long to Redis and back, or what is revoked to be \
                 read (told once a minute)"
            );
        }
        let next = ends.chain(self.lapses.due()).filter(|end| *end > now).min();
        tokio::select! {
            biased;
            () = self.core.follower_woken() => {}
            // Somebody has found that a proof was over, just before this was told.
            () = self.known.progress().differs(told) => {}
            () = reached(next) => {}
        }
    }

    /// Takes what is there, up to a bound.
    fn look(&mut self) -> Result<Looked, Stopped> {
        let Self { core, known, view, cursor, is_told, .. } = self;
        let looked: Result<Looked, Stopped> = core.log.next(*view, cursor, |cursor, _, next| match next {
            Next::Tail(tail, from) => {
                for (index, item) in (from..).zip(tail.from(from)).take(ITEMS_PER_TURN) {
                    match item {
                        Item::Entry { id, frame } => {
                            take(known, *id, frame)?;
                            cursor.advance_tail(index, Some(Position::At(*id)));
                        }
                        // A `PUBLISH` without an entry says nothing.
                        Item::Ephemeral { .. } => cursor.advance_tail(index, None),
                        Item::Seam(seam) => {
                            on_gap(known, is_told, seam)?;
                            cursor.advance_tail(index, Some(seam.resume));
                        }
                    }
                }
                Ok(Looked::More)
            }
            Next::Page(served) => {
                if let Some(seam) = &served.seam {
                    on_gap(known, is_told, seam)?;
                    cursor.advance_to(seam.resume);
                }
                for entry in served.entries() {
                    take(known, entry.id, &entry.frame)?;
                    cursor.advance_to(Position::At(entry.id));
                }
                Ok(Looked::More)
            }
            Next::Begins(position) => {
                cursor.advance_to(position);
                Ok(Looked::More)
            }
            Next::Live => Ok(Looked::All),
            Next::Waiting => Ok(Looked::Waits),
            Next::Refused(refusal) => {
                known.note_refused(Some(refusal.to_string()));
                Ok(Looked::Waits)
            }
        });
        if matches!(looked, Ok(Looked::All)) {
            known.note_refused(None);
            is_told.set(false);
        }
        looked
    }
}

/// Waits for a time; for ever if there is none.
async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// What an entry revokes. One that says nothing here is counted, and is no reason to stop.
fn take(known: &KnownRevocations, id: EntryId, frame: &Frame) -> Result<(), Stopped> {
    let data = if frame.is_gap() { Vec::new() } else { frame.data() };
    match RevocationEntry::parse(&data) {
        Ok(RevocationEntry { target, keep }) => {
            known.stats.read.add(1);
            keep.into_iter().for_each(|keep| note_keep(known, keep));
            known.add(Revocation { target, at: UnixSeconds(id.ms / 1_000) })?;
            Ok(())
        }
        Err(error) => {
            let count = match error {
                TargetUnreadable::Garbage => &known.stats.garbage,
                TargetUnreadable::Unknown => &known.stats.unknown,
            };
            if count.get() == 0 {
                tracing::warn!(entry = %id, %error, "an entry of the log of revocations is passed over (told once; the others are counted)");
            }
            count.add(1);
            Ok(())
        }
    }
}

/// Compares how long a writer keeps entries with how long they are in force here: one that keeps them for a shorter time trims what is.
fn note_keep(known: &KnownRevocations, keep: Duration) {
    let lasts = known.lasts();
    if keep.as_secs() == lasts.as_secs() {
        return;
    }
    if known.stats.kept_otherwise.get() == 0 {
        tracing::warn!(
            theirs = keep.as_secs(),
            ours = lasts.as_secs(),
            "revocations are kept for another time, in seconds, by who writes them: auth.max_token_lifetime, auth.leeway, \
             forward_auth.max_lifetime and auth.client_certificates.max_lifetime have to be the same on all nodes, and for `fanfare revoke` (told once; the others are counted)"
        );
    }
    known.stats.kept_otherwise.add(1);
}

/// The log is not contiguous. Where it was trimmed reading goes on; anything else means that it is read from its beginning. Where something may be
/// gone that nobody has read, all grants are in doubt.
fn on_gap(known: &KnownRevocations, is_told: &Cell<bool>, seam: &Seam) -> Result<(), Stopped> {
    // Whatever had been written to a log in which nothing stood would have been announced on this very link. So its life has another name, after
    // FLUSHALL for example, and that is all.
    if seam.reason == GapReason::Reset && seam.after.is_absent() && known.is_read() {
        return Err(Stopped::Broken);
    }
    let was_told = is_told.get();
    note_gap(known, is_told, seam.reason);
    match seam.reason {
        GapReason::Trimmed => {}
        // It is there.
        GapReason::Unavailable => return Err(Stopped::Broken),
        _ => {
            known.tell_reset();
            return Err(Stopped::Broken);
        }
    }
    // What was trimmed is no younger than the place where it goes on.
    let is_harmless = matches!(seam.resume, Position::At(id) if known.is_out_of_force(UnixSeconds(id.ms / 1_000)));
    if !is_harmless {
        known.stats.trimmed_early.add(1);
        // Once until the log was read to its end: a log that is read again and again tells of the same each time.
        if !was_told {
            is_told.set(true);
            known.tell_reset();
        }
        tracing::warn!(
            "the log of revocations was trimmed where this node had not read it, and what is gone may be in force: does somebody keep it for a \
             shorter time? Revoke again what is still to be revoked"
        );
    }
    Ok(())
}

/// Tells operators of it. What is known stays known.
fn note_gap(known: &KnownRevocations, is_told: &Cell<bool>, reason: GapReason) {
    known.stats.gaps.of(reason).add(1);
    match reason {
        GapReason::Trimmed => {}
        // Told once until the log was read to its end.
        _ if is_told.replace(true) => {}
        GapReason::Unavailable => tracing::warn!(
            "an entry of the log of revocations cannot be read: until it can be, who needs a token gets nothing"
        ),
        _ => tracing::warn!(
            reason = reason.as_str(),
            "the log of revocations is not what it was, and is read from its beginning: this node keeps what it knew, a node that starts from \
             now on does not know that, and streams that need a grant come back within a minute, to be judged again. Revoke again what is still \
             to be revoked"
        ),
    }
}

#[cfg(test)]
mod tests;
