//! What the nodes may do in Redis, and what is taken from them for a while.

/// The nodes' user.
pub(crate) const USER: &str = "node";
pub(crate) const PASSWORD: &str = "chaos-reads-here";

/// The rights that docs/redis.md asks for: those of a node, and those of a publisher, since the nodes publish for clients and count readers.
/// Of the channels they have only those that clients are to be served, and that of the probe.
const RULES: [&str; 42] = [
    "on",
    ">chaos-reads-here",
    "resetkeys",
    "~sse:*",
    "~$fanfare:*",
    "~$dedup:{sse:*",
    "resetchannels",
    "&sse:c*",
    "&sse:free:*",
    "&sse:$probe:*",
    "&$fanfare:*",
    "&__keyspace@*__:sse:*",
    "-@all",
    "+subscribe",
    "+unsubscribe",
    "+publish",
    "+ping",
    "+info",
    "+config|get",
    "+multi",
    "+exec",
    "+unwatch",
    "+xinfo|stream",
    "+memory|usage",
    "+xrange",
    "+xrevrange",
    "+time",
    "+get",
    "+set",
    "+watch",
    "+fcall_ro",
    "+function|load",
    "+fcall",
    "+xadd",
    "+type",
    "+pttl",
    "+expire",
    "+persist",
    "+hset",
    "+hdel",
    "+hgetall",
    "+pexpire",
];

/// A part of these rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading by functions: pages of bounded size.
    Functions,
    /// Asking how large a stream is.
    Sizes,
    /// The probe, and publishing for clients.
    Publish,
    /// The archive.
    Archive,
    /// The first half of the channels.
    FirstChannels,
    /// All channels but those.
    OtherChannels,
}

impl Access {
    /// The words for the report.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Functions => "ACL without +fcall_ro",
            Self::Sizes => "ACL without +memory|usage",
            Self::Publish => "ACL without +publish",
            Self::Archive => "ACL without +xrange",
            Self::FirstChannels | Self::OtherChannels => "ACL without half of the channels",
        }
    }

    /// The rules of `ACL SETUSER` that take it away.
    pub(crate) fn taken(self) -> &'static [&'static str] {
        match self {
            Self::Functions => &["-fcall_ro"],
            Self::Sizes => &["-memory|usage"],
            Self::Publish => &["-publish"],
            Self::Archive => &["-xrange"],
            Self::FirstChannels => &[
                "resetchannels",
                "&sse:c0[6-9]*",
                "&sse:c1*",
                "&sse:free:*",
                "&sse:$probe:*",
                "&$fanfare:*",
                "&__keyspace@*__:sse:*",
            ],
            Self::OtherChannels => &[
                "resetchannels",
                "&sse:c0[0-5]*",
                "&sse:free:*",
                "&sse:$probe:*",
                "&$fanfare:*",
                "&__keyspace@*__:sse:*",
            ],
        }
    }

    /// The rules that give it back.
    pub(crate) fn given(self) -> &'static [&'static str] {
        match self {
            Self::Functions => &["+fcall_ro"],
            Self::Sizes => &["+memory|usage"],
            Self::Publish => &["+publish"],
            Self::Archive => &["+xrange"],
            Self::FirstChannels | Self::OtherChannels => &["&sse:c*"],
        }
    }
}

/// The words of `ACL SETUSER` for the nodes' user with these rules.
pub(crate) fn set_user<'a>(rules: &[&'a str]) -> Vec<&'a str> {
    [&["ACL", "SETUSER", USER][..], rules].concat()
}

/// Every right that the nodes have when nothing is taken from them.
pub(crate) fn everything() -> &'static [&'static str] {
    &RULES
}

/// The option of `redis-server` that makes the user.
pub(crate) fn server_option() -> Vec<&'static str> {
    [&["--user", USER][..], everything()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Seen to fail when the password of the rules is another one.
    #[test]
    fn every_right_that_is_taken_is_one_of_those_that_are_given() {
        let rules = everything();
        assert!(rules.contains(&format!(">{PASSWORD}").as_str()));
        for access in [Access::Functions, Access::Sizes, Access::Publish, Access::Archive, Access::FirstChannels] {
            assert!(access.given().iter().all(|rule| rules.contains(rule)), "{access:?}");
        }
    }
}
