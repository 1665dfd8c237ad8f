//! Why somebody may not do what was asked.

use fanfare_protocol::ChannelName;

use crate::right::Right;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It carries no token, and not everything that it asks for is public. 401.
    Missing,
    /// Its token is worth nothing: unreadable, foreign, with a wrong signature, not valid yet, or expired long ago. The text says for
    /// the person who made the token what is wrong with it, and holds nothing of it. 401.
    Invalid(&'static str),
    /// The certificate of its client gives nothing, which the text says for the person who had it issued. 401.
    Certificate(&'static str),
    /// A genuine token that expired a short while ago (`auth.expired_grace`): its holder is told politely and may come with a fresh
    /// one. Or what a client has proven by its certificate is over, and it has to shake hands again.
    Expired,
    /// The token or certificate is genuine and does not allow this. 403.
    Forbidden {
        /// What was asked for.
        right: Right,
        /// The first channel that it was refused for.
        channel: ChannelName,
    },
    /// It cannot be said now: the keys that tokens are signed with are not to be had. 503.
    Unavailable,
}

impl Refusal {
    /// As metrics and logs name it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid(_) | Self::Certificate(_) => "invalid",
            Self::Expired => "expired",
            Self::Forbidden { .. } => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }
}
