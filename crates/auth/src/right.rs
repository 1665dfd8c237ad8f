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
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 3] = [Self::Subscribe, Self::Publish, Self::History];

    /// As claims, configuration and messages name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::History => "history",
        }
    }
}
