//! What somebody may do, and until when.

use std::sync::Arc;

use fanfare_protocol::ChannelName;

use crate::named_stream::NamedStream;
use crate::refusal::Refusal;
use crate::right::Right;
use crate::rights::Rights;
use crate::unix_seconds::UnixSeconds;

/// What the holder of a token may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// The configured name of who gave it. Subjects and token ids are names among those of one issuer only: what is kept by subject
    /// goes by both.
    pub issuer: Option<Arc<str>>,
    /// Whose it is (`sub`).
    pub subject: Option<Box<str>>,
    /// Which token it is (`jti`).
    pub token_id: Option<Box<str>>,
    /// When it was given (`iat`).
    pub issued_at: Option<UnixSeconds>,
    /// From when on it is none any more (`exp`). `None`: never.
    pub expires_at: Option<UnixSeconds>,
    /// What may be done with which channels.
    pub rights: Rights,
    /// What is said of the stream that is asked for, if anything is.
    pub stream: Option<Box<NamedStream>>,
}

impl Grant {
    /// Whether this may be done with all of these channels. They are allowed together or not at all, and no channel is not allowed.
    ///
    /// # Errors
    /// Names the first that is refused.
    pub fn permit(&self, right: Right, channels: &[ChannelName]) -> Result<(), Refusal> {
        if channels.is_empty() {
            return Err(Refusal::Invalid("no channel is named"));
        }
        match self.first_refused(right, channels) {
            Some(channel) => Err(Refusal::Forbidden { right, channel: channel.clone() }),
            None => Ok(()),
        }
    }

    /// The first of these channels with which this may not be done. Where there may be none at all, ask [`Self::permit`].
    #[must_use]
    pub fn first_refused<'a>(
        &self,
        right: Right,
        channels: impl IntoIterator<Item = &'a ChannelName>,
    ) -> Option<&'a ChannelName> {
        channels.into_iter().find(|channel| !self.rights.allow(right, channel))
    }

    /// The channels of a stream whose request names none.
    #[must_use]
    pub fn named_channels(&self) -> &[ChannelName] {
        self.stream.as_ref().map_or(&[], |stream| &stream.channels)
    }

    /// The memory of what it holds for itself, in bytes: what it says of channels.
    pub(crate) fn own_bytes(&self) -> usize {
        self.rights.own_bytes() + self.stream.as_ref().map_or(0, |stream| stream.own_bytes())
    }

    /// Whether it is over at this time.
    #[must_use]
    pub fn has_expired(&self, now: UnixSeconds) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}
