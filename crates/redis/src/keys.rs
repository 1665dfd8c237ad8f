//! How channels are named in Redis.

use std::sync::Arc;

use fanfare_protocol::{ChannelName, LogName};

/// Makes names of keys and Pub/Sub channels. Cloning shares the texts.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// What the keys of channels begin with.
    pub(crate) prefix: Arc<str>,
    /// What the keys of system logs begin with: no pattern of a publisher covers it.
    system: Arc<str>,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: Arc::from(prefix), system: Arc::from(format!("$fanfare:{{{prefix}}}:")) }
    }

    /// The Stream key and the Pub/Sub channel of a log: one name, so one Cluster slot.
    pub(crate) fn stream(&self, log: &LogName) -> String {
        match log {
            LogName::Channel(name) => format!("{}{name}", self.prefix),
            // No channel has this name either.
            LogName::System(name) if log.is_probe() => format!("{}${name}", self.prefix),
            LogName::System(name) => format!("{}{name}", self.system),
        }
    }

    /// The log that a key or Pub/Sub channel belongs to, if it is one of ours. Channels come first: a prefix such as `$` is allowed,
    /// and with that one the keys of system logs look like those of channels.
    pub(crate) fn log(&self, key: &str) -> Option<LogName> {
        let named = |prefix: &str| ChannelName::parse(key.strip_prefix(prefix)?).ok();
        named(&self.prefix).map(LogName::Channel).or_else(|| named(&self.system).map(LogName::system))
    }

    /// The key whose random value tells one life of the data from the next. No channel has this name, since names of
    /// channels do not start with `$`.
    pub(crate) fn epoch(&self) -> String {
        format!("{}$epoch", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_log_has_a_key_of_its_own_and_a_system_log_none_that_begins_as_channels_do() {
        let keys = Keys::new("sse:");
        let name = ChannelName::parse("revoked").unwrap();
        let (channel, system) = (LogName::from(&name), LogName::system(name));
        assert_eq!(keys.stream(&channel), "sse:revoked");
        assert_eq!(keys.stream(&system), "$fanfare:{sse:}:revoked");
        for log in [channel, system] {
            assert_eq!(keys.log(&keys.stream(&log)), Some(log));
        }
        assert_eq!((keys.log("sse:$epoch"), keys.log("other:revoked")), (None, None));
        assert_eq!(keys.stream(&LogName::probe()), "sse:$probe", "within what a node's ACL has to allow anyway");
    }

    #[test]
    fn a_channel_is_never_taken_for_a_system_log_whatever_the_prefix() {
        for prefix in ["$", "$fanfare:", "$fanfare:{", "a", "sse:"] {
            let keys = Keys::new(prefix);
            for name in ["a", "fanfare:{$}:a", "{$fanfare:}:a", "}:a"] {
                let channel = LogName::from(ChannelName::parse(name).unwrap());
                assert_eq!(keys.log(&keys.stream(&channel)), Some(channel), "{prefix}");
            }
        }
    }
}
