//! How channels are named in Redis.

use std::sync::Arc;

use fanfare_protocol::{ChannelName, LogName};

/// Makes names of keys and Pub/Sub channels.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) prefix: Arc<str>,
}

impl Keys {
    /// The Stream key and the Pub/Sub channel of a log: one name, so one Cluster slot. Those of system logs begin with what no
    /// publisher's pattern covers.
    pub(crate) fn stream(&self, log: &LogName) -> String {
        match log {
            LogName::Channel(name) => format!("{}{name}", self.prefix),
            LogName::System(name) => format!("{}{name}", self.system()),
        }
    }

    /// The log that a key or Pub/Sub channel belongs to, if it is one of ours.
    pub(crate) fn log(&self, key: &str) -> Option<LogName> {
        if let Some(name) = key.strip_prefix(&self.system()) {
            return ChannelName::parse(name).ok().map(LogName::System);
        }
        ChannelName::parse(key.strip_prefix(&*self.prefix)?).ok().map(LogName::Channel)
    }

    fn system(&self) -> String {
        format!("$fanfare:{{{}}}:", self.prefix)
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
        let keys = Keys { prefix: Arc::from("sse:") };
        let name = ChannelName::parse("revoked").unwrap();
        let (channel, system) = (LogName::from(&name), LogName::System(name));
        assert_eq!(keys.stream(&channel), "sse:revoked");
        assert_eq!(keys.stream(&system), "$fanfare:{sse:}:revoked");
        for log in [channel, system] {
            assert_eq!(keys.log(&keys.stream(&log)), Some(log));
        }
        assert_eq!((keys.log("sse:$epoch"), keys.log("other:revoked")), (None, None));
    }
}
