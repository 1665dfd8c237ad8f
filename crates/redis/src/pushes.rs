//! What is believed of messages that bring an entry.

use fanfare_protocol::LogName;

/// What is believed of messages that bring an entry. Whoever may `PUBLISH` on a log can forge one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pushes {
    /// One that follows the last entry is delivered as it is: no read, one hop.
    #[default]
    Trusted,
    /// Each is a reason to read the stream, and is compared with what is read. Nothing of it is delivered.
    Verified,
}

impl Pushes {
    /// Whether a message of this log is delivered as it is. Those of the gateway's own logs never are: nobody but nodes has a right to
    /// speak there, and nothing of the ACL says so for messages.
    pub(crate) fn are_believed(self, log: &LogName) -> bool {
        self == Self::Trusted && matches!(log, LogName::Channel(_))
    }
}
