//! What can be done with a channel.

/// What a client wants to do with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// Follow it: `GET /events`.
    Subscribe,
    /// Publish to it over HTTP.
    Publish,
    /// Read what it holds: `GET /channels/{channel}/history`.
    History,
    /// Make tickets with which others follow it: `POST /tickets`.
    Tickets,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::Subscribe, Self::Publish, Self::History, Self::Tickets];

    /// Whether everybody may have it with channels that are public: it is one to read, and nothing else.
    #[must_use]
    pub const fn may_be_public(self) -> bool {
        matches!(self, Self::Subscribe | Self::History)
    }

    /// As claims, configuration and messages name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::History => "history",
            Self::Tickets => "tickets",
        }
    }
}
