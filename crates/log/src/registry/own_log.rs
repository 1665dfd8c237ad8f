//! What of its stream a log of the gateway's own holds. Its messages are never believed: they are doorbells, and only reads show what rang.

use fanfare_protocol::LogName;
use tokio::time::Instant;

use super::effect::Effect;

/// What of its stream a log of the gateway's own holds.
#[derive(Debug, Default)]
pub(super) struct OwnLog {
    /// A read that began since the present connection of the feed tells of everything has shown the log to hold all of it.
    is_confirmed: bool,
    /// When it rang first before the read that is under way, or the last one that failed, began.
    asked_for: Option<Instant>,
    /// When it rang first since then.
    later: Option<Instant>,
    /// The read from the head that is under way began on the present connection, which has lost nothing since.
    is_read_fresh: bool,
}

impl OwnLog {
    /// `None`: the log is a channel's.
    pub(super) fn of(name: &LogName) -> Option<Box<Self>> {
        name.is_system().then(Box::default)
    }

    /// The feed has another connection, or none.
    pub(super) fn on_other_link(&mut self) {
        self.is_confirmed = false;
        self.is_read_fresh = false;
    }

    /// It rings.
    pub(super) fn on_doorbell(&mut self, now: Instant) {
        self.later.get_or_insert(now);
    }

    /// A read from the head begins: it shows what rang until now. `is_acknowledged`: whatever is written from now on rings here.
    pub(super) fn begin_read(&mut self, is_acknowledged: bool) {
        self.is_read_fresh = is_acknowledged;
        let later = self.later.take();
        self.asked_for = self.asked_for.or(later);
    }

    /// That read has shown all that there was when it began. What is written meanwhile rings, so that a log which grows all the time is
    /// confirmed as well.
    pub(super) fn note_shown(&mut self) {
        self.asked_for = None;
        self.is_confirmed |= self.is_read_fresh;
    }

    /// The log ends where its stream does, by a read that began on the present connection.
    pub(super) fn confirm(&mut self) {
        self.is_confirmed = true;
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// What readers are told of it.
    pub(super) fn cover(&self) -> Effect {
        Effect::Cover { is_confirmed: self.is_confirmed, unread_since: self.asked_for.or(self.later) }
    }
}
