//! What of its stream a log of the gateway's own holds. Messages of these logs are never believed, so it is known by reads only.

use tokio::time::Instant;

/// What of its stream a log of the gateway's own holds. Of a channel nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The [link](crate::Hub::link) since whose beginning a read has shown the log to hold all that its stream did. `None`: none has.
    pub link: Option<u64>,
    /// Since when something has been announced that no read has shown yet.
    pub unread_since: Option<Instant>,
    /// All that was announced before this time has arrived, and counts in the other fields: when the last probe of the feed that came back was
    /// sent. `None`: none has.
    pub proven: Option<Instant>,
}
