//! A channel of a session.

use fanfare_log::{CoreLog, Cursor, ViewKey};

/// A channel of a session.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) view: ViewKey,
    pub(super) cursor: Cursor,
}

impl Subscribed {
    /// Renews its position if that ages. Returns whether it changed.
    pub(super) fn refresh(&mut self, log: &CoreLog) -> bool {
        log.refresh(self.view, &mut self.cursor)
    }
}
