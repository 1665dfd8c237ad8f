//! What a channel log decided, for the registry to carry out.

use std::collections::BTreeSet;
use std::time::Duration;

use fanfare_protocol::{EntryId, Frame, GapReason, Position};
use tokio::time::Instant;

use super::reads::ReadKind;
use crate::archive::Snapshot;
use crate::min_lives::Ending;
use crate::refusal::Refusal;
use crate::tail::Seam;

/// Something that a decision asks for.
#[derive(Debug)]
pub(super) enum Effect {
    /// The channel can be followed: its readers are not refused any more.
    Accept,
    /// It cannot be, for this reason: its readers are told.
    Refuse(Refusal),
    /// Pages of a history that is not the stream's any more are to be released.
    ForgetPages,
    /// History is not contiguous: operators are told.
    Warn(Broken),
    /// To be appended to the tail, in one step.
    Append(Extension),
    /// The head moves without an item.
    MoveHead(Position),
    /// Readers at these positions need not wait any longer: those that the tail now reaches need no page, and the others put their
    /// wants in again when they are woken.
    ReleaseWants(BTreeSet<Position>),
    /// The connection threads have to look at the channel.
    Notify,
    /// Of a log of the gateway's own only.
    Cover {
        /// The log holds all that its stream did when the present connection of the feed began to tell of everything that comes.
        is_confirmed: bool,
        /// Since when something has been announced that no read has shown.
        unread_since: Option<Instant>,
    },
    /// A read of the tip is wanted.
    ReadTip,
    /// A read of the head is wanted.
    ReadHead,
    /// A page is wanted.
    ReadPage,
    /// The stream was proven absent: that is to be renewed.
    RenewAbsence,
    /// The stream seems to have expired: the tip is to be read again when the feed has proven a round trip that began after that time.
    AwaitProof(Instant),
    /// The head was compared with its stream.
    Compared {
        /// They differ, and the log did not know.
        differ: bool,
    },
    /// The stream has ended sooner than was promised, if anything was.
    EndedEarly(Ending),
    /// Messages told of a stream, and no read has found it, although streams are promised not to expire.
    Vanished,
    /// Messages named so many entries, this one the first of them, that the stream does not have.
    Unfounded {
        /// How many.
        count: usize,
        /// The first.
        id: EntryId,
    },
    /// A read failed.
    Failed {
        /// Of this kind.
        kind: ReadKind,
        /// Nothing of that kind is read for so long, before jitter; `None` if that is so already.
        back_off: Option<Duration>,
    },
    /// Reads of the channel fail again and again, for this reason: operators are told.
    TellFailure(String),
}

/// What a decision asks for; mostly nothing.
pub(super) type Effects = Vec<Effect>;

/// Where a history broke.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) reason: GapReason,
    pub(super) after: Position,
    /// The key holds another type than a stream, which deserves a line of its own.
    pub(super) is_wrong_type: bool,
}

/// What goes into a tail in one step, so that a reader finds a seam together with the entry after it.
#[derive(Debug, Default)]
pub(super) struct Extension {
    /// A discontinuity, and whether the position after it is one that the store had.
    pub(super) seam: Option<(Seam, bool)>,
    /// Entries that have been proven to follow.
    pub(super) entries: Vec<(EntryId, Frame)>,
    /// They were read because messages had named entries.
    pub(super) is_announced: bool,
}

impl Extension {
    /// Where the log ends then.
    pub(super) fn end(&self) -> Option<Position> {
        let last = self.entries.last().map(|(id, _)| Position::At(*id));
        last.or(self.seam.as_ref().map(|(seam, _)| seam.resume))
    }
}

/// What a pushed entry is to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// That very entry is in the tail.
    Known,
    /// It certainly follows the head.
    Follows,
    /// Anything else is a doorbell.
    Unknown,
}

/// What the answer to a read of a page is.
#[derive(Debug)]
pub(super) enum PageAnswer {
    /// A page of the stream's present history, from this position.
    Page(Position, Box<Snapshot>),
    /// The entry after `seam.after` cannot be read: its readers are told, and go on from `seam.resume`.
    Skip(Seam),
    /// Nothing that can be used: the read failed, or it was of another history.
    Nothing(Effects),
}
