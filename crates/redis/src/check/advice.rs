//! Commands that mend what was found, so that a shell takes them as they are meant.

use std::borrow::Cow;

use redis::{ConnectionAddr, ConnectionInfo};

/// Where the server is and who the node is there. By default: neither is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Advice {
    /// Options of `redis-cli` that lead to the server.
    place: String,
    user: String,
}

impl Advice {
    pub(super) fn at(info: &ConnectionInfo) -> Self {
        let place = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                format!(" -h {} -p {port}", quoted(host))
            }
            ConnectionAddr::Unix(path) => format!(" -s {}", quoted(&path.to_string_lossy())),
            _ => String::new(),
        };
        Self { place, user: info.redis_settings().username().unwrap_or("default").to_owned() }
    }

    /// A command line that begins with `redis-cli`, for this server.
    pub(super) fn here(&self, run: &str) -> String {
        run.replace("redis-cli ", &format!("redis-cli{} ", self.place))
    }

    /// Gives the node's user these rules.
    pub(super) fn allow<'a>(&self, rules: impl IntoIterator<Item = &'a str>) -> String {
        let mut run = format!("redis-cli ACL SETUSER {}", quoted(&self.user));
        for rule in rules {
            run.push(' ');
            run.push_str(&quoted(rule));
        }
        run
    }
}

/// A word as `sh` needs it to leave it alone.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-_./:@%,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_read_in_its_own_way_is_quoted() {
        let words = ["+get", "127.0.0.1", "+xinfo|stream", "&sse:*", "~$fanfare:*", "it's", ""];
        let expected = ["+get", "127.0.0.1", "'+xinfo|stream'", "'&sse:*'", "'~$fanfare:*'", r"'it'\''s'", "''"];
        assert_eq!(words.map(quoted), expected);
    }
}
