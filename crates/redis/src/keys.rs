//! How channels are named in Redis.

use std::sync::Arc;

use fanfare_protocol::{ChannelName, LogName, TicketName};

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

    /// The log that a key or Pub/Sub channel belongs to, if it is one of ours. No key is both a channel's and a system log's: a prefix that
    /// would allow that is refused ([`overlaps_own`]).
    pub(crate) fn log(&self, key: &str) -> Option<LogName> {
        let named = |prefix: &str| ChannelName::parse(key.strip_prefix(prefix)?).ok();
        named(&self.prefix).map(LogName::Channel).or_else(|| named(&self.system).map(LogName::system))
    }

    /// The key whose random value tells one life of the channels' streams from the next. No channel has this name, since names of
    /// channels do not start with `$`.
    pub(crate) fn epoch(&self) -> String {
        format!("{}$epoch", self.prefix)
    }

    /// The same for the gateway's own logs. Publishers may write the other one.
    pub(crate) fn own_epoch(&self) -> String {
        format!("{}$epoch", self.system)
    }

    /// The key of a ticket until its first use, beside those of system logs.
    pub(crate) fn ticket(&self, ticket: TicketName) -> String {
        format!("{}ticket:{ticket}", self.system)
    }

    /// The key of a ticket from its first use on.
    pub(crate) fn used_ticket(&self, ticket: TicketName) -> String {
        format!("{}ticket:{ticket}:used", self.system)
    }

    /// The hash of the readers of a counted channel, by the lives of nodes.
    pub(crate) fn readers(&self, channel: &ChannelName) -> String {
        format!("{}readers:{channel}", self.system)
    }

    /// The key that is there as long as a life of a node lasts.
    pub(crate) fn life(&self, life: &str) -> String {
        format!("{}node:{life}", self.system)
    }
}

/// What the names begin with that the gateway keeps for itself: system logs and the library's lock, and beside streams what makes
/// publishes harmless to repeat.
const OWN: [&str; 2] = ["$fanfare:", "$dedup:"];

/// Whether publishers who may write what begins with a prefix could write keys of the gateway itself. Their ACL is a pattern
/// (`~<prefix>*`, <https://redis.io/docs/latest/commands/keys/>), so that a prefix with `*`, `?`, `[` or `\` is judged by all that it
/// may stand for.
pub(crate) fn overlaps_own(prefix: &str) -> bool {
    let literal = prefix.split(['*', '?', '[', '\\']).next().unwrap_or_default();
    let special = &prefix[literal.len()..];
    // All of ours begin with `$`.
    let is_any = match special.as_bytes() {
        [] | [b'\\' | b'[', ..] if !literal.is_empty() => true,
        [b'\\', rest @ ..] => rest.first() == Some(&b'$'),
        [b'[', class @ ..] => class.iter().take_while(|byte| **byte != b']').any(|byte| b"$^-".contains(byte)),
        _ => true,
    };
    is_any && OWN.iter().any(|own| literal.starts_with(own) || own.starts_with(literal))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether Redis takes a text for one that a pattern of `*` and `?` covers.
    fn covers(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|cut| covers(rest, &text[cut..])),
            ([b'?', rest @ ..], [_, left @ ..]) => covers(rest, left),
            ([first, rest @ ..], [byte, left @ ..]) => first == byte && covers(rest, left),
            _ => false,
        }
    }

    proptest! {
        // Fails if only a beginning of `$fanfare:{` is refused, or patterns are not thought of.
        #[test]
        fn no_publisher_can_write_a_key_of_the_gateway_whatever_the_prefix_that_is_accepted(
            (prefix, others) in ("[$fandeup:{}*?a-c]{1,12}|\\$fanfare:[{}a-c]{0,4}|\\$(fanfare|dedup|fan|f|)", "[a-z:{$]{1,8}"),
            name in "[a-z}:]{1,10}",
        ) {
            let name = ChannelName::parse(&name).unwrap();
            let pattern = format!("{prefix}*");
            let own = [prefix.clone(), others].map(|prefix| Keys::new(&prefix).stream(&LogName::system(name.clone())));
            let dedup = format!("$dedup:{{{prefix}{name}}}:key");
            let ticket = Keys::new(&prefix).ticket(TicketName::of_digest([0; 32]));
            let epoch = Keys::new(&prefix).own_epoch();
            let keys = own.iter().chain([&dedup, &ticket, &epoch]).map(String::as_str).chain(["$fanfare:library"]);
            for key in keys {
                let is_written = covers(pattern.as_bytes(), key.as_bytes()) || key.starts_with(&prefix);
                prop_assert!(!is_written || overlaps_own(&prefix), "{pattern} covers {key}");
            }
        }
    }

    #[test]
    fn prefixes_that_people_have_are_accepted_and_the_gateways_own_are_not() {
        for prefix in
            ["sse:", "a", "f", "app:sse:", "acme-", "{sse}:", "[app]:", "\\x", "a*", "sse$", "$other:", "fanfare:"]
        {
            assert!(!overlaps_own(prefix), "{prefix}");
        }
        for prefix in [
            "$",
            "$f",
            "$fanfare:",
            "$fanfare:{",
            "$fanfare:{sse:}:",
            "$fanfare:{$fan",
            "$d",
            "$dedup:{",
            "*",
            "?",
            "?a",
            "$*",
            "$fan?",
            "[$]",
            "[^a]",
            "[!-z]",
            "\\$fanfare:",
            "$f[a]",
        ] {
            assert!(overlaps_own(prefix), "{prefix}");
        }
    }

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
        assert_eq!([keys.epoch(), keys.own_epoch()], ["sse:$epoch", "$fanfare:{sse:}:$epoch"]);
        for key in [&keys.epoch(), &keys.own_epoch(), "other:revoked"] {
            assert_eq!(keys.log(key), None, "{key}");
        }
        let ticket = TicketName::of_digest([0xab; 32]);
        assert_eq!(keys.ticket(ticket), format!("$fanfare:{{sse:}}:ticket:{}", "ab".repeat(32)));
        assert_eq!(keys.used_ticket(ticket), format!("$fanfare:{{sse:}}:ticket:{}:used", "ab".repeat(32)));
        let channel = ChannelName::parse("chat:1").unwrap();
        assert_eq!(keys.readers(&channel), "$fanfare:{sse:}:readers:chat:1");
        assert_eq!(keys.life("1f"), "$fanfare:{sse:}:node:1f");
        assert_eq!(keys.stream(&LogName::probe()), "sse:$probe", "within what a node's ACL has to allow anyway");
    }

    #[test]
    fn a_channel_is_never_taken_for_a_system_log_whatever_the_prefix() {
        for prefix in ["$other:", "fanfare:", "{", "a", "sse:"] {
            let keys = Keys::new(prefix);
            for name in ["a", "fanfare:{$}:a", "{$fanfare:}:a", "}:a"] {
                let channel = LogName::from(ChannelName::parse(name).unwrap());
                assert_eq!(keys.log(&keys.stream(&channel)), Some(channel), "{prefix}");
            }
        }
    }
}
