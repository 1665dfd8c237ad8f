//! Follows the log of revocations, as a session follows its channels: a cursor that begins before the oldest entry.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare_auth::{Revocation, RevocationTarget, TargetUnreadable, TooManyRevocations, UnixSeconds};
use fanfare_log::{Cursor, Item, Next, Payer, Start, ViewKey};
use fanfare_protocol::limits::REVOCATIONS_REREAD;
use fanfare_protocol::{EntryId, Frame, GapReason, LogName, Position};
use tokio::time::sleep;

use crate::core::{Core, FOLLOWER};
use crate::known_revocations::KnownRevocations;

/// Before the oldest entry that there can be.
const BEGINNING: Start = Start::Before(EntryId { ms: 0, seq: 1 });

/// Items of the tail that are taken before others have their turn.
const ITEMS_PER_TURN: usize = 256;

/// The pause after the log had no place on the node: it asks before clients do, so that this is no more than a thought.
const NO_PLACE_PAUSE: Duration = Duration::from_secs(1);

/// Follows the log until it is dropped. For one thread of the node.
pub(crate) async fn follow(core: Rc<Core>, known: Arc<KnownRevocations>) {
    loop {
        let opened = core.log.open(LogName::revoked(), Some(BEGINNING), FOLLOWER, Payer::NODE);
        let Ok((view, cursor)) = opened else {
            sleep(NO_PLACE_PAUSE).await;
            continue;
        };
        let follower = Follower { core: &core, known: &known, view, cursor, has_stream: false };
        let TooManyRevocations = follower.run().await;
        known.note_too_many(true);
        // Those that fit are in force; what came after them is not known, and nobody gets anything by a grant.
        known.tell(Some(0));
        sleep(REVOCATIONS_REREAD).await;
        known.forget_old();
    }
}

/// One reader of the log, from its beginning.
struct Follower<'a> {
    core: &'a Core,
    known: &'a KnownRevocations,
    view: ViewKey,
    cursor: Cursor,
    /// Entries of the present stream were seen.
    has_stream: bool,
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
    /// Returns when there are more than the node holds.
    async fn run(mut self) -> TooManyRevocations {
        loop {
            match self.look() {
                Err(error) => return error,
                Ok(Looked::More) => tokio::task::yield_now().await,
                Ok(Looked::All) => {
                    self.known.note_too_many(false);
                    self.known.tell(self.core.log.confirmed(self.view));
                    self.core.follower_woken().await;
                }
                Ok(Looked::Waits) => {
                    self.known.tell(None);
                    self.core.follower_woken().await;
                }
            }
        }
    }

    /// Takes what is there, up to a bound.
    fn look(&mut self) -> Result<Looked, TooManyRevocations> {
        let Self { core, known, view, cursor, has_stream } = self;
        let looked = core.log.next(*view, cursor, |cursor, _, next| match next {
            Next::Tail(tail, from) => {
                for (index, item) in (from..).zip(tail.from(from)).take(ITEMS_PER_TURN) {
                    match item {
                        Item::Entry { id, frame } => {
                            *has_stream = true;
                            take(known, *id, frame)?;
                            cursor.advance_tail(index, Some(Position::At(*id)));
                        }
                        // A message by somebody: nothing that is kept.
                        Item::Ephemeral { .. } => cursor.advance_tail(index, None),
                        Item::Seam(seam) => {
                            note_gap(known, seam.reason);
                            cursor.advance_tail(index, Some(seam.resume));
                        }
                    }
                }
                Ok(Looked::More)
            }
            Next::Page(served) => {
                if let Some(seam) = &served.seam {
                    note_gap(known, seam.reason);
                    cursor.advance_to(seam.resume);
                }
                for entry in served.entries() {
                    *has_stream = true;
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
        })?;
        if matches!(looked, Looked::All) {
            known.note_refused(None);
            self.note_end();
        }
        Ok(looked)
    }

    /// A stream that has not had an entry for a while may be gone without a gap: for a channel that is no loss.
    fn note_end(&mut self) {
        let is_gone = self.core.log.head(self.view).is_some_and(|head| head.is_absent());
        if is_gone && std::mem::replace(&mut self.has_stream, false) {
            note_gap(self.known, GapReason::Reset);
        }
    }
}

/// What an entry revokes. One that says nothing here is counted, and is no reason to stop.
fn take(known: &KnownRevocations, id: EntryId, frame: &Frame) -> Result<(), TooManyRevocations> {
    let data = if frame.is_gap() { Vec::new() } else { frame.data() };
    match RevocationTarget::parse(&data) {
        Ok(target) => {
            known.stats.read.add(1);
            known.add(Revocation { target, at: UnixSeconds(id.ms / 1_000) })
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

/// The log is not contiguous. What is known stays known.
fn note_gap(known: &KnownRevocations, reason: GapReason) {
    known.stats.gaps.of(reason).add(1);
    match reason {
        // What was trimmed is out of force.
        GapReason::Trimmed => tracing::debug!("the log of revocations was trimmed beyond what this node has read"),
        _ => tracing::warn!(
            reason = reason.as_str(),
            "the log of revocations is not what it was: this node keeps what it knows, a node that starts from now on does not know it. \
             Revoke again what is still to be revoked"
        ),
    }
}
