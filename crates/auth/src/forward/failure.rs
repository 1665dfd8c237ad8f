//! What kinds of failures there are, for operators.

use super::answer::ForwardError;
use crate::ask::AskError;

/// Why a question has no clear answer. The text says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardFailure {
    /// No place for the question was free in its time.
    NoPlace,
    /// The application did not answer in time, or was not reached.
    Timeout,
    /// There was no connection, or it broke, or the certificate is not believed.
    Connection,
    /// A redirection: to a page for logging in, most likely.
    Redirect,
    /// Another status than 2xx, 401 and 403.
    Status,
    /// A 2xx that does not say clearly what is allowed, or has too many bytes.
    Answer,
}

impl ForwardFailure {
    /// All, in the order of their counters.
    pub const ALL: [Self; 6] =
        [Self::NoPlace, Self::Timeout, Self::Connection, Self::Redirect, Self::Status, Self::Answer];

    /// As metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPlace => "no_place",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Answer => "answer",
        }
    }

    /// What kind an error is. `None`: the question was not asked.
    pub(super) fn of(error: &ForwardError) -> Option<Self> {
        Some(match error {
            ForwardError::Crowded => return None,
            ForwardError::NoPlace(_) => Self::NoPlace,
            ForwardError::Ask(AskError::TimedOut(_) | AskError::NotReached(..)) => Self::Timeout,
            ForwardError::Ask(AskError::Failed(_)) => Self::Connection,
            ForwardError::Status(status) if status.is_redirection() => Self::Redirect,
            ForwardError::Status(_) => Self::Status,
            ForwardError::Ask(AskError::TooLarge(_)) | ForwardError::Body(_) => Self::Answer,
        })
    }
}
