//! What a log is called.

use std::fmt;

use crate::ChannelName;

/// Names a log. Logs of both kinds are followed, read and proven in the same way, and never meet: they live under different keys. Those of the
/// gateway's own come first in order: after a reconnect they are subscribed to before any channel, since others wait for what they say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogName {
    /// A log of the gateway's own, such as what was revoked: nodes write it and follow it. It lives outside the keys that
    /// publishers may touch, who could write, trim and expire it otherwise. No client can subscribe to it.
    System(Box<ChannelName>),
    /// A channel: publishers write it and clients subscribe to it.
    Channel(ChannelName),
}

/// Every channel of a node has its name in half a dozen maps. A box for the rare kind keeps it as small as a channel's.
const _: () = assert!(size_of::<LogName>() == size_of::<ChannelName>());

const PROBE: &str = "probe";
const REVOKED: &str = "revoked";

impl LogName {
    /// A log of the gateway's own.
    #[must_use]
    pub fn system(name: ChannelName) -> Self {
        Self::System(Box::new(name))
    }

    /// The log that a node reads to see that logs can be read. It is never written, and its key stands among those of channels, so
    /// that reading it takes the rights that reading a channel takes.
    #[must_use]
    pub fn probe() -> Self {
        Self::system(ChannelName::parse(PROBE).expect("a name of five letters is valid"))
    }

    /// The log of what was revoked.
    #[must_use]
    pub fn revoked() -> Self {
        Self::system(ChannelName::parse(REVOKED).expect("a name of seven letters is valid"))
    }

    /// Whether it is one of the gateway's own.
    #[must_use]
    pub const fn is_system(&self) -> bool {
        matches!(self, Self::System(_))
    }

    /// Whether it is the one that [`LogName::probe`] names.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        matches!(self, Self::System(name) if name.as_str() == PROBE)
    }

    /// The name without its kind, for messages.
    #[must_use]
    pub fn name(&self) -> &ChannelName {
        match self {
            Self::Channel(name) => name,
            Self::System(name) => name,
        }
    }
}

impl From<ChannelName> for LogName {
    fn from(name: ChannelName) -> Self {
        Self::Channel(name)
    }
}

impl From<&ChannelName> for LogName {
    fn from(name: &ChannelName) -> Self {
        Self::Channel(name.clone())
    }
}

impl From<&LogName> for LogName {
    fn from(name: &LogName) -> Self {
        name.clone()
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(name) => name.fmt(f),
            Self::System(name) => write!(f, "${name}"),
        }
    }
}

impl fmt::Debug for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_log_is_told_apart_from_a_channel_of_the_same_name() {
        let name = ChannelName::parse("revoked").unwrap();
        let (channel, system) = (LogName::from(&name), LogName::system(name));
        assert!(system < channel && LogName::revoked() < LogName::from(&ChannelName::parse("a").unwrap()));
        assert_eq!((channel.to_string(), system.to_string()), ("revoked".into(), "$revoked".into()));
        assert!(ChannelName::parse(&system.to_string()).is_err(), "no channel looks like a system log");
    }
}
