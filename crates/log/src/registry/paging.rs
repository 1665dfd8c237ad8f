//! What is read for the readers of one channel who are behind, and which of them wait for the head.

use std::collections::BTreeSet;

use fanfare_protocol::Position;

use super::reads::PageRead;
use crate::channel::{Channel, Shared};
use crate::payer::Payer;
use crate::wants::Want;

/// Who is behind asks in the channel's wants; this says which of the wants are due, and which one is being read.
#[derive(Debug, Default)]
pub(super) struct Paging {
    read: PageRead,
    /// Positions after which the archive had nothing although the tail ends elsewhere: their readers wait for the next read
    /// of the head.
    waiting_for_head: BTreeSet<Position>,
}

impl Paging {
    /// Whether a read is in flight.
    pub(super) fn is_reading(&self) -> bool {
        self.read != PageRead::Idle
    }

    /// Whether a reader wants a page and does not wait for the head.
    pub(super) fn is_wanted(&self, channel: &Channel) -> bool {
        channel.lock().wants.iter().any(|want| self.is_due(want))
    }

    /// Whether a payer wants a page and does not wait for the head.
    pub(super) fn is_wanted_by(&self, channel: &Channel, payer: Payer) -> bool {
        channel.lock().wants.has(payer, |want| self.is_due(want))
    }

    /// Who has asked for a page since the last call and does not wait for the head.
    pub(super) fn take_askers(&self, channel: &Channel) -> BTreeSet<Payer> {
        let wants = &mut channel.lock().wants;
        let mut askers = wants.take_askers();
        askers.retain(|payer| wants.has(*payer, |want| self.is_due(want)));
        askers
    }

    fn is_due(&self, want: &Want) -> bool {
        !matches!(want, Want::Page(position) if self.waiting_for_head.contains(position))
    }

    /// Begins a read for the oldest want of a payer; for none that waits for the head.
    pub(super) fn begin(&mut self, channel: &Channel, payer: Payer) -> Option<Want> {
        let mut shared = channel.lock();
        let Shared { wants, pages, newest, .. } = &mut *shared;
        let is_answered = |want: &Want| match want {
            Want::Page(position) => pages.serve(*position).is_some(),
            Want::Newest(count) => newest.get(*count).is_some(),
        };
        let want = wants.next(payer, |want| self.is_due(want), is_answered);
        drop(shared);
        self.read = PageRead::InFlight { want: want?, stale: false };
        want
    }

    /// A read has ended. Returns what was wanted, and whether the history turned out to be another one since.
    pub(super) fn answered(&mut self) -> Option<(Want, bool)> {
        match std::mem::take(&mut self.read) {
            PageRead::InFlight { want, stale } => Some((want, stale)),
            PageRead::Idle => None,
        }
    }

    /// Another history than the one being read may be the stream's.
    pub(super) fn doubt(&mut self) {
        self.read.doubt();
    }

    /// Where the newest entries begin may have changed.
    pub(super) fn doubt_newest(&mut self) {
        self.read.doubt_newest();
    }

    /// The reader at a position waits for the read of the head: the archive would answer the same until then.
    pub(super) fn wait_for_head(&mut self, position: Position) {
        self.waiting_for_head.insert(position);
    }

    /// A read of the head has ended. Returns who waited for it, if there is anybody.
    pub(super) fn take_waiting(&mut self) -> Option<BTreeSet<Position>> {
        let waiting = std::mem::take(&mut self.waiting_for_head);
        (!waiting.is_empty()).then_some(waiting)
    }
}
