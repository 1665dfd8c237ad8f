//! How a channel's reads of the archive stand. There are three kinds, each with states and a back-off of its own.

use std::time::Duration;

use fanfare_protocol::Position;

use crate::wants::Want;

/// What is read of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ReadKind {
    /// Where the stream ends.
    Tip,
    /// A page from the head.
    Head,
    /// A page for readers who are behind, or where the newest entries begin.
    Page,
}

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// Reads of the stream's tip: they open the log and compare it. Several may be in flight, since each acknowledgement of a
/// subscription asks for a new one.
#[derive(Debug, Default)]
pub(super) struct TipReads {
    in_flight: u32,
    /// At least one read in flight began before the last loss.
    stale: bool,
    /// Since the oldest read in flight began, every published entry is in the tail.
    quiet: bool,
    /// The store refused the last one that was answered: it most likely refuses the next one.
    refused: bool,
    /// Where the tail ended when the oldest read in flight began: the index of its next item.
    end: u64,
}

impl TipReads {
    /// A read begins, while the tail's next item has this index.
    pub(super) fn asked(&mut self, end: u64) {
        if self.in_flight == 0 {
            self.quiet = true;
            self.end = end;
        }
        self.in_flight += 1;
    }

    /// Something was published that is not in the tail.
    pub(super) fn saw_unknown_event(&mut self) {
        self.quiet = false;
    }

    /// The feed lost something: what was asked for before now proves nothing about that.
    pub(super) fn doubt(&mut self) {
        self.stale = self.in_flight > 0;
    }

    /// A read has ended. Returns whether it certainly began after the feed last lost something.
    pub(super) fn answered(&mut self) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        let fresh = !self.stale;
        self.stale &= self.in_flight > 0;
        fresh
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0
    }

    /// Whether the store refused a read, or did not.
    pub(super) fn note_refused(&mut self, refused: bool) {
        self.refused = refused;
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Where the tail ended when the oldest read in flight, or the last one, began.
    pub(super) fn began_at(&self) -> u64 {
        self.end
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// The read from the head that repairs or extends the tail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum HeadRead {
    /// The tail holds everything that the node knows of.
    #[default]
    Idle,
    /// Something was published that is not in the tail: the head has to be compared with the archive by a read.
    Wanted,
    /// A read is in flight.
    InFlight {
        /// From this head.
        from: Position,
        /// Something was published since it began.
        again: bool,
        /// The feed has been whole since before it began: it lost nothing, and every published entry is in the tail.
        is_quiet: bool,
    },
}

impl HeadRead {
    pub(super) fn want(&mut self) {
        match self {
            Self::InFlight { again, .. } => *again = true,
            Self::Idle | Self::Wanted => *self = Self::Wanted,
        }
    }

    pub(super) fn is_wanted(self) -> bool {
        matches!(self, Self::Wanted | Self::InFlight { again: true, .. })
    }

    /// Something was published that is not in the tail, or the feed lost something.
    pub(super) fn doubt(&mut self) {
        if let Self::InFlight { is_quiet, .. } = self {
            *is_quiet = false;
        }
    }

    /// A read that was in flight has ended. Returns where it began, and whether the feed was whole all the time.
    pub(super) fn answered(&mut self) -> Option<(Position, bool)> {
        let Self::InFlight { from, again, is_quiet } = *self else { return None };
        *self = if again { Self::Wanted } else { Self::Idle };
        Some((from, is_quiet))
    }
}

/// The read for readers who are behind: of a page, or of where the newest entries begin. Whether one is wanted is seen from the
/// readers' wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum PageRead {
    #[default]
    Idle,
    InFlight {
        want: Want,
        /// The stream's history turned out to be another one since it began.
        stale: bool,
    },
}

impl PageRead {
    /// Another history than the one being read may be the stream's.
    pub(super) fn doubt(&mut self) {
        if let Self::InFlight { stale, .. } = self {
            *stale = true;
        }
    }

    /// Marks a read of where the newest entries begin as stale.
    pub(super) fn doubt_newest(&mut self) {
        if let Self::InFlight { want: Want::Newest(_), stale } = self {
            *stale = true;
        }
    }
}

/// Whether the archive failed for a channel, by kind of read: a page that cannot be read holds up no repair of the tail.
#[derive(Debug, Default)]
pub(super) struct BackOffs([BackOff; 3]);

impl BackOffs {
    pub(super) fn of(&self, kind: ReadKind) -> &BackOff {
        &self.0[kind as usize]
    }

    pub(super) fn of_mut(&mut self, kind: ReadKind) -> &mut BackOff {
        &mut self.0[kind as usize]
    }

    /// Whether no kind of read has failed since it last succeeded.
    pub(super) fn are_over(&self) -> bool {
        self.0.iter().all(|back_off| back_off.failures() == 0)
    }
}

/// Whether reads of one kind failed. While it backs off none begins.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    active: bool,
    failures: u32,
    /// Timers that run, of this wait and of waits that were cut short.
    timers: u32,
}

impl BackOff {
    pub(super) fn is_active(&self) -> bool {
        self.active
    }

    /// Reads that failed since the last one that did not.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// A read failed. Returns how long to wait, before jitter: longer each time. `None` if a wait is under way.
    pub(super) fn begin(&mut self) -> Option<Duration> {
        if self.active {
            return None;
        }
        self.active = true;
        self.timers += 1;
        let wait = (RETRY_FIRST * 2u32.saturating_pow(self.failures.min(8))).min(RETRY_LAST);
        self.failures = self.failures.saturating_add(1);
        Some(wait)
    }

    /// A timer has fired. Returns whether that ends the present wait: it may be the timer of one that was cut short.
    pub(super) fn timer_fired(&mut self) -> bool {
        self.timers = self.timers.saturating_sub(1);
        self.timers == 0 && self.cut_short()
    }

    /// Ends the wait, if there is one, before its time.
    pub(super) fn cut_short(&mut self) -> bool {
        std::mem::take(&mut self.active)
    }

    /// A read succeeded: the next failure waits as briefly as the first.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}
